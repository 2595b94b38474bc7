#include "core/emoji.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "core/error.hpp"
#include "core/file.hpp"
#include "tests/support/temporary.hpp"

namespace mg {
namespace {

TEST(Emoji, ReadsCodePoints) {
  EXPECT_EQ(parse_code_point("\xF0\x9F\xA6\x8E"), 0x1F98EU);
  EXPECT_EQ(parse_code_point("U+1F98E"), 0x1F98EU);
  EXPECT_EQ(parse_code_point("1f98e"), 0x1F98EU);
  EXPECT_EQ(parse_code_point("\xE2\x98\x83"), 0x2603U);
  for (const char* bad : {"", "lizard", "U+", "U+110000", "U+D800", "\xF0\x9F\xA6", "\xC0\xAF", "\xFF",
                          "\xF0\x9F\xA6\x8E\xF0\x9F\xA6\x8E", "U+1F98E "})
    EXPECT_THROW(parse_code_point(bad), DataError) << bad;
}

class EmojiFont : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!find_emoji_font()) GTEST_SKIP() << "no colour-emoji font (fonts-noto-color-emoji)";
#ifndef MG_WITH_FREETYPE
    GTEST_SKIP() << "built without FreeType";
#endif
  }
};

TEST_F(EmojiFont, DrawsASquareWithColourAndTransparency) {
  const Image lizard = render_emoji(0x1F98E);
  EXPECT_EQ(lizard.h, lizard.w);
  EXPECT_EQ(lizard.c, 4);
  int opaque = 0, clear = 0, green = 0;
  for (int y = 0; y < lizard.h; ++y)
    for (int x = 0; x < lizard.w; ++x) {
      const auto* p = lizard.at(y, x);
      opaque += p[3] == 255;
      clear += p[3] == 0;
      green += p[3] == 255 && p[1] > p[0] && p[1] > p[2];
    }
  EXPECT_GT(opaque, lizard.h * lizard.w / 10);
  EXPECT_GT(clear, lizard.h * lizard.w / 4);
  EXPECT_GT(green, opaque / 2);
  EXPECT_EQ(render_emoji(0x1F98E), lizard);
  EXPECT_FALSE(render_emoji(0x1F980) == lizard);
}

TEST_F(EmojiFont, NamesWhatIsMissing) {
  EXPECT_THROW(render_emoji(0x10FFFF), DataError);
  const test::TemporaryDirectory dir;
  write_file(dir / "emoji.ttf", "not a font");
  ::setenv("MG_EMOJI_FONT", (dir / "emoji.ttf").c_str(), 1);
  EXPECT_THROW(render_emoji(0x1F98E), DataError);
  ::unsetenv("MG_EMOJI_FONT");
}

}  // namespace
}  // namespace mg
