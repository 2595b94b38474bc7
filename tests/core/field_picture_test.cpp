#include "core/field_picture.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

namespace mg {
namespace {

Planes ramp(int c, int h, int w) {
  Planes p(c, h, w);
  for (std::size_t k = 0; k < p.values.size(); ++k) p.values[k] = float(k);
  return p;
}

TEST(FieldPicture, MapsAreWhatTheyAreCalled) {
  EXPECT_EQ(map_colour(ColourMap::viridis, 0), (Rgb{68, 1, 84}));
  EXPECT_EQ(map_colour(ColourMap::viridis, 2), (Rgb{253, 231, 37}));
  const Rgb dark = map_colour(ColourMap::magma, 0), middle = map_colour(ColourMap::magma, 0.5);
  EXPECT_LE(int(dark[0]) + dark[1] + dark[2], 12);
  // magma(0.5) of matplotlib is (183, 55, 121)
  EXPECT_NEAR(middle[0], 183, 4);
  EXPECT_NEAR(middle[1], 55, 4);
  EXPECT_NEAR(middle[2], 121, 4);
  EXPECT_EQ(map_colour(ColourMap::diverging, 0.5), (Rgb{255, 255, 255}));
  EXPECT_EQ(map_colour(ColourMap::grey, 1), (Rgb{255, 255, 255}));
  EXPECT_EQ(map_colour(ColourMap::magma, std::nan("")), (Rgb{128, 128, 128}));
  for (int k = 1; k <= 20; ++k) {  // lightness rises all the way
    const auto light = [](Rgb c) { return 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2]; };
    for (const auto map : {ColourMap::viridis, ColourMap::magma, ColourMap::grey})
      EXPECT_GT(light(map_colour(map, k / 20.0)), light(map_colour(map, (k - 1) / 20.0)));
  }
}

TEST(FieldPicture, RangesLeaveOutWhatIsNotFinite) {
  Planes p = ramp(2, 2, 3);
  p.values[1] = std::numeric_limits<float>::quiet_NaN();
  p.values[5] = std::numeric_limits<float>::infinity();
  const auto range = value_range({p}, 0);
  EXPECT_EQ(range.low, 0);
  EXPECT_EQ(range.high, 4);
  EXPECT_EQ(value_range({p}, 1, ColourMap::diverging).low, -11);
  const auto flat = value_range({Planes(1, 2, 2)}, 0);
  EXPECT_LT(flat.low, flat.high);
}

TEST(FieldPicture, TablesHaveARowForEachChannelAndAColumnForEachState) {
  FieldStyle style;
  style.zoom = 4;
  style.notes = {"t = 0", "t = 1"};
  const Image one = field_table({ramp(2, 8, 10), ramp(2, 8, 10)}, {0}, style);
  const Image two = field_table({ramp(2, 8, 10), ramp(2, 8, 10)}, {0, 1}, style);
  EXPECT_EQ(one.w, two.w);
  EXPECT_EQ(two.h - one.h, 8 * 4 + 11);
  EXPECT_GE(one.w, 2 * 40);
  EXPECT_THROW(field_table({ramp(1, 2, 2)}, {1}, style), std::invalid_argument);
  EXPECT_THROW(field_table({}, {0}, style), std::invalid_argument);
  const Image way = kymograph({{0, 1, 2}, {1, 2, 3}}, "a", "b", {0, 3}, ColourMap::grey, 2);
  EXPECT_EQ(way.c, 3);
  EXPECT_THROW(kymograph({{0, 1}, {1}}, "a", "b", {0, 3}, ColourMap::grey, 2), std::invalid_argument);
}

TEST(FieldPicture, ReductionAveragesBlocks) {
  const Planes p = reduced(ramp(1, 4, 6), 3);
  EXPECT_EQ(p.h, 2);
  EXPECT_EQ(p.w, 3);
  EXPECT_EQ(p.values.front(), (0 + 1 + 6 + 7) / 4.0F);
  EXPECT_EQ(reduced(ramp(1, 1, 8), 4).h, 1);
  EXPECT_EQ(reduced(ramp(1, 3, 3), 4).values, ramp(1, 3, 3).values);
}

}  // namespace
}  // namespace mg
