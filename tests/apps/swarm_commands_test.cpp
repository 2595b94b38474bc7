// Swarms from the command line: gradients of a shipped experiment, its judgement, pictures and numbers.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/png.hpp"
#include "tests/support/subprocess.hpp"
#include "tests/support/temporary.hpp"

namespace mg {
namespace {

using nlohmann::json;
using test::run_morphogen;

const std::string kMorph = MG_SOURCE_DIR "/configs/abm/morph.json";
const std::vector<std::string> kSmall = {"--set", "model.species=[40]", "--set", "data.thumbnail=10",
                                         "--set", "augment.batch=1",    "--set", "augment.steps=3"};

std::vector<std::string> with_small(std::vector<std::string> command) {
  command.insert(command.end(), kSmall.begin(), kSmall.end());
  return command;
}

TEST(SwarmCommands, GradientsOfTheShippedExperimentAreExact) {
  const auto result = run_morphogen(with_small({"gradcheck", kMorph}));
  EXPECT_EQ(result.code, 0) << result.out << result.err;
}

TEST(SwarmCommands, EvalJudgesStartAndEnd) {
  const auto result = run_morphogen(with_small({"eval", kMorph}));
  ASSERT_EQ(result.code, 0) << result.err;
  const auto report = json::parse(result.out);
  EXPECT_EQ(report.at("steps"), 3);
  for (const char* when : {"start", "end"}) {
    EXPECT_GT(report.at(when).at("transport").get<double>(), 0);
    EXPECT_NEAR(report.at(when).at("loss").get<double>(),
                0.9 * report.at(when).at("transport").get<double>() + 0.1 * report.at(when).at("lattice").get<double>(),
                1e-6);
    EXPECT_GT(report.at(when).at("assignment").get<double>(), 0);
  }
  EXPECT_NE(report.at("start"), report.at("end"));
}

TEST(SwarmCommands, EveryModelOfAgentsRuns) {
  const test::TemporaryDirectory dir;
  for (const char* name : {"slime_np", "slime_jax", "physarum"}) {
    const auto picture = (dir / (name + std::string(".png"))).string();
    const auto result =
        run_morphogen({"--backend", "host", "run", MG_SOURCE_DIR "/configs/abm/" + std::string(name) + ".json", "-o",
                       picture, "--size", "24", "--steps", "3", "--set", "model.agents=50"});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_TRUE(json::parse(result.out).at("finite"));
  }
}

TEST(SwarmCommands, RunDrawsAgentsOverTheLattice) {
  const test::TemporaryDirectory dir;
  const auto picture = (dir / "swarm.png").string(), numbers = (dir / "swarm.npz").string();
  const auto result =
      run_morphogen(with_small({"run", kMorph, "-o", picture, "-o", numbers, "--steps", "3", "--zoom", "4"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const Image image = read_png(picture);
  EXPECT_EQ(image.w, 4 * 18);  // the thumbnail and its padding
  int cyan = 0;
  for (int y = 0; y < image.h; ++y)
    for (int x = 0; x < image.w; ++x) cyan += image.at(y, x)[0] == 0 && image.at(y, x)[1] == 230;
  EXPECT_GT(cyan, 20);
  EXPECT_LE(cyan, 40);
}

}  // namespace
}  // namespace mg
