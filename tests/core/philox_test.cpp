#include "core/philox.hpp"

#include <gtest/gtest.h>

namespace mg {
namespace {

// Known answers of Random123 1.14 (kat_vectors), philox4x32 10 rounds.
TEST(Philox, MatchesPublishedVectors) {
  const auto expect = [](Philox4 counter, std::uint32_t k0, std::uint32_t k1, Philox4 want) {
    const Philox4 got = philox4x32(counter, k0, k1);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(got.v[i], want.v[i]) << "word " << i;
  };
  expect({{0, 0, 0, 0}}, 0, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
  expect({{~0U, ~0U, ~0U, ~0U}}, ~0U, ~0U, {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
  expect({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0,
         {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
}

}  // namespace
}  // namespace mg
