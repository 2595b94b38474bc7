#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/array_file.hpp"
#include "core/file.hpp"
#include "core/png.hpp"
#include "tests/support/subprocess.hpp"
#include "tests/support/temporary.hpp"

namespace mg {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::run_morphogen;

/// An automaton that runs over given times, as systems without a solver do: in whole steps.
class TimesCommands : public ::testing::Test {
 protected:
  TimesCommands() {
    config_ = {
        {"name", "small"},
        {"model", {{"type", "nca"}, {"channels", 3}}},
        {"start",
         {{"type", "layers"}, {"size", {6, 8}}, {"samples", 2}, {"layers", {{{"type", "uniform"}, {"high", 0.5}}}}}},
        {"times", {{"type", "list"}, {"values", {0, 2, 5}}}}};
  }
  std::string config() {
    std::ofstream(dir_ / "config.json") << config_.dump(2);
    return path("config.json");
  }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }
  test::TemporaryDirectory dir_;
  json config_;
};

TEST_F(TimesCommands, RunFillsAFolder) {
  const auto result = run_morphogen({"run", config(), "-o", path("out"), "--map", "magma", "--channels", "0,2"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto report = json::parse(result.out);
  EXPECT_EQ(report["frames_reached"], 3);
  EXPECT_EQ(report["steps"], 5);
  for (const char* name : {"strip.png", "final.png", "kymograph.png"})
    EXPECT_GT(read_png(path(std::string("out/") + name)).w, 8) << name;
  EXPECT_GT(fs::file_size(path("out/film.gif")), 100u);
  const TensorFile numbers = read_npz(path("out/states.npz"));
  EXPECT_EQ(numbers.at("states").shape, (std::vector<std::size_t>{3, 3, 6, 8}));
  EXPECT_EQ(numbers.at("times").as_double(), (std::vector<double>{0, 2, 5}));
  EXPECT_EQ(numbers.at("frames").as_double()[0], 3);

  const auto by_default = run_morphogen({"run", config(), "--until", "4", "--frames", "3"}, dir_.path().string());
  ASSERT_EQ(by_default.code, 0) << by_default.err;
  EXPECT_TRUE(fs::exists(dir_.path() / json::parse(by_default.out)["files"][0].get<std::string>()));
}

TEST_F(TimesCommands, SimulateWritesTrajectoriesThatAreDataAndStarts) {
  const auto result = run_morphogen({"simulate", config(), "-o", path("a.npz")});
  ASSERT_EQ(result.code, 0) << result.err;
  const Tensor states = read_array(path("a.npz"), "");
  EXPECT_EQ(states.shape, (std::vector<std::size_t>{2, 3, 3, 6, 8}));
  const auto values = states.as_double();
  EXPECT_NE(values[0], values[3 * 3 * 48]);  // each trajectory has a start of its own
  ASSERT_EQ(run_morphogen({"simulate", config(), "-o", path("b.npz"), "--threads", "1"}).code, 0);
  EXPECT_TRUE(read_file(path("a.npz")) == read_file(path("b.npz")));
  config_["start"] = {{"type", "array"}, {"file", "a.npz"}};
  config_["times"]["values"] = {5, 6};
  ASSERT_EQ(run_morphogen({"simulate", config(), "-o", path("c.npz")}).code, 0);
  EXPECT_EQ(read_array(path("c.npz"), "").as_double()[0], values[2 * 3 * 48]);
  config_["data"] = {{"type", "array"}, {"file", "a.npz"}};
  config_["start"] = nullptr;
  ASSERT_EQ(run_morphogen({"simulate", config(), "-o", path("d.npz")}).code, 0);
  EXPECT_EQ(read_array(path("d.npz"), "").as_double()[0], values[0]);
}

TEST_F(TimesCommands, AModelOfASeriesIsDrawnAndJudged) {
  ASSERT_EQ(run_morphogen({"simulate", config(), "-o", path("a.npz")}).code, 0);
  config_["data"] = {{"type", "array"}, {"file", "a.npz"}, {"channels", {0, 1}}};
  config_["augment"] = {{"type", "morph"}, {"steps", 2}, {"shift", 0}};
  const auto trained = run_morphogen({"train", config(), "--run-dir", path("run"), "--set", "train.iterations=2"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  for (const char* name : {"compare.png", "prediction.png", "prediction.gif", "weights.png", "loss.png"})
    EXPECT_TRUE(fs::exists(path(std::string("run/media/") + name))) << name;
  const auto judged = run_morphogen({"eval", path("run")});
  ASSERT_EQ(judged.code, 0) << judged.err;
  const auto report = json::parse(judged.out);
  EXPECT_EQ(report["trajectories"].size(), 2u);
  EXPECT_EQ(report["trajectories"][0]["times"], json({2.0, 4.0}));
  EXPECT_GT(report["rms"].get<double>(), 0);
  // what stays as it is, is 0 away from data that stay as they are
  const auto same = run_morphogen({"eval", config()});
  EXPECT_LT(json::parse(same.out)["rms"].get<double>(), 1e-6) << same.out;
}

TEST_F(TimesCommands, MistakesHaveTheirCodes) {
  EXPECT_EQ(run_morphogen({"run", config(), "--steps", "3"}).code, 2);
  EXPECT_EQ(run_morphogen({"run", config(), "--sample", "2"}).code, 2);
  EXPECT_EQ(run_morphogen({"run", config(), "--range", "1:0"}).code, 2);
  EXPECT_EQ(run_morphogen({"run", config(), "--channels", "3", "-o", path("out")}).code, 2);
  EXPECT_EQ(run_morphogen({"run", config(), "-o", path("a.txt")}).code, 2);
  EXPECT_EQ(run_morphogen({"run", config(), "-o", path("none/a.png")}).code, 7);
  EXPECT_EQ(run_morphogen({"simulate", config(), "-o", path("a.png")}).code, 2);
  config_["times"]["values"] = {0, 1.5};
  const auto between = run_morphogen({"run", config(), "-o", path("out")});
  EXPECT_EQ(between.code, 3);
  EXPECT_NE(between.err.find("whole"), std::string::npos) << between.err;
  config_["times"]["values"] = {0, 1, 1};
  EXPECT_NE(run_morphogen({"run", config()}).err.find("/times/values"), std::string::npos);
}

}  // namespace
}  // namespace mg
