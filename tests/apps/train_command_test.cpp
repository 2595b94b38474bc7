#include <algorithm>

#include "core/fft.hpp"
#include "tests/apps/training_support.hpp"

namespace mg {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class TrainCommand : public test::TrainingFolder {};

TEST_F(TrainCommand, LeavesACompleteRunDirectory) {
  const auto result = train("run");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, run_dir() + "\n");
  for (const char* file :
       {"config.input.json", "config.resolved.json", "overrides.txt", "provenance.json", "log.txt", "media/target.png",
        "media/growth.png", "media/growth.gif", "media/hidden.png", "media/loss.png", "checkpoints/last.json",
        "checkpoints/best.json", "checkpoints/step-00000012/COMPLETE", "checkpoints/step-00000008/COMPLETE"})
    EXPECT_TRUE(fs::exists(folder_ / "run" / file)) << file;
  EXPECT_FALSE(fs::exists(folder_ / "run/checkpoints/step-00000004"));
  const auto records = metrics("run");
  ASSERT_EQ(records.size(), 12u);
  for (std::size_t k = 0; k < 12; ++k) {
    EXPECT_EQ(records[k]["step"], k + 1);
    for (const char* key : {"loss", "lr", "seconds", "total", "gradient_norm"})
      EXPECT_TRUE(records[k][key].is_number());
  }
  EXPECT_EQ(status("run")["state"], "finished");
  EXPECT_EQ(status("run")["exit_code"], 0);
  const auto start = json::parse(read_file(folder_ / "run/provenance.json"))["starts"][0];
  EXPECT_EQ(start["argv"][0], "train");
  EXPECT_FALSE(start["environment"].contains("PATH"));
  // The resolved configuration is a configuration, and a finished run has nothing left to do.
  EXPECT_EQ(test::run_morphogen({"config", "validate", run_dir() + "/config.resolved.json"}).code, 0);
  EXPECT_EQ(train("run").code, 0);
  EXPECT_EQ(metrics("run").size(), 12u);
}

TEST_F(TrainCommand, SameConfigurationAndSeedGiveTheSameBytes) {
  ASSERT_EQ(train("a").code, 0);
  ASSERT_EQ(train("b").code, 0);
  expect_same_checkpoint("a", "b", "step-00000012");
  ASSERT_EQ(train("c", {"--seed", "6"}).code, 0);
  EXPECT_NE(metrics("a")[0]["loss"], metrics("c")[0]["loss"]);
}

TEST_F(TrainCommand, DryRunTouchesNothing) {
  const auto result = train("run", {"--dry-run"});
  EXPECT_EQ(result.code, 0) << result.err;
  for (const char* word : {"parameters: ", "memory plan", "time: "})
    EXPECT_NE(result.out.find(word), std::string::npos) << result.out;
  EXPECT_FALSE(fs::exists(run_dir()));
}

TEST_F(TrainCommand, SpectralLossIsRefusedWithoutATransform) {
  const auto result = train("run", {"--dry-run", "--set", "objective.loss=spectral"});
  if (!mg::host_fft_library().empty()) {
    EXPECT_EQ(result.code, 0) << result.err;
    return;
  }
  EXPECT_EQ(result.code, 3);
  for (const char* word : {"objective.loss", "MG_FFTW=ON"})
    EXPECT_NE(result.err.find(word), std::string::npos) << result.err;
}

TEST_F(TrainCommand, SignalStopsWith75AndResumeIsBitEqual) {
  for (const char* augment : {R"({"type": "morph", "steps": 4, "duplicate": 2, "shift": 2})",
                              R"({"type": "pool", "regime": "regenerating", "size": 12, "batch": 4, "damage": 1,
                                  "steps_min": 3, "steps_max": 6})"}) {
    write_config(augment);
    for (const char* run : {"whole", "parts"}) fs::remove_all(run_dir(run));
    const std::vector<std::string> longer = {"--set", "train.iterations=600", "--set", "checkpoint.every=250"};
    ASSERT_EQ(train("whole", longer).code, 0);
    for (int number : {SIGUSR2, SIGTERM, SIGINT, SIGUSR1}) {
      const std::size_t done = fs::exists(run_dir("parts")) ? metrics("parts").size() : 0;
      const pid_t child = start("parts", longer);
      wait_for_steps("parts", done + 20);
      ::kill(child, SIGCONT);  // means nothing
      ::kill(child, number);
      ASSERT_EQ(wait(child), 75);
      EXPECT_EQ(status("parts")["state"], "stopped");
      EXPECT_EQ(status("parts")["exit_code"], 75);
    }
    ASSERT_EQ(train("parts", longer).code, 0);
    expect_same_checkpoint("whole", "parts", "step-00000600");
    const auto a = metrics("whole"), b = metrics("parts");
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t k = 0; k < a.size(); ++k) ASSERT_EQ(a[k]["total"], b[k]["total"]) << k;
  }
}

TEST_F(TrainCommand, SecondSignalExitsAtOnce) {
  const pid_t child = start("run", {"--set", "augment.steps=1000000", "--set", "train.memory=sqrt"});
  while (!fs::exists(folder_ / "run/STATUS.json")) ::usleep(5000);
  ::usleep(200000);  // inside the first step, which takes minutes
  ::kill(child, SIGINT);
  ::usleep(50000);
  ::kill(child, SIGINT);
  EXPECT_EQ(wait(child), 130);
}

TEST_F(TrainCommand, SecondTrainerIsRefused) {
  const pid_t child = start("run", {"--set", "train.iterations=100000000"});
  wait_for_steps("run", 5);
  const auto second = train("run");
  EXPECT_EQ(second.code, 7);
  EXPECT_NE(second.err.find("another process trains"), std::string::npos) << second.err;
  EXPECT_EQ(train("run", {"--overwrite"}).code, 7);
  ::kill(child, SIGTERM);
  EXPECT_EQ(wait(child), 75);
}

TEST_F(TrainCommand, ResumeModes) {
  ASSERT_EQ(train("run").code, 0);
  const auto longer = std::vector<std::string>{"--set", "train.iterations=16"};
  const auto never = train("run", {"--resume", "never"});
  EXPECT_EQ(never.code, 7);
  EXPECT_NE(never.err.find("--overwrite"), std::string::npos);
  // More iterations than before: the run goes on. A new run starts from its checkpoint with the same result.
  ASSERT_EQ(train("run", longer).code, 0);
  EXPECT_EQ(metrics("run").size(), 16u);
  auto from = longer;
  from.insert(from.end(), {"--resume", run_dir() + "/checkpoints/step-00000012"});
  ASSERT_EQ(train("branch", from).code, 0);
  expect_same_checkpoint("run", "branch", "step-00000016");
  EXPECT_FALSE(fs::exists(run_dir("branch") + "/checkpoints/step-00000012"));
  // A run that cannot go on stays as it was, and a new one that cannot start leaves nothing.
  const auto resolved = read_file(run_dir() + "/config.resolved.json");
  const auto other = train("run", {"--set", "model.channels=7"});
  EXPECT_EQ(other.code, 8);
  EXPECT_NE(other.err.find("model.channels: the checkpoint has 6, the configuration 7"), std::string::npos)
      << other.err;
  EXPECT_EQ(read_file(run_dir() + "/config.resolved.json"), resolved);
  EXPECT_EQ(status("run")["state"], "finished");
  EXPECT_EQ(metrics("run").size(), 16u);
  from.insert(from.end(), {"--set", "model.channels=7"});
  const auto unfit = train("unfit", from);
  EXPECT_EQ(unfit.code, 8);
  EXPECT_EQ(unfit.out, "");  // no run, no path of one
  EXPECT_FALSE(fs::exists(run_dir("unfit")));
  ASSERT_EQ(train("plain", {"--set", "optimiser={\"type\": \"sgd\"}"}).code, 0);
  auto other_rule = longer;
  EXPECT_EQ(train("plain", other_rule).code, 8);
  other_rule.insert(other_rule.end(), {"--allow-change", "optimiser"});
  const auto rule = train("plain", other_rule);  // there are no moments to go on with
  EXPECT_EQ(rule.code, 8);
  EXPECT_NE(rule.err.find("another optimiser"), std::string::npos) << rule.err;
  ASSERT_EQ(train("run", {"--set", "model.channels=7", "--overwrite"}).code, 0);
  EXPECT_EQ(train("x", {"--resume", (folder_ / "nowhere").string()}).code, 8);
  EXPECT_FALSE(fs::exists(run_dir("x")));
}

TEST_F(TrainCommand, ResumeRefusesWhatWouldChangeTheNumbers) {
  ASSERT_EQ(train("run").code, 0);
  const auto resolved = read_file(run_dir() + "/config.resolved.json");
  fs::copy_file(folder_ / "target.png", folder_ / "other.png");
  struct Change {
    std::string set, path;
  };
  for (const Change& c :
       {Change{"optimiser.lr=1e-3", "optimiser.lr.value"}, Change{"objective.loss=l1", "objective.loss.type"},
        Change{"data.trajectories.0.frames.0.file=other.png", "data.trajectories.0.frames.0.file"},
        Change{"augment.shift=1", "augment.shift"}, Change{"train.accept=margin", "train.accept"},
        Change{"optimiser={\"type\": \"sgd\"}", "optimiser.type"}, Change{"seed=6", "seed"}}) {
    SCOPED_TRACE(c.set);
    const auto result = train("run", {"--set", "train.iterations=13", "--set", c.set, "--allow-change", "model"});
    EXPECT_EQ(result.code, 8);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find("\n  " + c.path + ": the checkpoint has "), std::string::npos) << result.err;
    EXPECT_EQ(read_file(run_dir() + "/config.resolved.json"), resolved);
  }
  EXPECT_EQ(metrics("run").size(), 12u);
  // Every key that differs is named, and what is allowed goes on with a word in the log.
  const std::vector<std::string> two = {"--set", "train.iterations=16", "--set", "optimiser.lr=1e-3", "--set",
                                        "seed=6"};
  auto half = two;
  half.insert(half.end(), {"--allow-change", "optimiser"});
  const auto refused = train("run", half);
  EXPECT_EQ(refused.code, 8);
  EXPECT_EQ(refused.err.find("optimiser."), std::string::npos) << refused.err;
  half.insert(half.end(), {"--allow-change", "seed"});
  const auto changed = train("run", half);
  ASSERT_EQ(changed.code, 0) << changed.err;
  EXPECT_NE(changed.err.find("going on with a change: seed: the checkpoint has 5, the configuration 6"),
            std::string::npos)
      << changed.err;
  EXPECT_EQ(metrics("run").size(), 16u);
  EXPECT_EQ(train("run", two).code, 0);  // the newest checkpoint holds the new configuration
}

TEST_F(TrainCommand, ResumeTakesWhatLeavesTheNumbersAlone) {
  ASSERT_EQ(train("whole", {"--set", "train.iterations=16"}).code, 0);
  ASSERT_EQ(train("run").code, 0);
  auto arguments =
      command("run", {"--set", "name=other", "--set", "train.memory=sqrt", "--set", "train.memory_budget=50", "--set",
                      "train.iterations=16", "--set", "train.max_seconds=600", "--set", "checkpoint.every=5", "--set",
                      R"(times={"type": "list", "values": [0, 1]})"});
  *(std::find(arguments.begin(), arguments.end(), "--threads") + 1) = "2";
  const auto result = test::run_morphogen(arguments, folder_);
  ASSERT_EQ(result.code, 0) << result.err;
  expect_same_checkpoint("whole", "run", "step-00000016");
}

TEST_F(TrainCommand, DamagedCheckpointFallsBackLoudly) {
  ASSERT_EQ(train("whole", {"--set", "train.iterations=16"}).code, 0);
  ASSERT_EQ(train("run").code, 0);
  fs::resize_file(run_dir() + "/checkpoints/step-00000012/train_state.safetensors", 100);
  const auto result = train("run", {"--set", "train.iterations=16"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("CHECKPOINT DAMAGED"), std::string::npos);
  EXPECT_NE(result.err.find("going on from step 8"), std::string::npos) << result.err;
  expect_same_checkpoint("whole", "run", "step-00000016");
  for (const char* step : {"step-00000012", "step-00000016"})
    std::ofstream(run_dir() + "/checkpoints/" + step + "/COMPLETE") << "no";
  EXPECT_EQ(train("run", {"--set", "train.iterations=20"}).code, 8);
}

TEST_F(TrainCommand, BadInputLeavesNoRunDirectory) {
  EXPECT_EQ(train("run", {"--set", "train.iteratons=3"}).code, 3);
  EXPECT_EQ(train("run", {"--set", "model.channels=3"}).code, 4);  // the picture has four
  EXPECT_EQ(train("run", {"--set", "data=null"}).code, 3);
  for (const char* rate : {"optimiser.lr=NaN", "optimiser.lr=1e400", "optimiser.lr=-inf"}) {
    const auto result = train("run", {"--set", rate});
    EXPECT_EQ(result.code, 3);
    EXPECT_NE(result.err.find("not a finite number"), std::string::npos) << result.err;
  }
  EXPECT_EQ(train("run", {"--set", "model.fire_rate=0"}).code, 3);
  EXPECT_EQ(train("run", {"--set", "model.boundary=hard"}).code, 4);  // without a mask
  const auto covered = train("run", {"--set", "model.boundary=soft", "--set", "model.channels=4"});
  EXPECT_EQ(covered.code, 3);
  EXPECT_NE(covered.err.find("need at least 5 channels"), std::string::npos) << covered.err;
  const auto tight = train("run", {"--set", "train.memory_budget=0.001"});
  EXPECT_EQ(tight.code, 3);
  EXPECT_NE(tight.err.find("train.memory: "), std::string::npos) << tight.err;
  EXPECT_EQ(train("run", {"--set", "train.memory_budget=1e-9"}).code, 3);  // not 0, which means no limit
  std::ofstream(folder_ / "target.png") << "not a picture";
  EXPECT_EQ(train("run").code, 4);
  fs::remove(folder_ / "target.png");
  EXPECT_EQ(train("run").code, 4);
  EXPECT_FALSE(fs::exists(run_dir()));
}

TEST_F(TrainCommand, FullDiskExitsWith7AndTheLastCheckpointStands) {
  ASSERT_EQ(train("whole", {"--set", "train.iterations=40"}).code, 0);
  ASSERT_EQ(train("run").code, 0);
  std::string line = MG_BINARY_DIR "/morphogen";
  for (const auto& argument : command("run", {"--set", "train.iterations=40"})) line += " '" + argument + "'";
  const auto full = test::run_process("/bin/sh", {"-c", "ulimit -f 8; exec " + line});
  EXPECT_EQ(full.code, 7) << full.err;
  ASSERT_EQ(train("run", {"--set", "train.iterations=40"}).code, 0);
  expect_same_checkpoint("whole", "run", "step-00000040");
  // A place where nothing can be created.
  std::ofstream(folder_ / "file") << "";
  EXPECT_EQ(train("file/run").code, 7);
}

TEST_F(TrainCommand, DivergenceStopsWith6AndRollbackIsBounded) {
  const std::vector<std::string> wild = {"--set", "optimiser.lr=1e6", "--set", "train.iterations=50"};
  EXPECT_EQ(train("run", wild).code, 6);
  EXPECT_EQ(status("run")["state"], "diverged");
  EXPECT_EQ(status("run")["exit_code"], 6);
  auto patient = wild;
  patient.insert(patient.end(), {"--set", "train.on_nan=rollback", "--set", "train.rollbacks=2"});
  const auto result = train("patient", patient);
  EXPECT_EQ(result.code, 6);
  EXPECT_NE(result.err.find("rollback 2 of 2"), std::string::npos) << result.err;
  // A rollback that helps: the rate falls to something that trains.
  auto helped = wild;
  helped.insert(helped.end(), {"--set", "train.on_nan=rollback", "--set", "train.rollback_rate=1e-9"});
  EXPECT_EQ(train("helped", helped).code, 0);
}

TEST_F(TrainCommand, TimeLimitStopsWith75) {
  EXPECT_EQ(train("run", {"--set", "train.max_seconds=0.2", "--set", "train.iterations=100000000"}).code, 75);
  EXPECT_EQ(status("run")["reason"], "time limit");
}

TEST(ShippedConfigurations, ValidateAndTrainThreeSteps) {
  const fs::path folder = fs::path(::testing::TempDir()) / ("mg_shipped_" + std::to_string(::getpid()));
  int seen = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(MG_SOURCE_DIR) / "configs" / "nca")) {
    if (entry.path().extension() != ".json") continue;
    SCOPED_TRACE(entry.path().string());
    ++seen;
    const auto shown = test::run_morphogen({"config", "show", entry.path().string()});
    ASSERT_EQ(shown.code, 0) << shown.err;
    const auto resolved = json::parse(shown.out);
    // Shorter rollouts and smaller pools than those that learn something.
    std::vector<std::string> arguments = {"train",     entry.path().string(),
                                          "--run-dir", (folder / entry.path().stem()).string(),
                                          "--backend", "host",
                                          "--threads", "1",
                                          "--set",     "train.iterations=3",
                                          "--set",     "checkpoint.fsync=false"};
    if (resolved["augment"]["type"] == "pool")
      arguments.insert(arguments.end(),
                       {"--set", "augment.steps_min=4", "--set", "augment.steps_max=6", "--set", "augment.size=16"});
    else
      arguments.insert(arguments.end(), {"--set", "augment.steps=4", "--set", "augment.duplicate=1"});
    if (resolved["data"]["downsample"] == 1 && resolved["data"]["thumbnail"].is_null())
      arguments.insert(arguments.end(), {"--set", "data.downsample=4"});
    const auto result = test::run_morphogen(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
  }
  EXPECT_GE(seen, 7);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace mg
