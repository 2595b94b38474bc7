#include "train/data.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/png.hpp"
#include "core/validate.hpp"
#include "tests/support/environment.hpp"
#include "tests/support/golden.hpp"

namespace mg::train {
namespace {
namespace fs = std::filesystem;

Config configured(const fs::path& folder, const std::string& text) {
  Schema schema("root", "");
  schema.variant("data", data_variants(), std::nullopt, "");
  return validate_config(schema, parse_config("{\"data\": " + text + "}", "test.json", folder)).at("data");
}

class Data : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("mg-data-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    picture("a.png", 8, 6, 100);
    picture("b.png", 8, 6, 200);
    picture("small.png", 5, 4, 50);
  }
  void TearDown() override { fs::remove_all(folder_); }
  void picture(const std::string& name, int h, int w, int value) const {
    Image image(h, w, 4, std::uint8_t(value));
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x) image.at(y, x)[0] = std::uint8_t(10 * y + x);
    write_png(folder_ / name, image);
  }
  std::vector<Trajectory> load(const std::string& text) const { return load_data(configured(folder_, text)); }
  template <class E>
  void expect_error(const std::string& text, const std::string& words) const {
    try {
      load(text);
      FAIL() << text;
    } catch (const E& e) {
      EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
    }
  }
  fs::path folder_;
};

TEST_F(Data, SequenceWithSeedPadAndRepeats) {
  const auto data = load(R"({"type": "images", "trajectories": [{"frames": [{"file": "a.png"}, {"file": "b.png"}]},
    {"frames": [{"file": "small.png"}]}], "seed": {"type": "square", "size": 3}, "pad": 2, "repeat_last": 1, "copies": 2})");
  ASSERT_EQ(data.size(), 4u);
  const Trajectory& t = data[1];
  EXPECT_EQ(t.grid, (Grid{12, 10}));
  ASSERT_EQ(t.frames.size(), 4u);
  EXPECT_EQ(t.frames[2], t.frames[3]);
  EXPECT_EQ(data[2].grid, (Grid{9, 8}));
  int inside = 0;
  for (int y = 0; y < 12; ++y)
    for (int x = 0; x < 10; ++x) {
      const std::size_t at = std::size_t(120 + y * 10 + x);  // channel 1
      // rows 8/2-2 .. 8/2, columns 6/2-2 .. 6/2 of the unpadded picture
      const bool in = y >= 4 && y <= 6 && x >= 3 && x <= 5;
      EXPECT_FLOAT_EQ(t.frames[0][at], in ? 100.0F / 255.0F : 0.0F);
      inside += in;
    }
  EXPECT_EQ(inside, 9);
}

TEST_F(Data, CellSeedPremultiplyAndThumbnail) {
  const auto data = load(R"({"type": "images", "trajectories": [{"frames": [{"file": "a.png"}]}], "seed": "cell",
    "premultiply": true, "downsample": 2, "channels": 4})");
  const Trajectory& t = data.at(0);
  EXPECT_TRUE(t.seed_cell);
  EXPECT_EQ(t.grid, (Grid{4, 3}));
  for (std::size_t i = 0; i < 48; ++i) EXPECT_EQ(t.frames[0][i], i == 36 + 2 * 3 + 1 ? 1.0F : 0.0F);
  EXPECT_FLOAT_EQ(t.frames[1][0 + 3], 20.0F / 255 * (100.0F / 255));  // row 2 of the file, times alpha
}

TEST_F(Data, StripesAndMaskFiles) {
  const auto stripes = load(R"({"type": "images", "trajectories": [{"frames": [{"file": "a.png"}]}], "pad": 1,
    "boundary": {"type": "stripes", "planes": 2}})");
  ASSERT_EQ(stripes[0].boundary.size(), 2u * 10 * 8);
  EXPECT_EQ(stripes[0].boundary[0], 1);
  EXPECT_EQ(stripes[0].boundary[8], 0);
  EXPECT_EQ(stripes[0].boundary[80], 1);
  EXPECT_EQ(stripes[0].boundary[81], 0);
  const auto files = load(R"({"type": "images", "trajectories": [{"frames": [{"file": "a.png"}]}],
    "boundary": {"type": "images", "files": [["b.png"]]}})");
  EXPECT_FLOAT_EQ(files[0].boundary[7], 11.0F / 255);
}

TEST_F(Data, ErrorsNameFileAndRemedy) {
  const std::string a = R"({"type": "images", "trajectories": [{"frames": [{"file": "a.png"}]}])";
  expect_error<DataError>(
      R"({"type": "images", "trajectories": [{"frames": [{"file": "a.png"}, {"file": "small.png"}]}]})",
      "small.png: 5 x 4 pixels, but ");
  expect_error<DataError>(a + R"(, "seed": {"type": "square", "size": 7}})", "too small for a seed of 7");
  expect_error<ConfigError>(a + R"(, "pad": 16384, "repeat_last": 10000, "copies": 100})", "lower pad");
  expect_error<DataError>(a + R"(, "boundary": {"type": "images", "files": [["small.png"]]}})", "a mask of 5 x 4");
  expect_error<ConfigError>(a + R"(, "boundary": {"type": "images", "files": [["a.png"], ["a.png"]]}})",
                            "2 masks for 1");
  expect_error<ConfigError>(R"({"type": "images", "trajectories": [{"frames": [{}]}]})",
                            "either \"file\" or \"emoji\"");
  expect_error<Error>(R"({"type": "images", "trajectories": [{"frames": [{"file": "none.png"}]}]})", "none.png");
  expect_error<DataError>(R"({"type": "images", "trajectories": [{"frames": [{"emoji": "U+"}]}]})", "U+");
}

TEST(DataGolden, EmojiSequence) {
  const auto oracles = test::oracle_dir();
  if (!oracles) GTEST_SKIP() << "no oracle files";
  for (const auto& path : test::golden_files("common", "emoji")) {
    const auto g = test::load_golden(path);
    const auto files = g.params().at("files").get<std::vector<std::string>>();
    const int d = g.params().at("downsample");
    int seen = 0;
    for (std::size_t t = 0; t < files.size(); ++t) {
      if (!fs::exists(*oracles / files[t])) continue;  // not all pictures are there
      ++seen;
      const auto data =
          load_data(configured(*oracles, R"({"type": "images", "crop_square": )" + g.params().at("crop_square").dump() +
                                             ", \"downsample\": " + std::to_string(d) +
                                             R"(, "trajectories": [{"frames": [{"file": ")" + files[t] + "\"}]}]}"));
      const auto shape = g.values("shape"), sums = g.values("sum_per_channel");
      EXPECT_EQ(data[0].grid, (Grid{int(shape[3]), int(shape[4])}));
      const std::size_t plane = std::size_t(shape[3] * shape[4]);
      for (std::size_t c = 0; c < 4; ++c) {
        double sum = 0;
        for (std::size_t i = 0; i < plane; ++i) sum += double(data[0].frames[0][c * plane + i]);
        EXPECT_NEAR(sum, sums[t * 4 + c], 1e-4);
      }
    }
    EXPECT_GT(seen, 0);
  }
}

}  // namespace
}  // namespace mg::train
