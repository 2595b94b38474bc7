#include <gtest/gtest.h>

#include <set>

#include "core/perlin.hpp"
#include "tests/support/golden.hpp"

namespace mg {
namespace {

TEST(PerlinGolden, FieldsOfGivenPermutations) {
  for (const auto& path : test::golden_files("common", "perlin")) {
    const test::Golden g = test::load_golden(path);
    for (int k = 0; k < int(g.params().at("sizes").size()); ++k) {
      const std::string name = "g" + std::to_string(k) + ".";
      const auto shape = g.shape(name + "permutation");
      const auto flat = g.values(name + "permutation");
      std::vector<std::vector<int>> permutations;
      for (std::size_t o = 0; o < shape[0]; ++o)
        permutations.emplace_back(flat.begin() + long(o * shape[1]), flat.begin() + long((o + 1) * shape[1]));
      const int side = int(shape[1]);
      MG_EXPECT_CLOSE(perlin(side, side, permutations), g.values(name + "out"), 1e-13);
    }
  }
}

TEST(Perlin, DrawsPermutationsAndRefusesWhatDoesNotFit) {
  const auto p = perlin_permutations(3, 9, 1, 2, 3);
  ASSERT_EQ(p.size(), 3U);
  for (const auto& one : p) EXPECT_EQ(std::set<int>(one.begin(), one.end()).size(), 9U);
  EXPECT_NE(p[0], p[1]);
  EXPECT_NE(p, perlin_permutations(3, 9, 1, 3, 3));
  EXPECT_EQ(perlin(5, 9, p).size(), 45U);
  EXPECT_EQ(perlin_octaves(4, 3, 8), 3);
  EXPECT_EQ(perlin_octaves(64, 64, 4), 4);
  EXPECT_THROW(perlin(4, 4, p), std::invalid_argument);
  EXPECT_THROW(perlin(2, 2, perlin_permutations(3, 2, 1, 2, 3)), std::invalid_argument);
}

}  // namespace
}  // namespace mg
