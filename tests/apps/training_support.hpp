#pragma once
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/file.hpp"
#include "core/png.hpp"
#include "tests/support/subprocess.hpp"

namespace mg::test {
namespace fs = std::filesystem;

/// A folder with a small configuration that trains about a thousand steps a second.
class TrainingFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("mg_train_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    Image picture(6, 7, 4);
    for (int y = 1; y < 5; ++y)
      for (int x = 1; x < 6; ++x)
        for (int c = 0; c < 4; ++c) picture.at(y, x)[c] = std::uint8_t(c == 3 ? 255 : 40 * y + 10 * x + 20 * c);
    write_png(folder_ / "target.png", picture);
    write_config(R"({"type": "morph", "steps": 4, "duplicate": 2, "shift": 2})");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write_config(const std::string& augment) const {
    std::ofstream(config()) << R"({
      "name": "small", "seed": 5, "model": {"type": "nca", "channels": 6, "kernels": ["ID", "GRAD"]},
      "data": {"type": "images", "trajectories": [{"frames": [{"file": "target.png"}]}], "pad": 1, "seed": "cell"},
      "augment": )" << augment
                            << R"(,
      "optimiser": {"type": "adam", "lr": 2e-3},
      "train": {"iterations": 12, "warmup": 2, "accept": "always"}, "checkpoint": {"every": 4, "fsync": false}})";
  }
  std::string config() const { return (folder_ / "config.json").string(); }
  std::string run_dir(const std::string& name = "run") const { return (folder_ / name).string(); }

  /// morphogen train CONFIG --run-dir RUN more...
  std::vector<std::string> command(const std::string& run, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"train",     config(), "--run-dir", run_dir(run),
                                    "--backend", "host",   "--threads", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  ProcessResult train(const std::string& run, const std::vector<std::string>& more = {}) const {
    return run_morphogen(command(run, more), folder_);
  }
  /// The same in the background.
  pid_t start(const std::string& run, const std::vector<std::string>& more = {}) const {
    const auto arguments = command(run, more);
    const pid_t child = ::fork();
    if (child != 0) return child;
    std::vector<char*> argv{const_cast<char*>(MG_BINARY_DIR "/morphogen")};
    for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    if (!std::freopen((folder_ / "output.txt").c_str(), "a", stdout)) ::_exit(126);
    ::dup2(STDOUT_FILENO, STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  /// Exit code of a started process, 128 + signal when killed.
  static int wait(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  /// Waits until the run has done that many steps.
  void wait_for_steps(const std::string& run, std::size_t steps) const {
    for (int k = 0; k < 6000; ++k) {
      std::error_code error;
      if (fs::exists(run_dir(run) + "/metrics.jsonl", error) && metrics(run).size() >= steps) return;
      ::usleep(5000);
    }
    FAIL() << run << " does not get to step " << steps;
  }
  std::vector<nlohmann::json> metrics(const std::string& run) const {
    std::vector<nlohmann::json> records;
    std::ifstream in(run_dir(run) + "/metrics.jsonl");
    for (std::string line; std::getline(in, line);) {
      auto record = nlohmann::json::parse(line, nullptr, false);
      if (record.is_object()) records.push_back(std::move(record));
    }
    return records;
  }
  nlohmann::json status(const std::string& run) const {
    return nlohmann::json::parse(read_file(run_dir(run) + "/STATUS.json"));
  }
  /// Every file of a checkpoint is the same in both runs.
  void expect_same_checkpoint(const std::string& a, const std::string& b, const std::string& step) const {
    for (const char* file :
         {"model.safetensors", "best.safetensors", "train_state.safetensors", "meta.json", "COMPLETE"}) {
      const std::string path = "/checkpoints/" + step + "/" + file;
      EXPECT_TRUE(read_file(run_dir(a) + path) == read_file(run_dir(b) + path)) << file;
    }
  }
  fs::path folder_;
};

}  // namespace mg::test
