#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/png.hpp"
#include "tests/support/environment.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/subprocess.hpp"

namespace mg {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::run_morphogen;

/// A folder with a small picture and a configuration that learns it.
class ModelCommands : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("mg_models_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    Image image(8, 8, 4, 0);
    for (int y = 2; y < 6; ++y)
      for (int x = 2; x < 6; ++x) image.at(y, x)[0] = image.at(y, x)[3] = 255;
    write_png(folder_ / "target.png", image);
    config_ = {
        {"model", {{"type", "nca"}, {"channels", 6}, {"kernels", {"ID", "GRAD"}}, {"activation", "tanh"}}},
        {"data",
         {{"type", "images"},
          {"trajectories", {{{"frames", {{{"file", "target.png"}}}}}}},
          {"pad", 2},
          {"seed", "cell"}}},
        {"augment", {{"type", "pool"}, {"size", 4}, {"batch", 2}, {"damage", 0}, {"steps_min", 3}, {"steps_max", 3}}}};
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string config() {
    std::ofstream(folder_ / "config.json") << config_.dump(2);
    return (folder_ / "config.json").string();
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  fs::path folder_;
  json config_;
};

TEST_F(ModelCommands, RunWritesPicturesAnimationAndNumbers) {
  const auto result = run_morphogen({"run", config(), "--steps", "20", "-o", path("a.png"), "-o", path("a.gif"), "-o",
                                     path("a.npz"), "--every", "5", "--damage", "10:left"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto report = json::parse(result.out);
  EXPECT_EQ(report["steps"], 20);
  EXPECT_EQ(report["grid"], json({12, 12}));
  EXPECT_EQ(read_png(path("a.png")).h, 48);
  EXPECT_GT(fs::file_size(path("a.gif")), 100u);
  EXPECT_GT(fs::file_size(path("a.npz")), 5u * 6 * 12 * 12 * 4);
  EXPECT_EQ(run_morphogen({"run", config(), "--steps", "20", "--size", "16x20", "-o", path("b.png")}).code, 0);
  EXPECT_EQ(read_png(path("b.png")).w, 80);
}

TEST_F(ModelCommands, RunIsReproducible) {
  const std::vector<std::string> arguments = {"run", config(), "--set", "model.output_bias=true", "--steps", "9", "-o"};
  auto first = arguments, second = arguments;
  first.push_back(path("a.npz"));
  second.push_back(path("b.npz"));
  second.insert(second.end(), {"--threads", "1"});
  ASSERT_EQ(run_morphogen(first).code, 0);
  ASSERT_EQ(run_morphogen(second).code, 0);
  const auto bytes = [](const std::string& name) {
    std::ifstream in(name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  EXPECT_EQ(bytes(path("a.npz")), bytes(path("b.npz")));
}

TEST_F(ModelCommands, RunRefusesWhatItCannotDo) {
  const auto expect = [&](std::vector<std::string> more, int code, const std::string& message) {
    std::vector<std::string> arguments = {"run", config()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto result = run_morphogen(arguments);
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
    EXPECT_EQ(result.out, "");
  };
  expect({"-o", "a.bmp"}, 2, "-o a.bmp: expected a name that ends in .png, .gif or .npz");
  expect({"-o", "/nowhere/a.png"}, 7, "no folder /nowhere");
  expect({"--size", "16384", "--set", "model.channels=1024", "--dry-run"}, 5, "a lattice of 16384x16384: needs ");
  expect({"--size", "4000", "--zoom", "64", "-o", path("a.png"), "--dry-run"}, 2,
         "--zoom 64: the picture would have more than 2^28 pixels; at most --zoom 4 fits");
  expect({"--size", "4"}, 2, "--size 4x4 is smaller than the data, 12x12");
  expect({"--size", "12by12"}, 2, "--size: expected 1 to 16384");
  expect({"--damage", "3:lowr"}, 2, "did you mean \"lower\"?");
  expect({"--sample", "5"}, 2, "--sample: the data have 1 trajectories");
  expect({"--set", "model.channels=3"}, 4, "raise model.channels");
  EXPECT_EQ(run_morphogen({"run", path("none")}).code, 8);
  std::ofstream(path("broken.safetensors")) << "not a model";
  EXPECT_EQ(run_morphogen({"run", path("broken.safetensors")}).code, 4);
}

TEST_F(ModelCommands, EvalReportsAllScores) {
  const auto result = run_morphogen({"eval", config(), "--until", "20", "--recovery", "20", "--samples", "2"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto report = json::parse(result.out);
  EXPECT_EQ(report["steps_per_frame"], 3);
  ASSERT_EQ(report["growth"].size(), 1u);
  EXPECT_GT(report["growth"][0]["loss"].get<double>(), 0);
  EXPECT_LE(report["growth"][0]["mse_min"], report["growth"][0]["mse"]);
  EXPECT_EQ(report["persistence"].back()["t"], 20);
  EXPECT_EQ(report["damage"]["at"], 6);
  EXPECT_NEAR(report["empty_mse"].get<double>(), 2.0 * 16 / (4 * 144), 1e-12);
}

TEST_F(ModelCommands, GradcheckPassesForEveryKindOfModel) {
  for (const auto& [what, settings] : std::vector<std::pair<const char*, std::vector<std::string>>>{
           {"plain", {}},
           {"gated relu", {"model.type=gnca", "model.activation=relu", "model.channels=5"}},
           {"alive", {"model.alive={}", "model.fire_mask=cell", "model.hidden_bias=true"}},
           {"l2", {"objective.loss=l2", "objective.grad_loss=false"}}}) {
    std::vector<std::string> arguments = {"gradcheck", config(), "--json"};
    for (const auto& setting : settings) arguments.insert(arguments.end(), {"--set", setting});
    const auto result = run_morphogen(arguments);
    EXPECT_EQ(result.code, 0) << what << ": " << result.err << result.out;
    EXPECT_TRUE(json::parse(result.out)["ok"].get<bool>()) << what;
  }
}

TEST_F(ModelCommands, GradcheckThinsLargePicturesAndSaysSo) {
  const auto result = run_morphogen({"gradcheck", MG_SOURCE_DIR "/configs/nca/emoji_nca.json", "--dry-run", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("in place of 12 of 140x140; --full"), std::string::npos) << result.err;
  EXPECT_EQ(json::parse(result.out)["grid"], json({50, 50}));
}

TEST_F(ModelCommands, ModelsOfOtherProjectsAreReferredToImport) {
  std::ofstream(path("model.eqx")) << "";
  const auto result = run_morphogen({"run", path("model.eqx")});
  EXPECT_EQ(result.code, 8);
  EXPECT_NE(result.err.find("convert it first: morphogen import"), std::string::npos);
  EXPECT_EQ(run_morphogen({"import", path("model.eqx"), "--kernels", "ID"}).code, 4);
  std::ofstream(path("model.json")) << "\n [{\"in_ch\": 48}]";
  EXPECT_EQ(run_morphogen({"eval", path("model.json")}).code, 8);
  EXPECT_EQ(run_morphogen({"import", path("model.json")}).code, 4);
}

TEST_F(ModelCommands, AMissingFileIsAnInvalidOneOfItsKind) {
  const auto code = [&](const std::string& command, const std::string& file) {
    const auto result = run_morphogen({command, path(file)});
    EXPECT_NE(result.err.find(file), std::string::npos) << result.err;
    return result.code;
  };
  EXPECT_EQ(code("train", "absent.json"), 3);
  EXPECT_EQ(code("import", "absent.eqx"), 4);
  EXPECT_EQ(code("run", "absent.safetensors"), 8);
  EXPECT_EQ(code("eval", "absent.safetensors"), 8);
}

class ImportOracle : public ModelCommands {};

TEST_F(ImportOracle, GrowingModelsGrowTheirTargetOverTheCommandLine) {
  const auto oracles = test::oracle_dir();
  if (!oracles) GTEST_SKIP() << "no oracles";
  const auto source = (*oracles / "growing/ex2_lizard.json").string();
  const auto imported = run_morphogen({"import", source, "-o", path("lizard.safetensors")});
  ASSERT_EQ(imported.code, 0) << imported.err;
  EXPECT_EQ(json::parse(imported.out)["parameters"], 8336);
  EXPECT_EQ(run_morphogen({"import", source, "-o", path("lizard.safetensors")}).code, 7) << "never replaced silently";
  const auto grown = run_morphogen({"run", path("lizard.safetensors"), "--steps", "96", "-o", path("a.png")});
  ASSERT_EQ(grown.code, 0) << grown.err;
  const Image picture = read_png(path("a.png"));
  std::size_t coloured = 0;
  for (int y = 0; y < picture.h; ++y)
    for (int x = 0; x < picture.w; ++x) coloured += picture.at(y, x)[0] < 128;
  EXPECT_NEAR(double(coloured) / (picture.h * picture.w), 0.1, 0.06) << "the body of the lizard";
}

TEST_F(ImportOracle, EquinoxFilesNeedTheirKernels) {
  const auto oracles = test::oracle_dir();
  if (!oracles) GTEST_SKIP() << "no oracles";
  const auto source = (*oracles / "crab.eqx").string();
  const auto without = run_morphogen({"import", source, "-o", path("crab.safetensors")});
  EXPECT_EQ(without.code, 2);
  EXPECT_NE(without.err.find("give --kernels, as in --kernels ID,GRAD,LAP (4 blocks"), std::string::npos);
  EXPECT_EQ(run_morphogen({"import", source, "--kernels", "ID,LAP", "-o", path("crab.safetensors")}).code, 2);
  EXPECT_EQ(run_morphogen({"import", source, "--kernels", "ID,GRAD,LPA", "-o", path("crab.safetensors")}).code, 3);
  EXPECT_FALSE(fs::exists(path("crab.safetensors")));
  EXPECT_EQ(run_morphogen({"import", source, "--kernels", "ID,GRAD,LAP", "-o", path("crab.safetensors")}).code, 0);
}

TEST_F(ModelCommands, ImportTakesStoredPdeSolvers) {
  for (const auto& golden : test::golden_files("pde", "eqx_rda_heun_fixed")) {
    std::string bytes;
    for (const double v : test::load_golden(golden).values("eqx_bytes")) bytes += char(int(v));
    std::ofstream(path("solver.eqx"), std::ios::binary) << bytes;
    const auto imported = run_morphogen({"import", path("solver.eqx"), "-o", path("rda.safetensors"), "--force"});
    ASSERT_EQ(imported.code, 0) << imported.err;
    EXPECT_EQ(json::parse(imported.out)["model"]["type"], "rda");
    EXPECT_EQ(json::parse(imported.out)["model"]["solver"]["dt"], 0.25);
  }
  EXPECT_EQ(run_morphogen({"import", path("solver.eqx"), "--kernels", "ID", "--force"}).code, 2);
}

}  // namespace
}  // namespace mg
