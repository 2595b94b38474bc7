#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/config.hpp"

namespace mg {
namespace {

namespace fs = std::filesystem;

Schema sample_schema() {
  Schema adam("adam", ""), sgd("sgd", ""), constant("constant", "");
  constant.number("value", std::nullopt, {}, "");
  adam.variant("lr", {{"constant", constant}}, 1e-3, "").number_form("constant", "value").number("beta", 0.9, {}, "");
  sgd.number("momentum", 0.0, {}, "");
  Schema train("train", "");
  train.integer("steps", 10, {1, 100}, "steps").choice("mode", "fast", {"fast", "slow"}, "");
  Schema schema("sample", "");
  schema.text("name", "x", "")
      .path("image", "a.png", "")
      .object("train", train, "")
      .variant("optimiser", {{"adam", adam}, {"sgd", sgd}}, "adam", "")
      .list("sizes", element::integer({1, 9}), nlohmann::json{1, 2}, "")
      .number("limit", std::nullopt, {}, "")
      .nullable();
  return schema;
}

Config with(const std::vector<std::string>& overrides, const std::string& text = "{}") {
  const auto schema = sample_schema();
  auto document = parse_config(text, "test.json", "/configs");
  for (const auto& assignment : overrides) apply_override(schema, document, assignment);
  return validate_config(schema, document);
}

std::string error_of(const std::string& assignment, const std::string& text = "{}") {
  return test::config_error([&] { with({assignment}, text); });
}

TEST(ConfigOverride, SetsValuesOfEveryKind) {
  EXPECT_EQ(with({"train.steps=20"}).at("train").get<int>("steps"), 20);
  EXPECT_EQ(with({"name=hello world"}).get<std::string>("name"), "hello world");
  EXPECT_EQ(with({"name=\"quoted\""}).get<std::string>("name"), "quoted");
  EXPECT_EQ(with({"name=12"}).get<std::string>("name"), "12");
  EXPECT_EQ(with({"name="}).get<std::string>("name"), "");
  EXPECT_EQ(with({"name=a=b"}).get<std::string>("name"), "a=b");
  EXPECT_EQ(with({"train.mode=slow"}).at("train").get<std::string>("mode"), "slow");
  EXPECT_EQ(with({"sizes=[3]"}).json()["sizes"], nlohmann::json({3}));
  EXPECT_EQ(with({"sizes.1=7"}).json()["sizes"], nlohmann::json({1, 7}));
  EXPECT_EQ(with({"limit=2.5"}).get<double>("limit"), 2.5);
  EXPECT_FALSE(with({"limit=null"}, R"({"limit": 3})").has("limit"));
  EXPECT_EQ(with({"optimiser.beta=0.5"}).at("optimiser").get<double>("beta"), 0.5);
  EXPECT_EQ(with({"optimiser.lr=0.25"}).at("optimiser").at("lr").get<double>("value"), 0.25);
  EXPECT_EQ(with({"optimiser.lr.value=0.25"}).at("optimiser").at("lr").get<double>("value"), 0.25);
  EXPECT_EQ(with({"optimiser=sgd"}).at("optimiser").type(), "sgd");
  EXPECT_EQ(with({"optimiser={\"type\": \"sgd\", \"momentum\": 1}"}).at("optimiser").get<double>("momentum"), 1.0);
  EXPECT_EQ(with({"optimiser.type=sgd", "optimiser.momentum=0.5"}, R"({"optimiser": {"type": "adam", "beta": 0.1}})")
                .at("optimiser")
                .get<double>("momentum"),
            0.5);
  EXPECT_EQ(with({"train.steps=20", "train.steps=30"}).at("train").get<int>("steps"), 30) << "the last one counts";
}

TEST(ConfigOverride, ErrorsCarryTheOverride) {
  EXPECT_EQ(error_of("train.steps=fast"), "--set train.steps=fast: /train/steps: expected integer in [1, 100]");
  EXPECT_EQ(error_of("train.steps=1.5"),
            "--set train.steps=1.5: /train/steps: expected integer in [1, 100], got number 1.5");
  EXPECT_EQ(error_of("train.step=5"),
            "--set train.step=5: /train/step: unknown key; did you mean \"steps\"? (allowed: steps, mode)");
  EXPECT_EQ(error_of("trian.steps=5").substr(0, 63),
            "--set trian.steps=5: /trian: unknown key; did you mean \"train\"?");
  EXPECT_EQ(error_of("name.x=5"), "--set name.x=5: /name: has no keys; expected text");
  EXPECT_EQ(error_of("sizes.2=5"),
            "--set sizes.2=5: /sizes/2: expected the number of a list element, 0 to 2 (exclusive)");
  EXPECT_EQ(error_of("optimiser.momentum=1"),
            "--set optimiser.momentum=1: /optimiser/momentum: unknown key (allowed: type, lr, beta)");
  EXPECT_EQ(error_of("train"), "--set train: expected path=value, as in --set train.iterations=100");
  EXPECT_EQ(error_of("train.mode=sloww"),
            "--set train.mode=sloww: /train/mode: expected one of \"fast\", \"slow\", got "
            "string \"sloww\"; did you mean \"slow\"?");
  EXPECT_EQ(error_of("limit=NaN"), "--set limit=NaN: /limit: expected number or null");
  EXPECT_EQ(error_of("sizes=" + std::string(100, '[')).substr(0, 8), "--set si");
  EXPECT_EQ(error_of("name=\xff"), "--set name=\xff: /name: the value is not UTF-8");
}

TEST(ConfigOverride, PathsStartInTheFolderOfWhoeverNamesThem) {
  EXPECT_EQ(with({}, R"({"image": "sub/../b.png"})").get<std::string>("image"), "/configs/b.png");
  EXPECT_EQ(with({}, R"({"image": "/abs/b.png"})").get<std::string>("image"), "/abs/b.png");
  EXPECT_EQ(with({"image=b.png"}).get<std::string>("image"), (fs::current_path() / "b.png").string());
}

class ConfigExtends : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("mg_extends_" + std::to_string(::getpid()));
    fs::create_directories(folder_ / "sub");
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  std::string error_of(const std::string& text) {
    const auto file = write("main.json", text);
    auto error = test::config_error([&] { load_config(sample_schema(), file); });
    for (auto at = error.find(folder_.string() + "/"); at != std::string::npos; at = error.find(folder_.string() + "/"))
      error.erase(at, folder_.string().size() + 1);
    return error;
  }
  fs::path folder_;
};

TEST_F(ConfigExtends, MergesObjectsAndReplacesTheRest) {
  write("sub/base.json",
        R"({"name": "base", "image": "x.png", "train": {"steps": 50, "mode": "slow"}, "sizes": [5, 6, 7],
                            "optimiser": {"type": "adam", "beta": 0.1}})");
  const auto file = write("main.json", R"({"extends": "sub/base.json", "$schema": "ignored", "train": {"steps": 60},
                                           "sizes": [8], "optimiser": {"type": "sgd"}})");
  const auto config = load_config(sample_schema(), file, {"name=over"});
  EXPECT_EQ(config.get<std::string>("name"), "over");
  EXPECT_EQ(config.get<std::string>("image"), (folder_ / "sub/x.png").string());
  EXPECT_EQ(config.at("train").get<int>("steps"), 60);
  EXPECT_EQ(config.at("train").get<std::string>("mode"), "slow");
  EXPECT_EQ(config.json()["sizes"], nlohmann::json({8}));
  EXPECT_EQ(config.at("optimiser").type(), "sgd");
}

TEST_F(ConfigExtends, AMissingBaseIsMissedFromTheWorkingFolderToo) {
  write("main.json", R"({"extends": "none.json"})");
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  const auto error = test::config_error([] { load_config(sample_schema(), "main.json"); });
  fs::current_path(before);
  EXPECT_EQ(error, "main.json:1:13: /extends: no such file: none.json");
}

TEST_F(ConfigExtends, ErrorsNameTheFileTheValueIsIn) {
  write("base.json", "{\"name\": 5,\n \"train\": {\"steps\": 0}}");
  EXPECT_EQ(error_of("{\"extends\": \"base.json\",\n\"train\": {\"mode\": 1}}"),
            "base.json:1:10: /name: expected text, got integer 5\n"
            "base.json:2:21: /train/steps: expected integer in [1, 100], got integer 0\n"
            "main.json:2:19: /train/mode: expected one of \"fast\", \"slow\", got integer 1");
}

TEST_F(ConfigExtends, RefusesWhatLeadsOutsideMissesOrTurnsInCircles) {
  EXPECT_EQ(
      error_of(R"({"extends": "../x.json"})"),
      "main.json:1:13: /extends: expected a relative path at or below the folder of this file, got \"../x.json\"");
  EXPECT_EQ(
      error_of(R"({"extends": "/etc/passwd"})"),
      "main.json:1:13: /extends: expected a relative path at or below the folder of this file, got \"/etc/passwd\"");
  EXPECT_EQ(error_of(R"({"extends": "none.json"})"), "main.json:1:13: /extends: no such file: none.json");
  EXPECT_EQ(error_of(R"({"extends": 3})"),
            "main.json:1:13: /extends: expected the path of a configuration file, got 3");
  EXPECT_EQ(error_of(R"({"extends": "main.json"})"), "main.json:1:13: /extends: cycle: main.json extends this file");
  write("b.json", R"({"extends": "main.json"})");
  EXPECT_EQ(error_of(R"({"extends": "b.json"})"), "b.json:1:13: /extends: cycle: main.json extends this file");
  fs::create_symlink("/etc", folder_ / "link");
  EXPECT_NE(error_of(R"({"extends": "link/passwd"})").find("at or below the folder"), std::string::npos);
  for (int k = 0; k < 12; ++k)
    write("c" + std::to_string(k) + ".json", "{\"extends\": \"c" + std::to_string(k + 1) + ".json\"}");
  EXPECT_EQ(error_of(R"({"extends": "c0.json"})"), "c7.json:1:13: /extends: chain longer than 8 files");
}

TEST_F(ConfigExtends, MissingFilesAndFolders) {
  EXPECT_EQ(test::config_error([&] { load_config(sample_schema(), folder_ / "no.json"); }),
            (folder_ / "no.json").string() + ": cannot be opened: No such file or directory");
  EXPECT_EQ(test::config_error([&] { load_config(sample_schema(), folder_); }),
            folder_.string() + ": is a folder, not a configuration file");
}

}  // namespace
}  // namespace mg
