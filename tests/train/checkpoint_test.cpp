#include "train/checkpoint.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "core/file.hpp"
#include "train/model_file.hpp"

namespace mg::train {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("mg-checkpoint-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static Checkpoint make(std::int64_t step) {
    const std::vector<float> params = {float(step), 2, 3, 4, 5, 6};
    Checkpoint c;
    c.step = step;
    c.model = model_file(layout(), params, "{}");
    c.best = c.model;
    c.best_step = step - 1;
    c.best_loss = 0.25;
    c.state.add("trainer/params", {6}, params.data());
    c.fingerprint = {{"model", {{"channels", 16}}}};
    return c;
  }
  static Layout layout() { return Layout().add("w", {2, 2}).add("b", {2}); }
  static float first(const Checkpoint& c) { return float(c.state.at("trainer/params").as_double()[0]); }
  void damage(const fs::path& file) const {
    std::fstream f(folder_ / file, std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(-1, std::ios::end);
    f.put('\x55');
  }
  std::string last() const { return read_file(folder_ / "last.json"); }

  fs::path folder_;
};

TEST_F(CheckpointTest, RoundTripPruningAndPointers) {
  CheckpointStore store(folder_, 2);
  EXPECT_FALSE(store.load_latest());
  for (int step : {10, 20, 30}) store.write(make(step));
  EXPECT_EQ(store.list().size(), 2u);
  EXPECT_EQ(store.list()[0].filename(), "step-00000030");
  EXPECT_NE(last().find("step-00000030"), std::string::npos);
  const auto c = store.load_latest();
  ASSERT_TRUE(c);
  EXPECT_EQ(c->step, 30);
  EXPECT_EQ(first(*c), 30);
  EXPECT_EQ(c->best_step, 29);
  EXPECT_EQ(find_model_file(folder_), folder_ / "step-00000030" / "best.safetensors");
  EXPECT_EQ(find_model_file(folder_ / "step-00000020"), folder_ / "step-00000020" / "model.safetensors");
  for (const auto& entry : fs::directory_iterator(folder_))
    EXPECT_FALSE(entry.path().filename().string().starts_with(".tmp")) << entry.path();
}

TEST_F(CheckpointTest, SameContentGivesTheSameBytes) {
  for (const char* name : {"a", "b"}) {
    fs::create_directory(folder_ / name);
    CheckpointStore(folder_ / name, 2).write(make(7));
  }
  for (const char* file : {"model.safetensors", "train_state.safetensors", "meta.json", "COMPLETE"})
    EXPECT_EQ(read_file(folder_ / "a/step-00000007" / file), read_file(folder_ / "b/step-00000007" / file)) << file;
}

TEST_F(CheckpointTest, DamageFallsBackToTheOneBefore) {
  CheckpointStore store(folder_, 5);
  for (int step : {10, 20, 30, 40, 50}) store.write(make(step));
  damage("step-00000050/train_state.safetensors");
  damage("step-00000040/meta.json");
  fs::remove(folder_ / "step-00000030/COMPLETE");
  fs::resize_file(folder_ / "step-00000020/model.safetensors", 3);
  EXPECT_EQ(store.load_latest()->step, 10);
  EXPECT_THROW(CheckpointStore::load(folder_ / "step-00000050"), CheckpointError);
  damage("step-00000010/COMPLETE");
  EXPECT_THROW(store.load_latest(), CheckpointError);
  store.write(make(50));  // repeats a damaged one
  EXPECT_EQ(store.load_latest()->step, 50);
  // Going on from an older one drops what is damaged after it, even when only one may stay.
  damage("step-00000050/meta.json");
  CheckpointStore(folder_, 1).write(make(45));
  EXPECT_EQ(store.load_latest()->step, 45);
  EXPECT_EQ(store.list().size(), 1u);
}

TEST_F(CheckpointTest, OtherConfigurationIsRefusedByKey) {
  try {
    require_same_fingerprint({{"model", {{"channels", 16}, {"old", 1}}}}, {{"model", {{"channels", 20}}}});
    FAIL();
  } catch (const CheckpointError& e) {
    const std::string what = e.what();
    EXPECT_NE(what.find("model.channels: the checkpoint has 16, the configuration 20"), std::string::npos) << what;
    EXPECT_NE(what.find("model.old: the checkpoint has 1, the configuration nothing"), std::string::npos) << what;
  }
  EXPECT_TRUE(require_same_fingerprint({{"a", 1}}, {{"a", 1}}).empty());
  // An empty list is neither null nor absent.
  const json empty = {{"list", json::array()}};
  EXPECT_THROW(require_same_fingerprint(empty, {{"list", nullptr}}), CheckpointError);
  EXPECT_THROW(require_same_fingerprint(empty, json::object()), CheckpointError);
}

TEST_F(CheckpointTest, AllowedChangesArePrefixesOfWholeKeys) {
  const json saved = {{"optimiser", {{"lr", 1}, {"lr_floor", 2}, {"list", {1, 2}}}}, {"seed", 3}};
  json other = saved;
  other["optimiser"]["lr"] = {{"type", "cosine"}};
  EXPECT_THROW(require_same_fingerprint(saved, other), CheckpointError);
  EXPECT_EQ(require_same_fingerprint(saved, other, {"optimiser.lr"}).size(), 2u);  // the number went, a type came
  EXPECT_EQ(require_same_fingerprint(saved, other, {"seed", "optimiser"}).size(), 2u);
  EXPECT_THROW(require_same_fingerprint(saved, other, {"optimiser.l"}), CheckpointError);
  EXPECT_THROW(require_same_fingerprint(saved, other, {""}), CheckpointError);
  other["optimiser"]["lr_floor"] = 5;
  EXPECT_THROW(require_same_fingerprint(saved, other, {"optimiser.lr"}), CheckpointError);
  other = saved;
  other["optimiser"]["list"][1] = 7;
  EXPECT_EQ(require_same_fingerprint(saved, other, {"optimiser.list.1"}),
            std::vector<std::string>{"optimiser.list.1: the checkpoint has 2, the configuration 7"});
}

TEST_F(CheckpointTest, ModelFileChecksNamesAndShapes) {
  const std::vector<float> params = {1, 2, 3, 4, 5, 6};
  const auto file = model_file(layout(), params, "{}");
  EXPECT_EQ(model_params<float>(file, layout(), "x"), params);
  EXPECT_EQ(model_params<double>(file, layout(), "x")[5], 6.0);
  EXPECT_THROW(model_params<float>(file, Layout().add("w", {4}).add("b", {2}), "x"), CheckpointError);
  EXPECT_THROW(model_params<float>(file, Layout().add("w", {2, 2}), "x"), CheckpointError);
  EXPECT_THROW(model_params<float>(file, Layout().add("v", {2, 2}), "x"), CheckpointError);
  EXPECT_THROW(find_model_file(folder_ / "nowhere"), CheckpointError);
}

TEST_F(CheckpointTest, FullDiskKeepsTheOneBefore) {
  CheckpointStore store(folder_, 1);
  store.write(make(10));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{64, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  EXPECT_THROW(store.write(make(20)), IoError);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(store.load_latest()->step, 10);
  EXPECT_EQ(store.list().size(), 1u);
  EXPECT_FALSE(fs::exists(folder_ / ".tmp-step-00000020"));
}

}  // namespace
}  // namespace mg::train
