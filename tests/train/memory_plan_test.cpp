#include "train/memory_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace mg::train {
namespace {

using Kind = RolloutProgram::Op::Kind;

/// t(l, c) by the recursion itself: advance m, reverse the rest with one slot less, then the first m.
std::vector<std::vector<long long>> optimal_table(int steps, int slots) {
  std::vector<std::vector<long long>> t(std::size_t(steps) + 1, std::vector<long long>(std::size_t(slots) + 1, 0));
  for (int l = 1; l <= steps; ++l)
    for (int c = 1; c <= slots; ++c) {
      long long best = (long long)l * (l - 1) / 2;
      if (c > 1)
        for (int m = 1; m < l; ++m)
          best = std::min(best, m + t[std::size_t(l - m)][std::size_t(c - 1)] + t[std::size_t(m)][std::size_t(c)]);
      t[std::size_t(l)][std::size_t(c)] = best;
    }
  return t;
}

TEST(MemoryPlan, BinomialCountsAreOptimal) {
  const auto t = optimal_table(90, 12);
  for (int l = 1; l <= 90; ++l)
    for (int c = 1; c <= 12; ++c)
      EXPECT_EQ(revolve_forward_steps(l, c), t[std::size_t(l)][std::size_t(c)]) << l << " steps, " << c << " slots";
}

TEST(MemoryPlan, BinomialCountsMatchPublishedNumbers) {
  EXPECT_EQ(revolve_forward_steps(10, 3), 15);   // Griewank & Walther 2000: 10 steps, 3 checkpoints
  EXPECT_EQ(revolve_forward_steps(56, 5), 140);  // beta(5, 3) = 56: r = 3, t = 3 56 - beta(6, 2)
  EXPECT_EQ(revolve_forward_steps(1000, 1), 499500);
}

TEST(MemoryPlan, CostOfAThousandStepsIsThePublishedOne) {
  // Forward and adjoint steps in units of the plain forward sweep, as measured by the authors of spyro (their text cuts
  // or rounds the last digit): 5, 10, 20, 40 and 60 checkpoints.
  const std::pair<int, double> published[] = {{5, 7.28}, {10, 4.62}, {20, 3.74}, {40, 3.09}, {60, 2.94}};
  for (const auto& [slots, cost] : published)
    EXPECT_NEAR(double(revolve_forward_steps(1000, slots) + 1000) / 1000, cost, 0.02) << slots;
}

TEST(MemoryPlan, HeldStatesCountAgainstTheBudget) {
  const MemoryPlan plain = plan_rollout(100, 8, 8 * 60, "revolve"),
                   held = plan_rollout(100, 8, 8 * 60, "revolve", 0, 20);
  EXPECT_EQ(held.slots, plain.slots - 20);
  EXPECT_EQ(held.states, plain.states);
  EXPECT_LE(held.bytes, 8U * 60U);
  EXPECT_THROW(plan_rollout(100, 8, 8 * 60, "store_all", 0, 20), std::invalid_argument);
  EXPECT_THROW(plan_rollout(100, 8, 8 * 60, "auto", 0, 60), std::invalid_argument);
}

/// Runs a program on state indices instead of states: every operation must find the state that it claims to read.
void expect_sound(const MemoryPlan& plan) {
  SCOPED_TRACE(plan.describe());
  const RolloutProgram program = rollout_program(plan);
  EXPECT_EQ(program.buffers + 2, plan.states);
  std::vector<int> held(std::size_t(program.buffers), -1);
  held[0] = 0;
  auto step = [&](const RolloutProgram::Op& op) {
    EXPECT_EQ(held[std::size_t(op.from)], op.k);
    EXPECT_NE(op.from, op.to);
    held[std::size_t(op.to)] = op.k + 1;
  };
  int k = 0;
  for (const auto& op : program.forward) {
    EXPECT_EQ(op.kind, Kind::step);
    EXPECT_EQ(op.k, k++);
    step(op);
  }
  EXPECT_EQ(k, plan.steps);
  long long again = 0;
  for (const auto& op : program.backward) {
    if (op.kind == Kind::step) {
      ++again;
      step(op);
      EXPECT_NE(op.to, program.final_buffer());
    } else {
      EXPECT_EQ(op.k, --k);
      EXPECT_EQ(held[std::size_t(op.from)], op.k);
    }
  }
  EXPECT_EQ(k, 0);
  EXPECT_EQ(again, plan.recomputed_steps);
  EXPECT_EQ(held[std::size_t(program.final_buffer())], plan.steps);
}

TEST(MemoryPlan, EveryProgramReadsTheStatesItNeeds) {
  for (int steps = 1; steps <= 70; ++steps) {
    expect_sound(plan_rollout(steps, 8, 0, "store_all"));
    expect_sound(plan_rollout(steps, 8, 0, "sqrt"));
    for (int slots : {1, 2, 3, 4, 7, 11, 40}) expect_sound(plan_rollout(steps, 8, 0, "revolve", slots));
  }
  expect_sound(plan_rollout(5000, 8, 0, "revolve", 9));
  expect_sound(plan_rollout(5000, 8, 0, "store_all"));
}

TEST(MemoryPlan, TwoLevelsShareTheFewestSlotsAndRepeatNoStepTwice) {
  for (int steps = 1; steps <= 300; ++steps) {
    const MemoryPlan plan = plan_rollout(steps, 8, 0, "sqrt");
    expect_sound(plan);
    EXPECT_GE(plan.slots * (plan.slots + 1) / 2, steps);
    EXPECT_LT(plan.slots * (plan.slots - 1) / 2, steps);
    std::vector<int> repeats(std::size_t(steps), 0);
    for (const auto& op : rollout_program(plan).backward)
      if (op.kind == Kind::step) {
        EXPECT_EQ(++repeats[std::size_t(op.k)], 1) << op.k << " of " << steps;
      }
  }
}

TEST(MemoryPlan, TwoLevelsTakeLittleMemoryForTheGrowingRecipe) {
  constexpr std::size_t kState = 8 * 16 * 72 * 72 * sizeof(float);
  EXPECT_EQ(plan_rollout(64, kState, 0, "sqrt").bytes, 14 * kState);       // 35.4 MiB
  EXPECT_EQ(plan_rollout(64, kState, 0, "store_all").bytes, 67 * kState);  // 170 MiB
}

TEST(MemoryPlan, AutoRecomputesAsLittleAsTheBudgetAllows) {
  EXPECT_EQ(plan_rollout(64, 100, 0, "auto").kind, MemoryPlan::Kind::store_all);
  EXPECT_EQ(plan_rollout(64, 100, 6700, "auto").kind, MemoryPlan::Kind::store_all);  // 64 + final + 2 cotangents
  long long before = -1;
  for (std::size_t budget = 6700; budget >= 600; budget -= 100) {
    const MemoryPlan plan = plan_rollout(64, 100, budget, "auto");
    EXPECT_LE(plan.bytes, budget);
    EXPECT_GE(plan.recomputed_steps, before) << budget;
    EXPECT_EQ(plan.recomputed_steps > 0, budget < 6700);
    before = plan.recomputed_steps;
  }
  EXPECT_EQ(plan_rollout(64, 100, 1400, "auto").kind, MemoryPlan::Kind::sqrt);
}

TEST(MemoryPlan, RefusesWhatDoesNotFit) {
  EXPECT_THROW(plan_rollout(64, 100, 599, "auto"), std::invalid_argument);
  EXPECT_THROW(plan_rollout(64, 100, 1000, "store_all"), std::invalid_argument);
  EXPECT_THROW(plan_rollout(64, 100, 1000, "revolve", 20), std::invalid_argument);
  EXPECT_THROW(plan_rollout(64, 100, 0, "all"), std::invalid_argument);
  EXPECT_THROW(plan_rollout(0, 100, 0, "auto"), std::invalid_argument);
}

TEST(MemoryPlan, DescribesItselfInOneLine) {
  EXPECT_EQ(plan_rollout(64, 1 << 20, 0, "sqrt").describe(),
            "memory plan sqrt: 64 steps, 11 slots, 14 states = 14.0 MiB, 53 steps recomputed");
}

}  // namespace
}  // namespace mg::train
