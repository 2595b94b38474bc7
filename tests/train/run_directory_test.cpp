#include "train/run_directory.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.hpp"
#include "core/file.hpp"

namespace mg::train {
namespace {
namespace fs = std::filesystem;
using Mode = RunDirectory::Mode;

class RunDirectoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    base_ = fs::temp_directory_path() / ("mg-run-" + std::to_string(::getpid()));
    fs::remove_all(base_);
    fs::create_directories(base_);
    run_ = base_ / "run";
  }
  void TearDown() override { fs::remove_all(base_); }

  std::size_t starts() const { return nlohmann::json::parse(read_file(run_ / "provenance.json"))["starts"].size(); }

  fs::path base_, run_;
  const RunDirectory::Description description_{"{}", "{ }\n", "", {{"argv", {"train"}}}};
};

TEST_F(RunDirectoryTest, FreshResumeOverwrite) {
  {
    RunDirectory run(run_, Mode::fresh, description_);
    run.append_metrics({{"step", 1}, {"seconds", 0.5}});
    run.status("finished", 0, 1, 1, "");
    const auto status = nlohmann::json::parse(read_file(run_ / "STATUS.json"));
    EXPECT_EQ(status["state"], "finished");
    EXPECT_EQ(status["exit_code"], 0);
  }
  EXPECT_THROW(RunDirectory(run_, Mode::fresh, description_), IoError);
  EXPECT_TRUE(fs::exists(run_ / "metrics.jsonl"));
  {
    RunDirectory run(run_, Mode::resume, {"{1}", "{ 1}\n", "", {{"argv", {"train"}}}});
    EXPECT_EQ(starts(), 1u);  // a start that may still fail changes nothing
    EXPECT_EQ(read_file(run_ / "config.resolved.json"), "{ }\n");
    run.withdraw();
    EXPECT_TRUE(fs::exists(run_ / "metrics.jsonl"));
    run.confirm();
    EXPECT_EQ(starts(), 2u);
    EXPECT_EQ(read_file(run_ / "config.resolved.json"), "{ 1}\n");
  }
  RunDirectory run(run_, Mode::overwrite, description_);
  EXPECT_EQ(read_file(run_ / "metrics.jsonl"), "");
  EXPECT_EQ(starts(), 1u);
}

TEST_F(RunDirectoryTest, ForeignFilesAreNeverTouched) {
  fs::create_directories(run_);
  write_file(run_ / "thesis.txt", "do not lose");
  for (Mode mode : {Mode::fresh, Mode::resume, Mode::overwrite})
    EXPECT_THROW(RunDirectory(run_, mode, description_), IoError);
  EXPECT_EQ(read_file(run_ / "thesis.txt"), "do not lose");
}

TEST_F(RunDirectoryTest, SecondTrainerIsRefused) {
  RunDirectory first(run_, Mode::fresh, description_);
  for (Mode mode : {Mode::resume, Mode::overwrite}) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        RunDirectory second(run_, mode, description_);
      } catch (const IoError&) {
        ::_exit(7);
      }
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 7);
  }
  EXPECT_TRUE(fs::exists(run_ / "config.resolved.json"));
}

TEST_F(RunDirectoryTest, MetricsAreRewound) {
  RunDirectory run(run_, Mode::fresh, description_);
  for (int k = 1; k <= 5; ++k) run.append_metrics({{"step", k}, {"seconds", 2.0 * k}});
  EXPECT_EQ(run.rewind_metrics(3), 6.0);
  run.append_metrics({{"step", 4}, {"seconds", 8.5}});
  EXPECT_EQ(run.rewind_metrics(9), 8.5);
  EXPECT_EQ(run.rewind_metrics(0), 0.0);
  EXPECT_EQ(read_file(run_ / "metrics.jsonl"), "");
}

TEST_F(RunDirectoryTest, NothingIsLeftOfAFailedStart) {
  write_file(base_ / "file", "");
  EXPECT_THROW(RunDirectory(base_ / "file" / "run", Mode::fresh, description_), IoError);
  {
    RunDirectory run(run_, Mode::fresh, description_);
    run.withdraw();
  }
  EXPECT_FALSE(fs::exists(run_));
  const auto name = RunDirectory::new_path("runs", "lizard", "{}").filename().string();
  EXPECT_TRUE(name.starts_with("lizard-20")) << name;
}

}  // namespace
}  // namespace mg::train
