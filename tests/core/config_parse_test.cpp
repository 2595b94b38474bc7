#include <gtest/gtest.h>

#include <string>

#include "core/config_source.hpp"
#include "tests/support/config.hpp"

namespace mg {
namespace {

std::string error_of(const std::string& text) {
  return test::config_error([&] {
    const auto document = parse_config(text, "test.json");
    if (!document.errors.empty()) throw ConfigError(document.errors.front());
  });
}

TEST(ConfigParse, KnowsThePlaceOfEveryValue) {
  const auto document =
      parse_config("{\n  \"a\": 1, // first\n  \"b\": {\"c/d\": [true,\n \"é\", /* x */ -2.5e1]}\n}", "test.json");
  EXPECT_EQ(document.value, nlohmann::json::parse(R"({"a": 1, "b": {"c/d": [true, "é", -25.0]}})"));
  const auto& source = *document.source;
  EXPECT_EQ(source.describe(""), "test.json:1:1: ");
  EXPECT_EQ(source.describe("/a"), "test.json:2:8: /a: ");
  EXPECT_EQ(source.describe("/a", true), "test.json:2:3: /a: ");
  EXPECT_EQ(source.describe("/b/c~1d/0"), "test.json:3:17: /b/c~1d/0: ");
  EXPECT_EQ(source.describe("/b/c~1d/1"), "test.json:4:2: /b/c~1d/1: ");
  EXPECT_EQ(source.describe("/b/c~1d/2"), "test.json:4:15: /b/c~1d/2: ");
  EXPECT_EQ(source.describe("/b/c~1d/7/x"), "test.json:3:16: /b/c~1d/7/x: ") << "the nearest place above";
}

TEST(ConfigParse, NamesTheFirstOfDuplicateKeys) {
  EXPECT_EQ(error_of("{\"b\": {\n\"c\": 1,\n\"c\": 2}}"), "test.json:3:1: /b/c: duplicate key; first given in line 2");
}

TEST(ConfigParse, SyntaxErrorsHaveLineAndColumn) {
  EXPECT_EQ(error_of("{\n  \"a\": 1,\n}"),
            "test.json:3:1: syntax error while parsing object key - unexpected '}'; expected string literal");
  EXPECT_EQ(error_of(""),
            "test.json:1:1: syntax error while parsing value - unexpected end of input; expected '[', "
            "'{', or a literal");
  EXPECT_EQ(error_of("{\"a\": NaN}"), "test.json:1:7: syntax error while parsing value - invalid literal");
  EXPECT_EQ(error_of("{\"a\": 1e999}"), "test.json:1:7: number too large for a double");
  EXPECT_EQ(error_of("{} x").substr(0, 15), "test.json:1:4: ");
}

TEST(ConfigParse, EveryTruncationIsAnErrorWithAPlace) {
  const std::string text = R"({"name": "a\u00e9", "list": [1, -2.5, true, null], "sub": {"k": "v"}})";
  for (std::size_t n = 0; n < text.size(); ++n) {
    const auto error = error_of(text.substr(0, n));
    EXPECT_EQ(error.rfind("test.json:1:", 0), 0u) << n << ": " << error;
  }
}

TEST(ConfigParse, BoundsDepthStringsListsAndSize) {
  EXPECT_EQ(error_of(std::string(100000, '[')), "test.json:1:65: nested deeper than 64 levels");
  std::string objects;
  for (int k = 0; k < 100000; ++k) objects += "{\"a\":";
  EXPECT_EQ(error_of(objects), "test.json:1:321: nested deeper than 64 levels");
  EXPECT_EQ(error_of("[\"" + std::string(70000, 'x') + "\"]"), "test.json:1:2: string longer than 64 KiB");
  EXPECT_EQ(error_of("{\"" + std::string(70000, 'x') + "\": 1}"), "test.json:1:2: string longer than 64 KiB");
  std::string zeros = "[0";
  for (int k = 0; k < 1000000; ++k) zeros += ",0";
  EXPECT_EQ(error_of(zeros + "]"), "test.json:1:2000002: list longer than 1000000 elements");
  EXPECT_EQ(error_of(std::string(5 << 20, ' ')), "test.json: larger than 4 MiB");
}

TEST(ConfigParse, ByteOrderMarks) {
  EXPECT_EQ(parse_config("\xEF\xBB\xBF{\"a\": 1}", "test.json").source->describe("/a"), "test.json:1:7: /a: ");
  EXPECT_EQ(error_of(std::string("\xFF\xFE{\0", 4)), "test.json:1:1: text is UTF-16; save the file as UTF-8");
}

TEST(ConfigParse, RefusesInvalidUtf8) { EXPECT_NE(error_of("{\"a\": \"\xC3(\"}").find("UTF-8"), std::string::npos); }

}  // namespace
}  // namespace mg
