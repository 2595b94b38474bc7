#include "train/texture_augmenter.hpp"

#include <gtest/gtest.h>

#include "tests/train/decay_system.hpp"

namespace mg::train {
namespace {

using Vec = std::vector<double>;

struct Textures {
  test::DecaySystem<double> system{3};
  AugmenterInputs<double> inputs;
  TextureOptions options;
  Textures() {
    Trajectory d;
    d.name = "picture", d.channels = 2, d.grid = {4, 5};
    d.frames.assign(2, std::vector<float>(40, 0.5F));
    inputs.system = &system;
    inputs.seed = 7;
    inputs.data = {d};
    options.batch = 4, options.pool_factor = 2, options.saves = 3, options.time = 6;
  }
};

/// An iteration whose rollout adds 1.
void iterate(TextureAugmenter<double>& a, int from, int to) {
  for (int i = from; i < to; ++i) {
    a.begin({}, i);
    Vec finals = a.groups().front().start.to_vector();
    for (double& v : finals) v += 1;
    a.finish({}, i, {{finals.data(), &a.groups().front().state_layout, 4}}, {}, true);
  }
}

TEST(Textures, AQuarterOfThePoolHoldsThePicture) {
  Textures t;
  TextureAugmenter<double> a(t.options, t.inputs);
  const Vec pool = a.pool().to_vector();
  ASSERT_EQ(pool.size(), 8U * 60U);
  double seeded = 0, other = 0;
  for (int i = 0; i < 40; ++i) seeded += std::abs(pool[std::size_t(i)] - 0.4) <= 0.2 + 1e-12;
  for (int i = 0; i < 40; ++i) other += std::abs(pool[std::size_t(3 * 60 + i)] - 0.4) <= 0.2 + 1e-12;
  EXPECT_EQ(seeded, 40);
  EXPECT_LT(other, 40);
  const auto& group = a.groups().front();
  EXPECT_EQ(group.save_times, (std::vector<double>{2, 4, 6}));
  EXPECT_EQ(group.target.to_vector(), Vec(3 * 4 * 40, 0.5));
}

TEST(Textures, EndsComeBackAndHalfOfTheBatchIsFresh) {
  Textures t;
  TextureAugmenter<double> a(t.options, t.inputs);
  iterate(a, 0, 1);
  const Vec pool = a.pool().to_vector(), start = a.groups().front().start.to_vector();
  const auto last = a.drawn_slots(0, 3);
  for (std::size_t i = 0; i < 60; ++i)  // the last sample writes last
    EXPECT_EQ(pool[std::size_t(last.stored) * 60 + i], start[3 * 60 + i] + 1);
  a.begin({}, 1);
  const Vec next = a.groups().front().start.to_vector();
  for (std::size_t n = 0; n < 2; ++n) {
    const auto from = std::size_t(a.drawn_slots(1, int(n)).drawn) * 60;
    EXPECT_TRUE(std::equal(pool.begin() + long(from), pool.begin() + long(from + 60), next.begin() + long(n * 60)));
  }
  for (std::size_t i = 120; i < 240; ++i) EXPECT_LE(std::abs(next[i]), 1);
}

TEST(Textures, GoOnBitForBit) {
  Textures t;
  TextureAugmenter<double> a(t.options, t.inputs), b(t.options, t.inputs), c(t.options, t.inputs);
  iterate(a, 0, 6);
  iterate(b, 0, 3);
  TensorFile file;
  b.save(file);
  c.restore({}, file);
  iterate(c, 3, 6);
  EXPECT_EQ(a.pool().to_vector(), c.pool().to_vector());
}

}  // namespace
}  // namespace mg::train
