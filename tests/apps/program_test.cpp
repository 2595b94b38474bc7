#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/subprocess.hpp"

namespace mg {
namespace {

namespace fs = std::filesystem;
using test::run_morphogen;

class Program : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("mg_program_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return (folder_ / name).string();
  }
  fs::path folder_;
};

TEST_F(Program, MistypedCommandLinesAreUsageErrors) {
  const auto expect = [](const std::vector<std::string>& arguments, const std::string& message) {
    const auto result = run_morphogen(arguments);
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.err.substr(0, result.err.find('\n')), "error: " + message);
  };
  expect({"config", "shwo"}, "unknown subcommand 'shwo'; did you mean \"show\"? (one of show, validate, schema, docs)");
  expect({"config"}, "'config' needs a subcommand: one of show, validate, schema, docs");
  expect({"doctor", "--jsn"}, "unknown option --jsn of 'doctor'; did you mean \"--json\"?");
  expect({"doctor", "--bakcend=host"}, "unknown option --bakcend of 'doctor'; did you mean \"--backend\"?");
  expect({"version", "extra"}, "unexpected argument 'extra' of 'version'");
  expect({"--backend", "cdua", "version"},
         "--backend: expected auto, host, cuda or check, got \"cdua\"; did you mean \"cuda\"?");
  expect({"--threads", "-1", "version"}, "--threads: expected 0 to 1024, got \"-1\"");
  expect({"config", "show"}, "FILE is required");
  expect({"bench", "--repeats", "0"}, "--repeats: expected 1 to 1000, got \"0\"");
  EXPECT_EQ(run_morphogen({"bench", "nva"}).err.find("error: what: expected one of nca, "), 0u);
  EXPECT_EQ(
      run_morphogen({"versoin"}).err.find("error: unknown subcommand 'versoin'; did you mean \"version\"? (one of "),
      0u);
}

TEST_F(Program, HelpAndVersionGoToStdout) {
  const auto help = run_morphogen({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(help.err, "");
  EXPECT_NE(help.out.find("Exit codes"), std::string::npos);
  const auto line = run_morphogen({"--version"});
  EXPECT_EQ(line.code, 0);
  EXPECT_EQ(line.out.substr(0, 10), "morphogen ");
  EXPECT_EQ(run_morphogen({"version"}).out, line.out);
  const auto info = nlohmann::json::parse(run_morphogen({"version", "--json"}).out);
  for (const char* key : {"version", "git", "build_type", "compiler", "flags", "cuda"})
    EXPECT_TRUE(info.contains(key)) << key;
}

TEST_F(Program, ConfigurationErrorsExitWith3AndNamePlaceAndFix) {
  const auto file = write("bad.json", "{\n  \"model\": \"nca\",\n  \"sede\": 1\n}");
  const auto result = run_morphogen({"config", "validate", file, "--set", "model.chanels=4"});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err.find("error: --set model.chanels=4: /model/chanels: unknown key; did you mean \"channels\"?"),
            0u);
  EXPECT_NE(result.err.find("\n" + file + ":3:3: /sede: unknown key; did you mean \"seed\"? (allowed: "),
            std::string::npos)
      << result.err;
  EXPECT_EQ(run_morphogen({"config", "validate", (folder_ / "none.json").string()}).code, 3);
}

TEST_F(Program, HostileFilesExitWith3) {
  for (const auto& [name, text] :
       std::vector<std::pair<std::string, std::string>>{{"deep", std::string(100000, '[')},
                                                        {"large", std::string(5 << 20, ' ')},
                                                        {"empty", ""},
                                                        {"binary", std::string("\x7f"
                                                                               "ELF\0\0\1\2",
                                                                               8)},
                                                        {"truncated", "{\"model\": {\"type\": \"nc"},
                                                        {"list", "[1, 2]"},
                                                        {"string", "\"nca\""}}) {
    const auto result = run_morphogen({"config", "show", write(name + ".json", text)});
    EXPECT_EQ(result.code, 3) << name << ": " << result.err;
    EXPECT_EQ(result.err.find("error: " + (folder_ / name).string() + ".json"), 0u) << name << ": " << result.err;
    EXPECT_EQ(result.out, "");
  }
}

TEST_F(Program, ShowIsAFixedPoint) {
  const auto first = run_morphogen(
      {"config", "show", write("a.json", R"({"model": {"type": "gnca", "channels": 9}})"), "--seed", "7"});
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(nlohmann::json::parse(first.out)["seed"], 7);
  const auto second = run_morphogen({"config", "show", write("b.json", first.out)});
  EXPECT_EQ(second.out, first.out);
}

TEST_F(Program, ListsAndExplains) {
  const auto all = run_morphogen({"list"});
  EXPECT_EQ(all.code, 0);
  EXPECT_NE(all.out.find("model\n"), std::string::npos);
  EXPECT_TRUE(nlohmann::json::parse(run_morphogen({"list", "--json"}).out)["model"].contains("nca"));
  const auto wrong = run_morphogen({"list", "modl"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.err.find("did you mean \"model\"?"), std::string::npos);
  EXPECT_NE(run_morphogen({"config", "docs", "model.nca"}).out.find("fire_rate: number in (0, 1] (default 0.5)"),
            std::string::npos);
  EXPECT_EQ(run_morphogen({"config", "docs", "model.nac"}).code, 2);
}

TEST_F(Program, DoctorWorksEverywhere) {
  const auto result = run_morphogen({"doctor", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto report = nlohmann::json::parse(result.out);
  EXPECT_GT(report["memory"]["total"].get<double>(), 0);
  EXPECT_EQ(report["cuda"]["devices"].empty(), !report["cuda"]["problem"].get<std::string>().empty());
  EXPECT_EQ(run_morphogen({"doctor"}).code, 0);
}

TEST_F(Program, AFullStdoutIsAnIoError) {
  const auto result = test::run_process("/bin/sh", {"-c", MG_BINARY_DIR "/morphogen config schema > /dev/full"});
  EXPECT_EQ(result.code, 7);
  EXPECT_EQ(result.err, "error: writing to stdout failed\n");
}

}  // namespace
}  // namespace mg
