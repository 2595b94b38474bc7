#include "core/safetensors.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/golden.hpp"

namespace mg {
namespace {

TensorFile sample() {
  TensorFile file;
  const float f[] = {1, -2, 0.5F, 3, 4, 5};
  const double d[] = {0.1};
  const std::uint8_t u[] = {7, 8, 9};
  file.add("u", {3}, u);
  file.add("f", {2, 3}, f);
  file.add("d", {}, d);
  file.add("none", {0, 4}, f);
  file.metadata["case"] = "{\"quoted\": \"\\u00e4\"}";
  return file;
}

TEST(Safetensors, RoundTripIsExactAndAligned) {
  const std::string bytes = safetensors_bytes(sample());
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  EXPECT_EQ((8 + header) % 64, 0U);
  const TensorFile back = parse_safetensors(bytes, "memory");
  EXPECT_EQ(back.metadata, sample().metadata);
  EXPECT_EQ(back.at("f").shape, (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(back.at("f").as_double(), (std::vector<double>{1, -2, 0.5, 3, 4, 5}));
  EXPECT_EQ(back.at("d").as_double(), (std::vector<double>{0.1}));
  EXPECT_EQ(back.at("u").as_double(), (std::vector<double>{7, 8, 9}));
  EXPECT_EQ(back.at("none").size(), 0U);
  EXPECT_EQ(safetensors_bytes(back), bytes);
  EXPECT_THROW(back.at("g"), DataError);
}

TEST(Safetensors, WidensHalfPrecision) {
  Tensor half{"F16", {4}, {}};
  for (const int h : {0x3c00, 0xc000, 0x0001, 0x7bff})
    half.bytes.insert(half.bytes.end(), {std::byte(h & 255), std::byte(h >> 8)});
  EXPECT_EQ(half.as_double(), (std::vector<double>{1, -2, 0x1p-24, 65504}));
  half.dtype = "BF16";
  EXPECT_EQ(half.as_double()[1], -2.0);
}

TEST(Safetensors, MissingFileIsAnIoError) { EXPECT_THROW(read_safetensors("/nonexistent/x"), IoError); }

TEST(SafetensorsGolden, EveryFileIsReadable) {
  for (const char* area : {"common", "nca"})
    for (const auto& path : test::golden_files(area, "")) {
      const auto golden = test::load_golden(path);
      EXPECT_TRUE(golden.what.contains("params")) << path;
      EXPECT_FALSE(golden.file.tensors.empty()) << path;
    }
}

}  // namespace
}  // namespace mg
