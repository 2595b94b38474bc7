#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/subprocess.hpp"
#include "tests/support/temporary.hpp"

namespace mg::apps {
namespace {

// The README's first experiment is what a newcomer types: it must be accepted and train as it stands.
TEST(Readme, FirstExperimentTrains) {
  std::ifstream in(MG_SOURCE_DIR "/README.md");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto begin = text.find("```json\n");
  ASSERT_NE(begin, std::string::npos);
  std::string config = text.substr(begin + 8, text.find("```", begin + 8) - begin - 8);
  const auto emoji = config.find("{\"emoji\"");  // the font is optional: a shipped picture stands in for it
  ASSERT_NE(emoji, std::string::npos);
  config.replace(emoji, config.find('}', emoji) + 1 - emoji,
                 "{\"file\": \"" MG_SOURCE_DIR "/configs/nca/targets/lizard.png\"}");

  const test::TemporaryDirectory folder;
  std::ofstream(folder.path() / "mine.json") << config;
  const auto result =
      test::run_morphogen({"train", (folder.path() / "mine.json").string(), "--run-dir",
                           (folder.path() / "run").string(), "--set", "train.iterations=2", "--set", "augment.size=8"});
  EXPECT_EQ(result.code, 0) << result.err;
}

}  // namespace
}  // namespace mg::apps
