#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "apps/process.hpp"
#include "apps/slurm_script.hpp"
#include "core/error.hpp"
#include "tests/support/subprocess.hpp"
#include "tests/support/temporary.hpp"

namespace mg::apps {
namespace {

const std::string kConfig = MG_SOURCE_DIR "/configs/nca/quickstart.json";

TEST(Submit, PrintsAScriptThatAShellAccepts) {
  const auto result =
      test::run_morphogen({"submit", kConfig, "--run-dir", "/data/runs/a", "--nodes", "2", "--gpus-per-node", "4",
                           "--partition", "gpu", "--time", "04:00:00", "--print"});
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* line : {"#SBATCH --nodes=2\n", "#SBATCH --ntasks-per-node=4\n", "#SBATCH --gpus-per-node=4\n",
                           "#SBATCH --partition=gpu\n", "#SBATCH --time=04:00:00\n", "#SBATCH --signal=B:USR2@180\n",
                           "#SBATCH --requeue\n", "run='/data/runs/a'\n", "scontrol requeue", "--kill-on-bad-exit=1"})
    EXPECT_NE(result.out.find(line), std::string::npos) << line << result.out;
  const test::TemporaryDirectory folder;
  std::ofstream(folder / "job.sh") << result.out;
  EXPECT_EQ(test::run_process("bash", {"-n", (folder / "job.sh").string()}).code, 0);
}

TEST(Submit, WordsOfTheUserStayWords) {
  const std::string nasty = "a'b\"c $(touch x) `id` ; rm -rf * \\ @COMMAND@ @RESTARTS@ \n#SBATCH --nodes=99";
  const test::TemporaryDirectory folder;
  std::ofstream(folder / "say.sh") << "printf %s " << shell_quoted(nasty);
  EXPECT_EQ(test::run_process("bash", {(folder / "say.sh").string()}, folder.path().string()).out, nasty);
  const std::string script = slurm_script({}, {"morphogen", nasty}, nasty, "/data");
  EXPECT_NE(script.find(shell_quoted(nasty) + " &"), std::string::npos) << script;
  for (const char* bad : {"a b", "$(id)", "x\n#SBATCH --nodes=9", "../<script>", "-rf"}) {
    JobRequest job;
    job.name = bad;
    EXPECT_THROW(slurm_script(job, {"m"}, "/r", "/d"), Error) << bad;
    job = {}, job.partition = bad;
    EXPECT_THROW(slurm_script(job, {"m"}, "/r", "/d"), Error) << bad;
    EXPECT_THROW(slurm_script({}, {"m"}, "/r", bad), Error) << bad;
  }
}

TEST(Submit, MissingSbatchIsSaid) {
  const test::TemporaryDirectory folder;
  const auto result = test::run_morphogen({"submit", kConfig, "--run-dir", (folder / "run").string()}, "",
                                          {"PATH=" + folder.path().string()});
  EXPECT_EQ(result.code, 2) << result.err;
  EXPECT_NE(result.err.find("sbatch is not on PATH"), std::string::npos) << result.err;
}

TEST(Submit, OtherSchedulersAreTemplates) {
  for (const char* as : {"grid-engine", "kubernetes"}) {
    const auto result = test::run_morphogen({"submit", kConfig, "--run-dir", "/r", "--as", as});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_NE(result.out.find("quickstart"), std::string::npos) << result.out;
  }
}

TEST(Submit, LocalStartsRunOnThisMachine) {
  const test::TemporaryDirectory folder;
  const auto result = test::run_morphogen({"submit", kConfig, "--run-dir", (folder / "run").string(), "--via", "local",
                                           "--ranks-per-node", "2", "--backend", "host", "--set", "train.iterations=2",
                                           "--set", "augment.steps_min=2"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(std::filesystem::exists(folder / "run/checkpoints/last.json"));
}

}  // namespace
}  // namespace mg::apps
