#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "apps/data.hpp"
#include "apps/experiment.hpp"
#include "apps/registries.hpp"
#include "apps/root_schema.hpp"
#include "apps/trajectory.hpp"
#include "core/times.hpp"

namespace mg::apps {
namespace {

std::vector<std::filesystem::path> pde_configs() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(MG_SOURCE_DIR "/configs/pde"))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// Three steps of the configured solver on a small lattice.
void run_three_steps(const Config& config, const std::string& name) {
  const Config model = config.at("model");
  const auto system = registries<float>().systems.create(model);
  const double dt = model.at("solver").get<double>("dt"), from = read_times(config.at("times")).front();
  const auto start = configured_start<float>(config.at("start"), *system, 1, 0);
  std::vector<float> params(system->param_layout().size());
  system->initialise(1, params);
  const auto report =
      roll_times<float>({}, *system, start.grid, params, start.conditions, start.state,
                        {from, from + 1.5 * dt, from + 3 * dt}, 1, 0, [](int, double, const std::vector<float>&) {});
  EXPECT_EQ(report.problem, "") << name;
  EXPECT_EQ(report.frames, 3) << name;
  EXPECT_GT(report.steps, 0) << name;
}

TEST(PdeConfigs, EveryOneRunsThreeSteps) {
  int count = 0;
  for (const auto& file : pde_configs()) {
    const Config whole = load_root_config(file, {});
    if (!whole.has("start")) continue;
    GlobalOptions options;
    options.sets = {"start.size=[32,32]"};
    run_three_steps(load_root_config(file, options), file.filename().string());
    ++count;
  }
  EXPECT_GE(count, 20);
}

TEST(RollTimes, SaysInWhichStepBetweenFramesAValueTurnedBad) {
  GlobalOptions options;
  options.sets = {"start.size=[16,16]", "model.solver.dt=40", "model.solver.stability=off"};  // far too long
  const Config config = load_root_config(MG_SOURCE_DIR "/configs/pde/gray_scott.json", options);
  const auto system = registries<float>().systems.create(config.at("model"));
  const auto start = configured_start<float>(config.at("start"), *system, 1, 0);
  std::vector<float> params(system->param_layout().size());
  system->initialise(1, params);
  const auto problem = [&](const std::vector<double>& times) {
    const auto report = roll_times<float>({}, *system, start.grid, params, start.conditions, start.state, times, 1, 0,
                                          [](int, double, const std::vector<float>&) {});
    EXPECT_EQ(report.frames, 1);
    return report.problem;
  };
  const std::string found = problem({0, 4000});
  EXPECT_EQ(found.rfind("at time ", 0), 0U) << found;
  EXPECT_LT(std::stod(found.substr(8)), 4000) << found;
  EXPECT_NE(found.find("channel"), std::string::npos) << found;
  EXPECT_EQ(problem({0, 8000}), found);  // however far away the next frame is
}

TEST(PdeConfigs, ObstaclesOfAStartNeedAModelThatKnowsThem) {
  GlobalOptions options;
  options.sets = {"start.size=[8,8]", R"(start.obstacles=[{"radius":2}])"};
  const std::string file = MG_SOURCE_DIR "/configs/pde/gray_scott.json";
  const auto conditions = [&] {
    const Config config = load_root_config(file, options);
    const auto system = registries<float>().systems.create(config.at("model"));
    return configured_start<float>(config.at("start"), *system, 1, 0).conditions;
  };
  EXPECT_THROW(conditions(), ConfigError);
  options.sets.emplace_back("model.obstacles=no_flux");
  const auto solid = conditions();
  ASSERT_EQ(solid.size(), 64U);
  EXPECT_EQ(std::count(solid.begin(), solid.end(), 1.0F), 12);
  EXPECT_EQ(solid[3 * 8 + 3], 1.0F);
}

/// Three iterations on twelve short steps of small data.
void train_three_steps(const std::filesystem::path& file, const Config& whole) {
  GlobalOptions options;
  if (whole.at("data").type() == "simulate") {
    const Config model = whole.at("data").at("model");
    const double dt = model.json().contains("solver") ? model.at("solver").get<double>("dt") : 1;
    options.sets = {"data.start.size=[16,16]", "data.stride=1",
                    R"(data.times={"type":"linspace","count":13,"to":)" + std::to_string(12 * dt) + "}"};
    // Hidden layers and samples of large models make the steps slow, and no other.
    if (whole.at("data").at("start").json().value("samples", 1) > 2) options.sets.emplace_back("data.start.samples=2");
    if (whole.at("augment").type() == "trajectory" && whole.at("augment").get<int>("length") > 2)
      options.sets.emplace_back("augment.length=2");
  } else if (whole.at("augment").type() == "textures") {
    options.sets = {"augment.batch=2", "augment.pool_factor=2", "augment.time=0.2", "augment.saves=2",
                    "objective.skip=0"};
  } else {
    options.sets = {whole.at("data").type() == "idx" ? "augment.batch=4" : "model.solver.dt=1"};
  }
  Experiment<float> experiment(load_root_config(file, options), {}, false);
  for (int k = 0; k < 3; ++k) EXPECT_EQ(experiment.trainer->step().problem, "") << file;
}

TEST(PdeConfigs, EveryOneTrainsThreeSteps) {
  int count = 0;
  for (const auto& file : pde_configs()) {
    const Config whole = load_root_config(file, {});
    if (!whole.has("data")) continue;
    train_three_steps(file, whole);
    ++count;
  }
  EXPECT_GE(count, 15);
}

}  // namespace
}  // namespace mg::apps
