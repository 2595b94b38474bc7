#include <gtest/gtest.h>
#include <zlib.h>

#include "core/distill.hpp"
#include "core/png.hpp"
#include "tests/support/hostile.hpp"

namespace mg {
namespace {

void read_model(const std::string& bytes) { parse_distill_nca(bytes, "hostile"); }

std::string layer(const std::string& in, const std::string& out, const std::string& data,
                  const std::string& more = "") {
  return "{\"in_ch\":" + in + ",\"out_ch\":" + out + ",\"weight_scale\":1,\"bias_scale\":1.5,\"data_b64\":" + data +
         more + "}";
}
const std::string kFirst = layer("3", "2", "\"AAECAwQFBgc=\""), kSecond = layer("2", "1", "\"/4AA\"");

TEST(HostileDistill, TruncationsAndMutations) {
  const std::string valid = "[" + kFirst + "," + kSecond + "]";
  ASSERT_FALSE(test::refused(read_model, valid, ""));
  test::expect_truncations_refused(read_model, valid);
  test::expect_mutations_survived(read_model, valid, 5000);
}

TEST(HostileDistill, LayersThatContradict) {
  const std::string firsts[] = {
      layer("4", "2", "\"AAECAwQFBgc=\""),
      layer("3", "3", "\"AAECAwQFBgcICQoL\""),
      layer("-3", "2", "\"AAECAwQFBgc=\""),
      layer("3.0", "2", "\"AAECAwQFBgc=\""),
      layer("4294967299", "2", "\"AAECAwQFBgc=\""),
      layer("65536", "65536", "\"AAECAwQFBgc=\""),
      layer("0", "2", "\"AAE=\""),
      layer("\"3\"", "2", "\"AAECAwQFBgc=\""),
      layer("3", "2", "\"AAECAwQFBgcI\""),
      layer("3", "2", "\"AAECAwQFBg==\""),
      layer("3", "2", "\"AAECAwQFBg.=\""),
      layer("3", "2", "\"AAECAwQFBgcA\""),
      layer("3", "2", "\"\""),
      layer("3", "2", "null"),
      layer("3", "2", "[[[[[[1]]]]]]"),
      layer("3", "2", "\"AAECAwQFBgc=\"", ",\"type\":\"float16\""),
      "7",
      "{}",
      R"({"in_ch":3,"out_ch":2,"weight_scale":null,"bias_scale":1,"data_b64":"AAECAwQFBgc="})",
      R"({"in_ch":3,"out_ch":2,"weight_scale":1e999,"bias_scale":1,"data_b64":"AAECAwQFBgc="})"};
  for (const auto& first : firsts)
    EXPECT_TRUE(test::refused(read_model, "[" + first + "," + kSecond + "]", first)) << first;
  for (const auto& text : {std::string("[]"), "[" + kFirst + "]", "[" + kFirst + "," + kSecond + "," + kSecond + "]",
                           std::string("{}"), std::string("null"), std::string("")})
    EXPECT_TRUE(test::refused(read_model, text, text)) << text;
  EXPECT_TRUE(test::refused(read_model, std::string(1000000, '['), "deep"));
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  EXPECT_TRUE(test::refused(read_model, objects, "deep objects"));
}

void read_picture(const std::string& bytes) { decode_png(bytes, "hostile"); }

std::string big_endian(std::uint32_t v) {
  return {char(v >> 24), char(v >> 16 & 255), char(v >> 8 & 255), char(v & 255)};
}
std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), uInt(body.size()));
  return big_endian(std::uint32_t(data.size())) + body + big_endian(std::uint32_t(crc));
}
std::string deflated(const std::string& raw) {
  std::string out(::compressBound(raw.size()), '\0');
  uLongf size = out.size();
  ::compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(raw.data()), raw.size(), 9);
  return out.substr(0, size);
}
std::string png(std::uint32_t w, std::uint32_t h, char depth, char colour, const std::string& middle,
                const std::string& raw, char interlace = 0) {
  const std::string header = big_endian(w) + big_endian(h) + depth + colour + '\0' + '\0' + interlace;
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + middle + chunk("IDAT", deflated(raw)) + chunk("IEND", "");
}

TEST(HostilePng, TruncationsAndMutations) {
  Image image(6, 5, 4, 100);
  image.at(2, 3)[1] = 7;
  const std::string valid = png_bytes(image);
  test::expect_truncations_refused(read_picture, valid);
  test::expect_mutations_survived(read_picture, valid, 5000);
}

TEST(HostilePng, EveryColourTypeBecomesRgba) {
  const std::string z(1, '\0');
  const auto pixel = [](const std::string& bytes) {
    const Image image = decode_png(bytes, "test");
    EXPECT_EQ(image.c, 4);
    return std::vector<int>(image.pixels.begin(), image.pixels.begin() + 4);
  };
  EXPECT_EQ(pixel(png(1, 1, 1, 0, "", z + '\x80')), (std::vector<int>{255, 255, 255, 255}));
  EXPECT_EQ(pixel(png(1, 1, 16, 0, "", z + "\x80\xFF")), (std::vector<int>{128, 128, 128, 255}));
  EXPECT_EQ(pixel(png(1, 1, 8, 2, "", z + "\1\2\3")), (std::vector<int>{1, 2, 3, 255}));
  EXPECT_EQ(pixel(png(1, 1, 8, 4, "", z + "\x0A\x14")), (std::vector<int>{10, 10, 10, 20}));
  const std::string palette = chunk("PLTE", "\1\2\3\4\5\6"), alpha = chunk("tRNS", "\x0A");
  EXPECT_EQ(pixel(png(1, 1, 8, 3, palette + alpha, z + z)), (std::vector<int>{1, 2, 3, 10}));
  EXPECT_EQ(pixel(png(1, 1, 4, 3, palette + alpha, z + '\x10')), (std::vector<int>{4, 5, 6, 255}));
  EXPECT_EQ(pixel(png(1, 1, 8, 2, "", z + "\1\2\3", 1)), (std::vector<int>{1, 2, 3, 255}));  // interlaced
  const std::string gamma = chunk("gAMA", big_endian(100000));  // samples are taken as stored
  EXPECT_EQ(pixel(png(1, 1, 8, 2, gamma, z + "\1\2\3")), (std::vector<int>{1, 2, 3, 255}));
}

TEST(HostilePng, Extents) {
  for (const auto& [w, h] : {std::pair{0U, 1U},
                             {1U, 0U},
                             {16385U, 1U},
                             {1U, 16385U},
                             {0x7FFFFFFFU, 0x7FFFFFFFU},
                             {0xFFFFFFFFU, 1U},
                             {16000U, 16000U},
                             {4000U, 4000U}})
    EXPECT_TRUE(test::refused(read_picture, png(w, h, 8, 6, "", "xx"), "extent")) << w << " x " << h;
}

TEST(HostilePng, BadContents) {
  const std::string row = std::string(1, '\0') + "abcd";
  ASSERT_FALSE(test::refused(read_picture, png(1, 1, 8, 6, "", row), ""));
  EXPECT_TRUE(test::refused(read_picture, png(1, 2, 8, 6, "", row), "a row is missing"));
  EXPECT_TRUE(test::refused(read_picture, png(1, 1, 3, 6, "", row), "depth 3"));
  EXPECT_TRUE(test::refused(read_picture, png(1, 1, 8, 5, "", row), "colour type 5"));
  EXPECT_TRUE(test::refused(read_picture, png(1, 1, 8, 3, "", row), "no palette"));
  EXPECT_TRUE(test::refused(read_picture,
                            png(1, 1, 8, 6, "",
                                "\x09"
                                "abcd"),
                            "filter 9"));
  EXPECT_TRUE(test::refused(read_picture, "GIF89a" + std::string(100, 'x'), "a GIF"));
  std::string bad = png(1, 1, 8, 6, "", row);
  bad[50] ^= 1;
  EXPECT_TRUE(test::refused(read_picture, bad, "checksum of the pixels"));
}

TEST(HostilePng, BombsInTextChunksAreBounded) {
  const std::string bomb = chunk("zTXt", std::string("k\0\0", 3) + deflated(std::string(50'000'000, 'a')));
  const std::string row = std::string(1, '\0') + "abcd";
  test::refused(read_picture, png(1, 1, 8, 6, bomb, row), "one");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += chunk("tEXt", std::string("k\0v", 3));
  test::refused(read_picture, png(1, 1, 8, 6, many, row), "many");
}

}  // namespace
}  // namespace mg
