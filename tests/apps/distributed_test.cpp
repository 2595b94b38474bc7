// Ranks share the samples of a run: the same parameters as one rank to rounding, the same bits when run again.
#include <cmath>
#include <set>
#include <thread>

#include "core/safetensors.hpp"
#include "tests/apps/training_support.hpp"

namespace mg {
namespace {

namespace fs = std::filesystem;
const std::string kLast = "/checkpoints/step-00000020";

class RanksDistributed : public test::TrainingFolder {
 protected:
  void write(const std::string& kind) const {
    if (kind == "nca") return write_config(R"({"type": "morph", "steps": 4, "duplicate": 5, "shift": 2})");
    if (kind == "pool")
      return write_config(R"({"type": "pool", "regime": "regenerating", "size": 9, "batch": 6, "damage": 2,
                              "steps_min": 2, "steps_max": 4})");
    std::ofstream(config()) << (kind == "pde" ? R"({
      "name": "gray_scott", "seed": 5, "model": {"type": "rda", "channels": 3, "solver": {"type": "heun", "dt": 0.5}},
      "data": {"type": "simulate", "model": {"type": "gray_scott", "solver": {"type": "heun", "dt": 0.5}},
        "start": {"type": "layers", "size": [10, 12], "samples": 5, "layers": [
          {"type": "constant", "channels": [0], "value": 1},
          {"type": "squares", "channels": [1], "count": 2, "side": 4, "value": 0.5}]},
        "times": {"type": "linspace", "to": 8, "count": 5}},
      "augment": {"type": "trajectory", "length": 2, "increment_prob": 0.5, "fit_initial": "all"},
      "objective": {"type": "trajectory"}, "optimiser": {"type": "nadam", "lr": 2e-3},
      "train": {"iterations": 12, "warmup": 2}, "checkpoint": {"every": 4, "fsync": false}})"
                                              : R"({
      "name": "swarm", "seed": 5,
      "model": {"type": "agents", "species": [20], "channels": 4, "domain": "mirror", "hidden": [8], "head_hidden": [8]},
      "data": {"type": "images", "trajectories": [{"frames": [{"file": "target.png"}, {"file": "target.png"},
        {"file": "target.png"}]}], "pad": 1},
      "augment": {"type": "swarm", "steps": 4, "batch": 5},
      "objective": {"type": "swarm", "transport": 0.9, "metric": "flat", "epsilon": 0.01, "iterations": 20},
      "optimiser": {"type": "adam", "lr": 1e-3},
      "train": {"iterations": 12, "accept": "always"}, "checkpoint": {"every": 4, "fsync": false}})");
  }

  /// Trains with `ranks` over an engine. Those of one processor: many ranks on few.
  test::ProcessResult train_ranks(const std::string& run, int ranks, const std::string& comm, int iterations = 20,
                                  std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--comm", comm, "--comm-timeout", "60", "--set", "precision=f64", "--set",
                             "train.iterations=" + std::to_string(iterations)});
    if (comm != "mpi") {
      more.insert(more.end(), {"--ranks", std::to_string(ranks)});
      return train(run, more);
    }
    std::vector<std::string> all{"--allow-run-as-root", "--oversubscribe",         "--bind-to", "none", "-n",
                                 std::to_string(ranks), MG_BINARY_DIR "/morphogen"};
    for (const auto& word : command(run, more)) all.push_back(word);
    return test::run_process("mpirun", all, folder_);
  }
  static bool have_mpi() {
    std::error_code ignored;
    return fs::exists(MG_BINARY_DIR "/libmorphogen_mpi.so", ignored) &&
           test::run_process("mpirun", {"--version"}).code == 0;
  }

  std::string bytes(const std::string& run, const std::string& file = "model.safetensors") const {
    return read_file(run_dir(run) + kLast + "/" + file);
  }
  /// Relative distance of all parameters. In double: adaptive optimisers blow up the rounding of small gradients.
  double distance(const std::string& a, const std::string& b) const {
    const auto x = parse_safetensors(bytes(a), a), y = parse_safetensors(bytes(b), b);
    double difference = 0, norm = 0;
    for (const auto& [name, tensor] : x.tensors) {
      const auto u = tensor.as_double(), v = y.at(name).as_double();
      for (std::size_t i = 0; i < u.size(); ++i) {
        difference += (u[i] - v[i]) * (u[i] - v[i]);
        norm += u[i] * u[i];
      }
    }
    return std::sqrt(difference / norm);
  }
};

class KindsDistributed : public RanksDistributed, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, KindsDistributed, ::testing::Values("nca", "pool", "pde", "abm"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST_P(KindsDistributed, TrainTheSameParameters) {
  write(GetParam());
  ASSERT_EQ(train_ranks("one", 1, "self").code, 0);
  for (const int ranks : {2, 4}) {
    const std::string name = std::to_string(ranks);
    std::string first;
    for (const std::string comm : {"threads", "tcp", "mpi"}) {
      if (comm == "mpi" && !have_mpi()) continue;
      const auto result = train_ranks(comm + name, ranks, comm);
      ASSERT_EQ(result.code, 0) << comm << name << ": " << result.err;
      EXPECT_LT(distance("one", comm + name), 1e-9) << comm << name;
      if (first.empty()) first = bytes(comm + name);
      EXPECT_TRUE(first == bytes(comm + name)) << comm << name << " has other bits than threads" << name;
    }
    ASSERT_EQ(train_ranks("again" + name, ranks, "threads").code, 0);
    EXPECT_TRUE(bytes("again" + name, "train_state.safetensors") == bytes("threads" + name, "train_state.safetensors"));
  }
  EXPECT_NE(bytes("one"), bytes("one", "train_state.safetensors"));
}

TEST_F(RanksDistributed, GoOnBitForBitAndWithAnotherNumberToRounding) {
  write("pool");
  ASSERT_EQ(train_ranks("whole", 3, "threads").code, 0);
  ASSERT_EQ(train_ranks("parts", 3, "threads", 8).code, 0);
  ASSERT_EQ(train_ranks("parts", 3, "tcp").code, 0);
  EXPECT_TRUE(bytes("whole", "train_state.safetensors") == bytes("parts", "train_state.safetensors"));
  ASSERT_EQ(train_ranks("other", 3, "threads", 8).code, 0);
  ASSERT_EQ(train_ranks("other", 1, "self", 12).code, 0);
  ASSERT_EQ(train_ranks("other", 2, "threads").code, 0);
  EXPECT_LT(distance("whole", "other"), 1e-9);
}

TEST_F(RanksDistributed, OnlyRankZeroWrites) {
  write("nca");
  const auto result = train_ranks("run", 4, "tcp");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(metrics("run").size(), 20U);
  EXPECT_EQ(result.out, run_dir("run") + "\n");
  EXPECT_NE(result.err.find("4 ranks over tcp"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("5 batches do not divide by 4 ranks"), std::string::npos) << result.err;
}

TEST_F(RanksDistributed, TooManyRanksAreRefused) {
  write("nca");
  for (const char* comm : {"threads", "tcp"}) {
    const auto result = train_ranks("run", 6, comm);
    EXPECT_EQ(result.code, 3) << result.err;
    EXPECT_NE(result.err.find("6 ranks for 5 batches of samples"), std::string::npos) << result.err;
  }
  EXPECT_FALSE(fs::exists(run_dir("run")));
}

TEST_F(RanksDistributed, DivergeTogether) {
  write("nca");
  for (const char* comm : {"threads", "tcp"}) {
    const auto result =
        train_ranks(comm, 2, comm, 20, {"--set", "train.loss_threshold=1e-9", "--set", "train.on_nan=skip"});
    EXPECT_EQ(result.code, 6) << result.err;
    EXPECT_EQ(status(comm).at("state"), "diverged");
  }
}

/// Processes of the job below `parent`.
std::set<pid_t> children(pid_t parent) {
  std::set<pid_t> found;
  std::ifstream in("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children");
  for (pid_t child = 0; in >> child;) found.insert(child);
  return found;
}

TEST_F(RanksDistributed, KilledRankEndsTheJobWithExitNine) {
  write("nca");
  const pid_t job = start("run", {"--ranks", "3", "--comm", "tcp", "--set", "train.iterations=1000000"});
  wait_for_steps("run", 5);
  const auto ranks = children(job);
  ASSERT_EQ(ranks.size(), 3U);
  ::kill(*ranks.rbegin(), SIGKILL);
  EXPECT_EQ(wait(job), 9);
  EXPECT_EQ(status("run").at("exit_code"), 9);
  EXPECT_EQ(status("run").at("state"), "failed");
  EXPECT_NE(status("run").at("reason").get<std::string>().find("rank 2 is gone"), std::string::npos);
}

TEST_F(RanksDistributed, StopTogetherAtASignalToOne) {
  write("nca");
  const pid_t job = start("run", {"--ranks", "2", "--comm", "tcp", "--set", "train.iterations=1000000"});
  wait_for_steps("run", 5);
  const auto ranks = children(job);
  ASSERT_EQ(ranks.size(), 2U);
  ::kill(*ranks.rbegin(), SIGUSR2);
  EXPECT_EQ(wait(job), 75);
  EXPECT_EQ(status("run").at("state"), "stopped");
}

TEST_F(RanksDistributed, OtherConfigurationsOfOneJobAreRefused) {
  write("nca");
  const std::vector<std::string> job = {"WORLD_SIZE=2", "MASTER_ADDR=127.0.0.1",
                                        "MASTER_PORT=" + std::to_string(20000 + ::getpid() % 40000)};
  test::ProcessResult other;
  std::thread second([&] {
    auto environment = job;
    environment.push_back("RANK=1");
    other = test::run_morphogen(command("run", {"--set", "optimiser.lr=0.5", "--comm-timeout", "20"}), folder_,
                                environment);
  });
  auto environment = job;
  environment.push_back("RANK=0");
  const auto result = test::run_morphogen(command("run", {"--comm-timeout", "20"}), folder_, environment);
  second.join();
  for (const test::ProcessResult* one : std::vector<const test::ProcessResult*>{&result, &other}) {
    EXPECT_EQ(one->code, 9) << one->err;
    EXPECT_NE(one->err.find("configuration, optimiser"), std::string::npos) << one->err;
  }
  EXPECT_FALSE(fs::exists(run_dir("run")));
}

TEST_F(RanksDistributed, NumberOfRanksMustBeThatOfTheJob) {
  write("nca");
  const auto result = test::run_morphogen(command("run", {"--ranks", "3"}), folder_,
                                          {"RANK=0", "WORLD_SIZE=2", "MASTER_ADDR=127.0.0.1", "MASTER_PORT=1"});
  EXPECT_EQ(result.code, 2) << result.err;
  EXPECT_NE(result.err.find("--ranks 3, but the job has 2 ranks"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace mg
