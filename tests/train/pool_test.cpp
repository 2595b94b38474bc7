#include "train/pool_augmenter.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/backends.hpp"
#include "tests/train/trainer_doubles.hpp"
#include "train/augment_ops.hpp"
#include "train/samples.hpp"

namespace mg::train {
namespace {

struct Pool {
  nca::NcaSystem<float> system{[] {
    nca::NcaSpec spec;
    spec.channels = 5;
    return spec;
  }()};
  AugmenterInputs<float> inputs;
  PoolOptions options;
  Pool() {
    inputs.system = &system;
    inputs.data = {blob(6, 7, 2, 0.5F)};
    inputs.data[0].seed_cell = true;
    inputs.seed = 11;
    options.size = 10, options.batch = 4;
  }
};

TEST(Pool, DrawsDistinctSlotsAndStepsInRange) {
  Pool p;
  PoolAugmenter<float> a(p.options, p.inputs);
  std::set<int> seen;
  std::set<int> steps;
  for (int i = 0; i < 200; ++i) {
    const auto drawn = a.drawn_slots(i);
    EXPECT_EQ(std::set<int>(drawn.begin(), drawn.end()).size(), 4u);
    seen.insert(drawn.begin(), drawn.end());
    steps.insert(a.steps(i));
  }
  EXPECT_EQ(*seen.begin(), 0);
  EXPECT_EQ(*seen.rbegin(), 9);
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_EQ(steps.size(), 32u);  // 64 .. 95
  EXPECT_EQ(*steps.begin(), 64);
  EXPECT_EQ(*steps.rbegin(), 95);
}

TEST(Pool, SeedCellHasAllHiddenChannels) {
  Pool p;
  PoolAugmenter<float> a(p.options, p.inputs);
  const auto pool = a.pool().to_vector();
  const int centre = 3 * 7 + 3;
  for (int c = 2; c < 5; ++c)
    for (int i = 0; i < 42; ++i) EXPECT_EQ(pool[std::size_t(c * 42 + i)], i == centre ? 1.0F : 0.0F);
}

TEST(Pool, RefusesTargetsThatNoSampleWouldReach) {
  Pool p;
  p.inputs.data.assign(5, p.inputs.data[0]);
  EXPECT_NO_THROW(PoolAugmenter<float>(p.options, p.inputs));  // ten slots
  p.options.regime = PoolOptions::Regime::growing;             // a batch of four
  EXPECT_THROW(PoolAugmenter<float>(p.options, p.inputs), DataError);
}

/// The batch in words: worst first and replaced by the seed, best ones damaged, ends written back to their slots.
TEST(Pool, SortsReseedsDamagesAndWritesBack) {
  Pool p;
  p.options.regime = PoolOptions::Regime::regenerating;
  p.options.damage = 2;
  PoolAugmenter<float> a(p.options, p.inputs);
  const std::size_t state = 5 * 42;
  const auto seed = std::vector<float>(a.pool().data(), a.pool().data() + state);
  // Slot s holds the constant s / 10 everywhere: the larger, the worse.
  for (std::size_t s = 0; s < 10; ++s) std::fill_n(a.pool().data() + s * state, state, 1.0F + float(s) / 10.0F);
  a.begin({}, 3);
  auto slots = a.drawn_slots(3);
  std::sort(slots.rbegin(), slots.rend());
  const auto start = a.groups()[0].start.to_vector();
  EXPECT_TRUE(std::equal(seed.begin(), seed.end(), start.begin()));
  for (std::size_t r = 1; r < 4; ++r) {
    int holes = 0;
    for (std::size_t i = 0; i < 42; ++i) {
      const float v = start[r * state + i];
      EXPECT_TRUE(v == 0.0F || v == 1.0F + float(slots[r]) / 10.0F);
      holes += v == 0.0F;
      for (std::size_t c = 1; c < 5; ++c) EXPECT_EQ(start[r * state + c * 42 + i], v);
    }
    EXPECT_EQ(holes > 0, r >= 2) << r;
  }
  std::vector<float> ends(4 * state);
  for (std::size_t k = 0; k < ends.size(); ++k) ends[k] = -float(k / state);
  const auto& layout = a.groups()[0].state_layout;
  a.finish({}, 3, {{ends.data(), &layout, 4}}, {nullptr}, false);
  EXPECT_EQ(a.pool().data()[std::size_t(slots[1]) * state], 1.0F + float(slots[1]) / 10.0F);
  a.finish({}, 3, {{ends.data(), &layout, 4}}, {nullptr}, true);
  for (std::size_t r = 0; r < 4; ++r) EXPECT_EQ(a.pool().data()[std::size_t(slots[r]) * state + 7], -float(r));
}

TEST(Pool, NanSampleIsReplacedFirst) {
  const double scores[] = {0.1, std::nan(""), 0.5, 0.5};
  int order[4];
  for (int k = 0; k < 4; ++k) order[pool_rank(scores, 4, k)] = k;
  EXPECT_EQ(std::vector<int>(order, order + 4), (std::vector<int>{1, 2, 3, 0}));
}

TEST(Pool, GrowingStartsFromSeedsAndKeepsNothing) {
  Pool p;
  p.options.regime = PoolOptions::Regime::growing;
  PoolAugmenter<float> a(p.options, p.inputs);
  a.begin({}, 0);
  const auto first = a.groups()[0].start.to_vector();
  a.finish({}, 0, {a.groups()[0].start_view()}, {nullptr}, true);
  a.begin({}, 1);
  EXPECT_EQ(a.groups()[0].start.to_vector(), first);
  TensorFile file;
  a.save(file);
  EXPECT_TRUE(file.tensors.empty());
}

class AugmenterBackends : public test::OnEachBackend {};

/// Three iterations of every augmenter on the backend give what the host gives.
TEST_P(AugmenterBackends, AgreeWithTheHost) {
  for (bool morph : {true, false}) {
    std::vector<std::vector<float>> results;
    for (Backend backend : {Backend::host, GetParam()}) {
      Pool p;
      p.inputs.exec.backend = backend;
      std::unique_ptr<Augmenter<float>> a;
      MorphOptions options;
      options.duplicate = 2, options.shift = 3;
      p.options.regime = PoolOptions::Regime::regenerating;
      p.inputs.data = {blob(6, 7, 3, 0.5F), blob(6, 7, 3, 0.3F)};
      if (morph)
        a = std::make_unique<MorphAugmenter<float>>(options, p.inputs);
      else
        a = std::make_unique<PoolAugmenter<float>>(p.options, p.inputs);
      auto& group = a->groups()[0];
      std::vector<float> ends(group.start.size());
      for (std::size_t k = 0; k < ends.size(); ++k) ends[k] = float(k % 13) * 0.1F;
      const auto buffer = uploaded(p.inputs.exec, ends);
      for (int i = 0; i < 3; ++i) {
        a->begin(p.inputs.exec, i);
        results.push_back(group.start.to_vector());
        results.push_back(group.target.to_vector());
        a->finish(p.inputs.exec, i, {{buffer.data(), &group.state_layout, group.count}}, {nullptr}, true);
      }
    }
    for (std::size_t k = 0; k < results.size() / 2; ++k)
      for (std::size_t i = 0; i < results[k].size(); ++i)
        ASSERT_NEAR(results[k][i], results[k + results.size() / 2][i], 1e-6) << "morph " << morph << " at " << i;
  }
}
MG_INSTANTIATE_BACKENDS(AugmenterBackends);

}  // namespace
}  // namespace mg::train
