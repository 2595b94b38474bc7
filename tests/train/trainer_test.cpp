#include <gtest/gtest.h>

#include "tests/train/trainer_doubles.hpp"

namespace mg::train {
namespace {

using Small = SmallRun<float>;

std::string state_bytes(const Trainer<float>& trainer) {
  TensorFile file;
  trainer.save(file);
  return safetensors_bytes(file);
}

class TrainerFeeds : public ::testing::TestWithParam<Feed> {};

TEST_P(TrainerFeeds, RestoredRunIsBitEqualToOneThatNeverStopped) {
  TrainerOptions options;
  options.warmup = 2;
  Small whole(GetParam(), options), first(GetParam(), options), second(GetParam(), options);
  for (int i = 0; i < 9; ++i) whole.trainer->step();
  for (int i = 0; i < 4; ++i) first.trainer->step();
  second.trainer->step();  // whatever it did before is gone
  TensorFile file;
  first.trainer->save(file);
  second.trainer->restore(parse_safetensors(safetensors_bytes(file), "memory"));
  for (int i = 4; i < 9; ++i) second.trainer->step();
  EXPECT_TRUE(state_bytes(*whole.trainer) == state_bytes(*second.trainer));
  EXPECT_EQ(second.trainer->iteration(), 9);
}

TEST_P(TrainerFeeds, MemoryPlansGiveTheSameBits) {
  std::string bytes;
  for (const char* kind : {"store_all", "sqrt", "revolve"}) {
    TrainerOptions options;
    options.memory = kind;
    options.memory_slots = 2;
    Small run(GetParam(), options);
    for (int i = 0; i < 3; ++i) run.trainer->step();
    if (bytes.empty()) bytes = state_bytes(*run.trainer);
    EXPECT_TRUE(bytes == state_bytes(*run.trainer)) << kind;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TrainerFeeds, ::testing::Values(Feed::morph, Feed::pool),
                         [](const auto& i) { return i.param == Feed::morph ? "morph" : "pool"; });

TEST(Trainer, LossFalls) {
  TrainerOptions options;
  options.accept_always = true;
  Small run(Feed::morph, options, 0.02);
  const double before = run.trainer->step().loss;
  StepReport last;
  for (int i = 0; i < 40; ++i) last = run.trainer->step();
  EXPECT_LT(last.loss, 0.9 * before);
  EXPECT_TRUE(last.accepted);
}

TEST(Trainer, RefusedIterationKeepsTheStartAndDrawsNewMasks) {
  TrainerOptions options;
  options.warmup = 0;
  options.accept_margin = -1e9;  // refuse everything after the warm-up
  Small run(Feed::morph, options);
  run.trainer->step();
  const auto start = run.augmenter->groups()[0].start.to_vector();
  const StepReport first = run.trainer->step(), second = run.trainer->step();
  EXPECT_FALSE(first.accepted);
  EXPECT_EQ(run.augmenter->groups()[0].start.to_vector(), start);
  EXPECT_NE(first.loss, second.loss);
}

TEST(Trainer, DivergencePolicies) {
  const auto poison = [](Small& run) {
    auto& start = run.augmenter->groups()[0].start;
    auto host = start.to_vector();
    host[5] = std::nanf("");
    start.upload(host);
  };
  TrainerOptions options;
  Small stops(Feed::morph, options);
  stops.trainer->step();
  const auto params = stops.trainer->params();
  poison(stops);
  EXPECT_THROW(stops.trainer->step(), DivergedError);
  EXPECT_EQ(stops.trainer->params(), params);

  options.on_divergence = OnDivergence::skip;
  options.max_skips = 2;
  Small skips(Feed::morph, options);
  skips.trainer->step();
  poison(skips);
  EXPECT_FALSE(skips.trainer->step().problem.empty());
  EXPECT_FALSE(skips.trainer->step().problem.empty());
  EXPECT_EQ(skips.trainer->params(), params);
  EXPECT_THROW(skips.trainer->step(), DivergedError);

  options.on_divergence = OnDivergence::stop;
  options.loss_threshold = 1e-12;
  Small passes(Feed::morph, options);
  EXPECT_THROW(passes.trainer->step(), DivergedError);
}

TEST(Trainer, BestBeforeOrAfterTheUpdate) {
  for (bool after : {true, false}) {
    TrainerOptions options;
    options.warmup = 0;
    options.best_after_update = after;
    Small run(Feed::morph, options);
    run.trainer->step();
    EXPECT_FALSE(run.trainer->has_best());  // kept only after the warm-up iteration
    const auto before = run.trainer->params();
    ASSERT_TRUE(run.trainer->step().best);
    EXPECT_EQ(run.trainer->best_params(), after ? run.trainer->params() : before);
    EXPECT_EQ(run.trainer->best_iteration(), 1);
  }
}

TEST(Trainer, RestoreRefusesAnotherConfiguration) {
  Small morph(Feed::morph, {}), pool(Feed::pool, {});
  TensorFile file;
  morph.trainer->save(file);
  EXPECT_THROW(pool.trainer->restore(file), Error);
}

}  // namespace
}  // namespace mg::train
