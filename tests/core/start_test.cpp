#include "core/start.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/npy.hpp"
#include "core/times.hpp"
#include "tests/support/config.hpp"
#include "tests/support/temporary.hpp"

namespace mg {
namespace {

Config start(const std::string& text) {
  Schema schema("root", "");
  schema.variant("start", start_variants(), std::nullopt, "");
  return test::configure(schema, "{\"start\": " + text + "}").at("start");
}
std::vector<double> times(const std::string& text) {
  Schema schema("root", "");
  schema.variant("times", times_variants(), std::nullopt, "");
  return read_times(test::configure(schema, "{\"times\": " + text + "}").at("times"));
}
std::string layered(const std::string& layers, const std::string& size = "[12, 16]") {
  return R"({"type": "layers", "size": )" + size + R"(, "layers": [)" + layers + "]}";
}

TEST(Start, NoiseDependsOnSeedSampleChannelAndLayerOnly) {
  const Config one = start(layered(R"({"type": "uniform", "low": 2, "high": 3})"));
  const auto a = make_start_state(one, 2, 7, 0);
  ASSERT_EQ(a.size(), 2u * 12 * 16);
  EXPECT_EQ(a, make_start_state(one, 2, 7, 0));
  EXPECT_NE(a, make_start_state(one, 2, 8, 0));
  EXPECT_NE(a, make_start_state(one, 2, 7, 1));
  EXPECT_FALSE(std::equal(a.begin(), a.begin() + 192, a.begin() + 192));
  const auto more = make_start_state(one, 3, 7, 0);  // further channels change nothing
  EXPECT_TRUE(std::equal(a.begin(), a.end(), more.begin()));
  double sum = 0;
  for (const double v : a) {
    EXPECT_TRUE(v >= 2 && v < 3);
    sum += v / double(a.size());
  }
  EXPECT_NEAR(sum, 2.5, 0.05);
}

TEST(Start, ThresholdedNoiseInTheMiddleWithItsComplement) {
  const auto x =
      make_start_state(start(layered(R"({"type": "uniform", "channels": [1]}, {"type": "smooth", "channels": [1]},
      {"type": "threshold", "channels": [1], "at": 0.5}, {"type": "window", "channels": [1], "fraction": 0.5},
      {"type": "complement", "channel": 0, "of": 1})")),
                       3, 1, 0);
  int ones = 0;
  for (int y = 0; y < 12; ++y)
    for (int column = 0; column < 16; ++column) {
      const double b = x[std::size_t(192 + y * 16 + column)];
      EXPECT_TRUE(b == 0 || b == 1);
      EXPECT_EQ(x[std::size_t(y * 16 + column)], 1 - b);
      EXPECT_EQ(x[std::size_t(384 + y * 16 + column)], 0);
      const bool outside = y < 3 || y >= 9 || column < 4 || column >= 12;
      EXPECT_TRUE(b == 0 || !outside) << y << " " << column;
      ones += b > 0;
    }
  EXPECT_GT(ones, 10);
}

TEST(Start, SmoothingKeepsTheMeanAndShapesAreWhereTheySay) {
  const auto x = make_start_state(
      start(layered(R"({"type": "squares", "side": 4, "value": 2}, {"type": "smooth", "scale": 2, "passes": 3})")), 1,
      0, 0);
  double sum = 0;
  for (const double v : x) sum += v;
  EXPECT_NEAR(sum, 32, 1e-9);
  EXPECT_EQ(std::max_element(x.begin(), x.end()) - x.begin(), 5 * 16 + 7);
  const auto wave = make_start_state(start(layered(R"({"type": "wave", "amplitude": 3, "periods": [0, 2]})")), 1, 0, 0);
  EXPECT_NEAR(wave[5], 3 * std::cos(2 * M_PI * 2 * 5 / 16.0), 1e-12);
  const auto disc = make_start_state(start(layered(R"({"type": "disc", "radius": 2})")), 1, 0, 0);
  EXPECT_EQ(std::count(disc.begin(), disc.end(), 1.0), 12);
}

TEST(Start, ArraysFromFiles) {
  const test::TemporaryDirectory dir;
  std::vector<float> values(2 * 3 * 2 * 4 * 5);
  for (std::size_t k = 0; k < values.size(); ++k) values[k] = float(k);
  const auto write = [&] {
    NpzWriter writer(dir / "a.npz");
    writer.add("states", {2, 3, 2, 4, 5}, values.data());
    writer.finish();
  };
  write();
  const std::string file = (dir / "a.npz").string();
  const Config config = start(R"({"type": "array", "file": ")" + file + "\"}");
  EXPECT_EQ(start_grid(config), (Grid{4, 5}));
  EXPECT_EQ(start_samples(config), 2);
  const auto x = make_start_state(config, 3, 0, 1);
  EXPECT_EQ(x[0], 5 * 40);
  EXPECT_EQ(x[39], 5 * 40 + 39);
  EXPECT_EQ(x[40], 0);
  EXPECT_NE(test::config_error([&] { make_start_state(config, 1, 0, 0); }).find("2 channels"), std::string::npos);
  values[2 * 40 + 27] = std::numeric_limits<float>::quiet_NaN();
  write();
  try {
    make_start_state(config, 2, 0, 0);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("frame 2, channel 1, row 1, column 2"), std::string::npos) << error.what();
  }
}

TEST(Start, ObstaclesAreDiscsAndRectangles) {
  const auto solid = make_obstacles(start(R"({"type": "layers", "size": [6, 8], "obstacles": [
      {"shape": "rectangle", "centre": [0.5, 0.25], "sides": [2, 4]}, {"centre": [0, 1], "radius": 1}]})"));
  ASSERT_EQ(solid.size(), 48u);
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < 8; ++j) {
      const bool inside = ((i == 2 || i == 3) && j < 4) || (i == 0 && j == 7);
      EXPECT_EQ(solid[std::size_t(i * 8 + j)], inside ? 1 : 0) << i << " " << j;
    }
  EXPECT_TRUE(make_obstacles(start(layered(""))).empty());
}

TEST(Start, MistakesNameTheirPlace) {
  EXPECT_NE(test::config_error([] {
              make_start_state(start(layered(R"({"type": "constant", "channels": [2], "value": 1})")), 2, 0, 0);
            }).find("/start/layers/0/channels: channel 2, but the model has 2 (0..1)"),
            std::string::npos);
  EXPECT_NE(test::config_error([] {
              make_start_state(start(layered(R"({"type": "squares", "side": 13, "value": 1})")), 1, 0, 0);
            }).find("larger"),
            std::string::npos);
}

TEST(Times, LinspaceEveryAndList) {
  EXPECT_EQ(times(R"({"type": "linspace", "to": 10, "count": 5})"), (std::vector<double>{0, 2.5, 5, 7.5, 10}));
  EXPECT_EQ(times(R"({"type": "every", "from": 1, "to": 2, "step": 0.4})"), (std::vector<double>{1, 1.4, 1.8, 2}));
  EXPECT_EQ(times(R"({"type": "every", "to": 0.3, "step": 0.1})").size(), 4u);
  EXPECT_EQ(times(R"({"type": "list", "values": [0, 1, 4]})"), (std::vector<double>{0, 1, 4}));
  EXPECT_NE(test::config_error([] { times(R"({"type": "list", "values": [0, 2, 2]})"); }).find("must increase"),
            std::string::npos);
  EXPECT_NE(test::config_error([] { times(R"({"type": "linspace", "from": 3, "to": 3})"); }), "");
}

}  // namespace
}  // namespace mg
