#include "apps/bench.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/program.hpp"
#include "tests/support/temporary.hpp"

namespace mg::apps {
namespace {

TEST(Bench, WritesOneObjectALine) {
  const test::TemporaryDirectory folder;
  const auto file = folder.path() / "bench.jsonl";
  ASSERT_EQ(run_program({"--backend", "host", "bench", "limits", "--repeats", "1", "--json", file.string()}), 0);
  std::ifstream in(file);
  std::set<std::string> names;
  for (std::string text; std::getline(in, text);) {
    const auto line = nlohmann::json::parse(text);
    for (const char* key : {"name", "backend", "seconds", "rate", "unit", "limit", "ratio"})
      EXPECT_TRUE(line.contains(key)) << key;
    EXPECT_GT(line.at("rate"), 1e6);
    names.insert(line.at("name"));
  }
  EXPECT_EQ(names, (std::set<std::string>{"copy_bandwidth", "fma_peak"}));
}

TEST(Bench, RefusesAFileItCannotWrite) {
  EXPECT_EQ(run_program({"--backend", "host", "bench", "limits", "--repeats", "1", "--json", "/no/such/folder/x"}), 7);
}

}  // namespace
}  // namespace mg::apps
