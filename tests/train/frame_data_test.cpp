#include "train/frame_data.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/npy.hpp"
#include "core/png.hpp"
#include "core/validate.hpp"
#include "tests/support/temporary.hpp"
#include "train/data.hpp"

namespace mg::train {
namespace {

class FrameData : public ::testing::Test {
 protected:
  FrameData() {
    for (std::size_t k = 0; k < values_.size(); ++k) values_[k] = float(k % 60) + (k >= 240 ? 100 : 0);
  }
  /// (B, T, C, h, w) = (2, 4, 3, 4, 5) at the given times.
  void write(const std::vector<double>& times = {0, 1, 3, 7}) {
    NpzWriter writer(dir_ / "a.npz");
    writer.add("states", {2, 4, 3, 4, 5}, values_.data());
    writer.add("times", {times.size()}, times.data());
    writer.finish();
  }
  std::vector<Trajectory> load(const std::string& keys, const std::string& type = "array") const {
    Schema schema("root", "");
    schema.variant("data", data_variants(), std::nullopt, "");
    const std::string file = type == "array" ? R"(, "file": "a.npz")" : "";
    return load_data(validate_config(schema, parse_config(R"({"data": {"type": ")" + type + '"' + file + keys + "}}",
                                                          "test.json", dir_.path()))
                         .at("data"));
  }
  template <class E>
  void expect_error(const std::string& keys, const std::string& words, const std::string& type = "array") const {
    try {
      load(keys, type);
      ADD_FAILURE() << keys;
    } catch (const E& e) {
      EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
    }
  }
  test::TemporaryDirectory dir_;
  std::vector<float> values_ = std::vector<float>(2 * 4 * 3 * 4 * 5);
};

TEST_F(FrameData, ArraysChannelsStrideRescaleAndZeros) {
  write();
  const auto plain = load("");
  ASSERT_EQ(plain.size(), 2u);
  EXPECT_EQ(plain[0].channels, 3);
  EXPECT_EQ(plain[0].times, (std::vector<double>{0, 1, 3, 7}));
  EXPECT_EQ(plain[1].frames[0][59], 159);
  const auto some = load(R"(, "channels": [2, 0], "stride": 2, "append_zeros": 1, "copies": 2)");
  ASSERT_EQ(some.size(), 4u);
  EXPECT_EQ(some[0].times, (std::vector<double>{0, 3}));
  EXPECT_EQ(some[0].channels, 3);
  EXPECT_EQ(some[0].frames[1][0], 40);
  EXPECT_EQ(some[0].frames[1][20], 0);
  EXPECT_EQ(some[0].frames[1][59], 0);
  EXPECT_EQ(some[3].frames[0][0], 140);
  const auto unit = load(R"(, "rescale": {"type": "minmax", "low": -1, "high": 1})");
  EXPECT_EQ(unit[0].frames[0][20], -1);  // each channel on its own, over all trajectories
  EXPECT_EQ(unit[1].frames[0][39], 1);
  const auto all = load(R"(, "rescale": {"type": "minmax", "per": "all"})");
  EXPECT_FLOAT_EQ(all[0].frames[0][20], 20 / 159.0F);
  EXPECT_FLOAT_EQ(load(R"(, "rescale": {"type": "affine", "scale": 2, "shift": -1})")[0].frames[0][3], 5);
}

TEST_F(FrameData, MistakesAreNamed) {
  write({0, 1, 1, 2});
  expect_error<DataError>("", "times must increase, but time 2 is");
  EXPECT_EQ(load(R"(, "times": {"type": "linspace", "to": 3, "count": 4})")[0].times,
            (std::vector<double>{0, 1, 2, 3}));
  expect_error<DataError>(R"(, "times": {"type": "linspace", "to": 3, "count": 3})", "3 times for 4 frames");
  write({0, 1});
  expect_error<DataError>("", "2 times for 4 frames");
  write();
  expect_error<ConfigError>(R"(, "channels": [3])", "channel 3, but");
  expect_error<ConfigError>(R"(, "stride": 4)", "at least two");
  expect_error<DataError>(R"(, "key": "x")", "no array \"x\"");
  values_[60 + 20 + 7] = NAN;
  write();
  expect_error<DataError>("", "frame 1, channel 1, row 1, column 2");
  EXPECT_EQ(load(R"(, "channels": [0])").size(), 2u);
}

TEST_F(FrameData, StacksOfPicturesInNaturalOrder) {
  std::filesystem::create_directories(dir_ / "run");
  for (const int k : {2, 10, 1})
    write_png(dir_ / ("run/frame" + std::to_string(k) + ".png"), Image(3, 4, 1, std::uint8_t(20 * k)));
  const auto data = load(R"(, "folders": ["run"], "times": {"type": "list", "values": [0, 1, 5]})", "stack");
  ASSERT_EQ(data.size(), 1u);
  EXPECT_EQ(data[0].channels, 1);
  EXPECT_FLOAT_EQ(data[0].frames[0][0], 20 / 255.0F);
  EXPECT_FLOAT_EQ(data[0].frames[2][11], 200 / 255.0F);
  EXPECT_EQ(load(R"(, "files": ["run/frame10.png", "run/frame1.png"], "colours": "rgb")", "stack")[0].channels, 3);
  expect_error<ConfigError>("", "either", "stack");
  write_png(dir_ / "run/frame11.png", Image(3, 5, 1));
  expect_error<DataError>(R"(, "folders": ["run"])", "3 x 5 pixels", "stack");
}

}  // namespace
}  // namespace mg::train
