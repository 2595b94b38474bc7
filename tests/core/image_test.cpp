#include "core/image.hpp"

#include <gif_lib.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "core/error.hpp"
#include "core/gif.hpp"
#include "core/png.hpp"
#include "tests/support/environment.hpp"
#include "tests/support/golden.hpp"

namespace mg {
namespace {

Image gradient(int h, int w, int c) {
  Image image(h, w, c);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x)
      for (int k = 0; k < c; ++k) image.at(y, x)[k] = std::uint8_t(7 * y + 3 * x + 50 * k);
  return image;
}

TEST(Image, SubsampleCropEnlarge) {
  const Image image = gradient(5, 7, 3);
  const Image sub = subsample(image, 3);
  EXPECT_EQ(sub.h, 2);
  EXPECT_EQ(sub.w, 3);
  EXPECT_EQ(std::memcmp(sub.at(1, 2), image.at(3, 6), 3), 0);
  EXPECT_EQ(subsample(enlarge(image, 4), 4), image);
  EXPECT_EQ(*crop(image, 2, 3, 2, 2).at(1, 1), *image.at(3, 4));
  EXPECT_THROW(crop(image, 4, 0, 2, 1), std::invalid_argument);
  EXPECT_THROW(subsample(image, 0), std::invalid_argument);
  EXPECT_THROW(enlarge(image, 1 << 30), std::invalid_argument);
  EXPECT_THROW(Image(-1, 2, 3), std::invalid_argument);
}

TEST(Image, ShrinkAveragesTheCoveredArea) {
  Image image(1, 3, 1);
  image.pixels = {30, 60, 240};
  const Image half = shrink(image, 1, 2);  // (30 + 60/2) / 1.5, (60/2 + 240) / 1.5
  EXPECT_EQ(half.pixels, (std::vector<std::uint8_t>{40, 180}));
  const Image flat(128, 128, 4, 200);
  EXPECT_EQ(thumbnail(flat, 40), Image(40, 40, 4, 200));
  EXPECT_EQ(thumbnail(flat, 200), flat);
  Image edge(1, 2, 4);  // opaque red beside transparent green: still red
  edge.pixels = {200, 0, 0, 255, 0, 255, 0, 0};
  EXPECT_EQ(shrink(edge, 1, 1).pixels, (std::vector<std::uint8_t>{200, 0, 0, 128}));
}

TEST(Image, PlanesRoundTripAndPremultiply) {
  const Image image = gradient(4, 3, 4);
  EXPECT_EQ(to_image(to_planes(image)), image);
  Planes planes = to_planes(image);
  premultiply(planes);
  EXPECT_FLOAT_EQ(planes.at(1, 2, 1), float(image.at(2, 1)[1]) / 255 * float(image.at(2, 1)[3]) / 255);
  const Planes padded = pad(planes, 2);
  EXPECT_EQ(padded.h, 8);
  EXPECT_EQ(padded.at(1, 4, 3), planes.at(1, 2, 1));
  EXPECT_EQ(padded.at(1, 1, 3), 0.F);
  planes.values[0] = std::nanf("");
  planes.values[1] = 7;
  EXPECT_EQ(to_image(planes).at(0, 0)[0], 0);
  EXPECT_EQ(to_image(planes).at(0, 1)[0], 255);
}

TEST(Image, TilesOverWhite) {
  Image rgba(2, 2, 4, 0);
  EXPECT_EQ(over_white(rgba), Image(2, 2, 3, 255));
  rgba.pixels[3] = 255;
  EXPECT_EQ(over_white(rgba).at(0, 0)[0], 0);
  const Image sheet = tile({Image(2, 2, 3), Image(2, 2, 3), Image(1, 1, 3)}, 2, 1);
  EXPECT_EQ(sheet.h, 7);
  EXPECT_EQ(sheet.w, 7);
  EXPECT_EQ(*sheet.at(1, 1), 0);
  EXPECT_EQ(*sheet.at(3, 3), 255);
  EXPECT_EQ(*sheet.at(4, 1), 0);
}

TEST(Png, RoundTripIsExactAndDeterministic) {
  for (const int c : {1, 3, 4}) {
    const Image image = gradient(9, 13, c);
    const std::string bytes = png_bytes(image);
    EXPECT_EQ(bytes, png_bytes(image));
    const Image back = decode_png(bytes, "memory");
    ASSERT_EQ(back.c, 4);
    for (int y = 0; y < image.h; ++y)
      for (int x = 0; x < image.w; ++x)
        for (int k = 0; k < 4; ++k) {
          const int want = k == 3 && c < 4 ? 255 : image.at(y, x)[c == 1 ? 0 : k];
          ASSERT_EQ(int(back.at(y, x)[k]), want);
        }
  }
}

/// Reads back with the library's decoder: colours of frame `n`.
std::vector<Image> decode_gif(const std::string& bytes) {
  std::string_view rest = bytes;
  const auto read = [](GifFileType* gif, GifByteType* to, int n) {
    auto& in = *static_cast<std::string_view*>(gif->UserData);
    const auto count = std::min(in.size(), std::size_t(n));
    std::memcpy(to, in.data(), count);
    in.remove_prefix(count);
    return int(count);
  };
  GifFileType* gif = DGifOpen(&rest, read, nullptr);
  std::vector<Image> frames;
  if (gif == nullptr || DGifSlurp(gif) != GIF_OK) return frames;
  for (int n = 0; n < gif->ImageCount; ++n) {
    Image frame(gif->SHeight, gif->SWidth, 3);
    for (std::size_t i = 0; i < frame.pixels.size() / 3; ++i) {
      const auto& colour = gif->SColorMap->Colors[gif->SavedImages[n].RasterBits[i]];
      frame.pixels[3 * i] = colour.Red, frame.pixels[3 * i + 1] = colour.Green, frame.pixels[3 * i + 2] = colour.Blue;
    }
    frames.push_back(frame);
  }
  DGifCloseFile(gif, nullptr);
  return frames;
}

TEST(Gif, FewColoursAreExact) {
  const std::vector<Image> frames{gradient(5, 6, 3), Image(5, 6, 3, 9)};
  const std::string bytes = gif_bytes(frames);
  EXPECT_EQ(bytes, gif_bytes(frames));
  EXPECT_EQ(decode_gif(bytes), frames);
}

TEST(Gif, ManyColoursAreNear) {
  Image image(64, 64, 3);
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 64; ++x)
      image.at(y, x)[0] = std::uint8_t(4 * y), image.at(y, x)[1] = std::uint8_t(4 * x), image.at(y, x)[2] = 100;
  const auto frames = decode_gif(gif_bytes({image, image}));
  ASSERT_EQ(frames.size(), 2U);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    ASSERT_NEAR(int(frames[1].pixels[i]), int(image.pixels[i]), 16) << i;
  EXPECT_THROW(gif_bytes({}), std::invalid_argument);
  EXPECT_THROW(gif_bytes({image, gradient(5, 6, 3)}), std::invalid_argument);
}

// The reference's loader: [::d, ::d] / 255. Its pictures belong to other people, so frames whose file is not there are
// left out of the comparison.
TEST(ImageOracle, StridedLoaderMatchesTheReference) {
  const auto oracles = test::oracle_dir();
  if (!oracles || !std::filesystem::exists(test::golden_dir() / "common" / "emoji.safetensors"))
    GTEST_SKIP() << "no oracles or no golden emoji case";
  int compared = 0;
  for (const auto& path : test::golden_files("common", "emoji")) {
    const auto golden = test::load_golden(path);
    const auto& params = golden.params();
    const auto sums = golden.values("sum_per_channel");
    std::vector<double> shape = golden.values("shape");
    for (std::size_t t = 0; t < params.at("files").size(); ++t) {
      const auto file = *oracles / params.at("files")[t].get<std::string>();
      if (!std::filesystem::exists(file)) continue;
      const Planes planes = to_planes(subsample(read_png(file), params.at("downsample").get<int>()));
      EXPECT_EQ((std::vector<double>{1, shape[1], double(planes.c), double(planes.h), double(planes.w)}), shape);
      for (int k = 0; k < planes.c; ++k) {
        double sum = 0;
        for (int p = 0; p < planes.h * planes.w; ++p) sum += planes.plane(k)[p];
        EXPECT_NEAR(sum, sums.at(t * std::size_t(planes.c) + std::size_t(k)), 1e-5 * sum);
      }
      if (t == 0) {
        std::vector<double> patch;
        for (int k = 0; k < 4; ++k)
          for (int y = 8; y < 16; ++y)
            for (int x = 8; x < 16; ++x) patch.push_back(planes.at(k, y, x));
        MG_EXPECT_CLOSE(patch, golden.values("patch"), 1e-7);
      }
      ++compared;
    }
  }
  if (compared == 0) GTEST_SKIP() << "none of the pictures is there";
}

}  // namespace
}  // namespace mg
