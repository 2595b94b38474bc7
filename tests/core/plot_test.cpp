#include "core/plot.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/png.hpp"

namespace mg {
namespace {

int count(const Image& image, Rgb colour) {
  int n = 0;
  for (int y = 0; y < image.h; ++y)
    for (int x = 0; x < image.w; ++x) n += std::equal(colour.begin(), colour.end(), image.at(y, x));
  return n;
}

/// Written where MG_TEST_PICTURES says, for people to look at.
void keep(const std::string& name, const Image& image) {
  if (const char* folder = std::getenv("MG_TEST_PICTURES")) write_png(std::string(folder) + "/" + name + ".png", image);
}

Series decay(std::string name, double rate) {
  Series s{std::move(name), {}, {}};
  for (int i = 0; i < 2000; ++i) {
    s.x.push_back(i);
    s.y.push_back(0.1 * std::exp(-rate * i) * (1 + 0.3 * std::sin(i * 1.7)) + 1e-4);
  }
  return s;
}

TEST(Plot, DrawsEveryCurve) {
  const Image image = plot_lines({decay("train", 0.004), decay("test", 0.002)}, {"loss", "step", true, 720, 420});
  keep("curve", image);
  EXPECT_GT(count(image, {31, 90, 180}), 500);
  EXPECT_GT(count(image, {214, 80, 30}), 500);
  EXPECT_EQ(plot_lines({decay("train", 0.004)}), plot_lines({decay("train", 0.004)}));
}

TEST(Plot, FallsWhereTheLossFalls) {
  const Image image = plot_lines({{"", {0, 100}, {1, 1e-3}}});
  const auto row = [&](int x) {
    for (int y = 0; y < image.h; ++y)
      if (image.at(y, x)[2] == 180 && image.at(y, x)[0] == 31) return y;
    return -1;
  };
  EXPECT_GT(row(100), 0);
  EXPECT_GT(row(600), row(100) + 200);
}

TEST(Plot, SurvivesOddData) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  plot_lines({});
  plot_lines({{"empty", {}, {}}});
  plot_lines({{"one", {5}, {0.3}}});
  plot_lines({{"gap", {0, 1, 2, 3, 4}, {1, nan, inf, -1, 0}}});
  plot_lines({{"flat", {0, 1}, {0, 0}}}, {"", "", false, 200, 150});
  plot_lines({{"huge", {0, 1e300}, {1e-300, 1e300}}});
  plot_lines({{"narrow", {0, 1}, {1, 1.0000001}}});
  keep("narrow", plot_lines({{"narrow", {0, 1}, {0.21, 0.26}}}));
  EXPECT_THROW(plot_lines({{"bad", {0, 1}, {1}}}), std::invalid_argument);
  EXPECT_THROW(plot_lines({}, {"", "", true, 10, 10}), std::invalid_argument);
}

TEST(Plot, Text) {
  Image image(9, text_width("17"), 3, 255);
  draw_text(image, 1, 0, "17", {0, 0, 0});
  EXPECT_EQ(count(image, {0, 0, 0}), 10 + 11);
  draw_text(image, -3, 8, "%", {0, 0, 0});  // cut off at the edges
}

TEST(Plot, ColourMaps) {
  EXPECT_EQ(diverging_colour(0), (Rgb{255, 255, 255}));
  EXPECT_EQ(diverging_colour(-9), diverging_colour(-1));
  EXPECT_EQ(sequential_colour(2), sequential_colour(1));
  EXPECT_EQ(sequential_colour(std::nan("")), (Rgb{128, 128, 128}));
  int last = -1;
  for (int i = 0; i <= 20; ++i) {
    const Rgb c = sequential_colour(i / 20.0);
    const int luminance = 2126 * c[0] + 7152 * c[1] + 722 * c[2];
    EXPECT_GT(luminance, last);
    last = luminance;
  }
}

Planes disc(int channels, double radius) {
  Planes p(channels, 20, 20);
  for (int y = 0; y < 20; ++y)
    for (int x = 0; x < 20; ++x) {
      const float in = (y - 10) * (y - 10) + (x - 10) * (x - 10) < radius * radius ? 1.F : 0.F;
      p.plane(0)[20 * y + x] = 0.9F * in;
      for (int k = 3; k < channels; ++k) p.plane(k)[20 * y + x] = in * (k % 2 ? 1.F : -0.5F);
    }
  return p;
}

TEST(Plot, States) {
  const Image empty = state_picture(Planes(16, 4, 5), 4, false);
  EXPECT_EQ(empty, Image(4, 5, 3, 255));
  const Image full = state_picture(disc(16, 5), 4, true);
  EXPECT_EQ(full.at(10, 10)[0], 229);
  EXPECT_EQ(full.at(10, 10)[1], 0);
  const Image strip = growth_strip({disc(16, 1), disc(16, 4), disc(16, 8)}, {0, 32, 64}, 4, true, 4);
  keep("strip", strip);
  EXPECT_EQ(strip.w, 3 * 83 + 3);
  EXPECT_EQ(growth_strip({disc(16, 1)}, {}, 3, false, 1).h, 26);
  keep("channels", channel_tiles(disc(16, 6), 4, 3));
  EXPECT_EQ(channel_tiles(disc(5, 6), 4, 1).at(13, 13)[0], 33);
  EXPECT_THROW(state_picture(Planes(2, 3, 3), 3, false), std::invalid_argument);
  EXPECT_THROW(channel_tiles(Planes(2, 3, 3), 2, 1), std::invalid_argument);
}

}  // namespace
}  // namespace mg
