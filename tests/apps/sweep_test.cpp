#include <set>

#include "apps/sweep_points.hpp"
#include "tests/apps/training_support.hpp"

namespace mg::apps {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Points = std::vector<std::string>;

Config block(const char* text) { return Config(json::parse(text)); }

TEST(SweepPoints, LastAxisOfAProductVariesFastest) {
  const Config c = block(R"({"type": "product", "axes": [{"path": "a", "values": ["1", "2"]},
                             {"path": "b", "values": ["x", "y", "z"]}]})");
  ASSERT_EQ(sweep_size(c), 6);
  EXPECT_EQ(sweep_point(c, 0), (Points{"a=1", "b=x"}));
  EXPECT_EQ(sweep_point(c, 1), (Points{"a=1", "b=y"}));
  EXPECT_EQ(sweep_point(c, 3), (Points{"a=2", "b=x"}));
  EXPECT_EQ(sweep_point(c, 5), (Points{"a=2", "b=z"}));
  EXPECT_THROW(sweep_point(c, 6), ConfigError);
  EXPECT_THROW(sweep_point(c, -1), ConfigError);
}

TEST(SweepPoints, ZipListAndRandom) {
  const Config zip = block(R"({"type": "zip", "axes": [{"path": "a", "values": ["1", "2", "3"]},
                               {"path": "b", "values": ["x", "y", "z"]}, {"path": "c", "values": ["u", "v", "w"]}]})");
  ASSERT_EQ(sweep_size(zip), 3);
  EXPECT_EQ(sweep_point(zip, 2), (Points{"a=3", "b=z", "c=w"}));
  EXPECT_THROW(sweep_size(block(R"({"type": "zip", "axes": [{"path": "a", "values": ["1"]},
                                    {"path": "b", "values": ["x", "y"]}]})")),
               ConfigError);
  const Config list = block(R"({"type": "list", "points": [["a=1"], ["a=2", "b=3"]]})");
  EXPECT_EQ(sweep_point(list, 1), (Points{"a=2", "b=3"}));
  const Config random = block(R"({"type": "random", "count": 50, "seed": 1, "axes": [
    {"path": "lr", "low": 1e-4, "high": 1e-2, "log": true, "integer": false},
    {"path": "n", "low": 2, "high": 5, "log": false, "integer": true}]})");
  std::set<std::string> rates, counts;
  for (int k = 0; k < 50; ++k) {
    EXPECT_EQ(sweep_point(random, k), sweep_point(random, k));
    const double rate = std::stod(sweep_point(random, k)[0].substr(3));
    EXPECT_TRUE(rate >= 1e-4 && rate <= 1e-2) << rate;
    rates.insert(sweep_point(random, k)[0]);
    counts.insert(sweep_point(random, k)[1]);
  }
  EXPECT_GT(rates.size(), 45U);
  EXPECT_EQ(counts, (std::set<std::string>{"n=2", "n=3", "n=4"}));
}

TEST(SweepPoints, WorkersTakeTurns) {
  EXPECT_EQ(worker_points(7, 1, 3), (std::vector<std::int64_t>{1, 4}));
  EXPECT_EQ(worker_points(7, 0, 3), (std::vector<std::int64_t>{0, 3, 6}));
  EXPECT_TRUE(worker_points(2, 2, 3).empty());
}

class Sweep : public test::TrainingFolder {
 protected:
  test::ProcessResult sweep(std::vector<std::string> more) const {
    more.insert(more.begin(), {"sweep", config(), "--out", run_dir("sweep"), "--backend", "host", "--threads", "1"});
    return test::run_morphogen(more, folder_);
  }
};

TEST_F(Sweep, RunsEveryPointCountsFailuresAndMakesTheTable) {
  const std::string block =
      R"(sweep={"type": "list", "points": [["seed=1"], ["seed=2", "train.loss_threshold=1e-9"], ["seed=3"]]})";
  const auto result = sweep({"--set", block, "--jobs", "2"});
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_NE(result.err.find("point 0001 failed with exit code 6"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("1 of 3 points are not finished"), std::string::npos) << result.err;
  const std::string csv = read_file(run_dir("sweep") + "/table.csv");
  EXPECT_TRUE(csv.starts_with("run,seed,train.loss_threshold,state,exit,step,loss,best,seconds\n")) << csv;
  EXPECT_NE(csv.find("\n0001,2,1e-09,diverged,6,"), std::string::npos) << csv;
  EXPECT_TRUE(fs::exists(run_dir("sweep") + "/table.png"));
  EXPECT_NE(read_file(run_dir("sweep") + "/table.md").find("| 0002 | 3 |"), std::string::npos);
  const auto direct = train("direct", {"--set", "seed=3"});
  ASSERT_EQ(direct.code, 0);
  for (const char* file : {"model.safetensors", "train_state.safetensors"})
    EXPECT_TRUE(read_file(run_dir("direct") + "/checkpoints/step-00000012/" + file) ==
                read_file(run_dir("sweep") + "/0002/checkpoints/step-00000012/" + file));
  const auto table = test::run_morphogen({"runs", "compare", run_dir("sweep")});
  EXPECT_NE(table.out.find("| 0001 | 2 |"), std::string::npos) << table.out;
  EXPECT_EQ(test::run_morphogen({"runs", "diff", run_dir("sweep") + "/0000", run_dir("sweep") + "/0002"}).out,
            "seed: 1 -> 3\n");
  const auto listed = test::run_morphogen({"runs", "list", run_dir("sweep")});
  EXPECT_NE(listed.out.find("diverged"), std::string::npos) << listed.out;
  EXPECT_NE(test::run_morphogen({"runs", "tail", run_dir("direct"), "--lines", "1"}).out.find("step 12 "),
            std::string::npos);
  ASSERT_EQ(test::run_morphogen(
                {"runs", "rerun", run_dir("direct"), "--run-dir", run_dir("again"), "--backend", "host"}, folder_)
                .code,
            0);
  expect_same_checkpoint("direct", "again", "step-00000012");
}

TEST_F(Sweep, PointsThatDoNotFitAreRefusedBeforeAnyRuns) {
  const auto result = sweep({"--set", R"(sweep={"type": "list", "points": [["seed=1"], ["train.iteratoins=2"]]})"});
  EXPECT_EQ(result.code, 3);
  EXPECT_NE(result.err.find("iterations"), std::string::npos) << result.err;
  EXPECT_FALSE(fs::exists(run_dir("sweep")));
  EXPECT_EQ(sweep({}).code, 3) << "there is no sweep";
}

TEST_F(Sweep, ArrayScriptNamesThePoints) {
  const std::string block = R"(sweep={"type": "product", "axes": [{"path": "seed", "values": ["1", "2", "3"]}]})";
  const auto result = sweep({"--set", block, "--slurm", "--print", "--limit", "2"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("#SBATCH --array=0-2%2\n"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find(" --sweep-index \"$SLURM_ARRAY_TASK_ID\" &"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace mg::apps
