#include "train/rollout.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/gradcheck.hpp"
#include "tests/train/toy_system.hpp"

namespace mg::train {
namespace {

using test::ToySystem;
using test::Vec;

/// sum over every third state and the last one of <cotangent_k, x_k + x_k^2 / 2>, a new random cotangent each.
class ProbeObjective final : public Objective<double> {
 public:
  void bind(const Exec&, const ObjectiveInputs<double>&) override {}
  void begin(const Exec&, const StepIndex&, int) override { total = 0, values = 0; }
  bool observes(int k, int steps) const override { return k % 3 == 1 || k == steps; }
  void value(const Exec&, int k, int, ConstStateView<double> x) override {
    ++values;
    const Vec c = test::random_vec(x.size(), 100 + unsigned(k));
    for (std::size_t i = 0; i < x.size(); ++i) total += c[i] * x.data[i] * (1 + x.data[i] / 2);
  }
  void adjoint(const Exec&, int k, int, ConstStateView<double> x, StateView<double> x_bar) override {
    const Vec c = test::random_vec(x.size(), 100 + unsigned(k));
    for (std::size_t i = 0; i < x.size(); ++i) x_bar.data[i] += c[i] * (1 + x.data[i]);
  }
  std::vector<std::string> terms() const override { return {"loss"}; }
  std::vector<double> term_weights() const override { return {1}; }
  void totals(const Exec&, double* out) override { out[0] = total; }
  const double* sample_losses() const override { return nullptr; }

  double total = 0;
  int values = 0;
};

struct Case {
  static constexpr int kBatch = 2;
  ToySystem<double> system;
  Layout state = system.state_layout({2, 3}), condition = system.condition_layout({2, 3});
  Vec conditions = test::random_vec(kBatch * condition.size(), 11);
  StepIndex base{.seed = 5, .iteration = 3, .step = 2, .sample0 = 40, .t = 1.5, .h = 0.1};

  ConstStateView<double> view(const Vec& v, const Layout& l) const { return {v.data(), &l, kBatch}; }

  struct Result {
    double total;
    Vec final, params_bar, start_bar;
    long long steps;
  };
  Result run(Rollout<double>& rollout, const Vec& params, const Vec& start, const MemoryPlan& plan,
             const TimeGrid* grid = nullptr) {
    ProbeObjective objective;
    system.steps = 0;
    if (grid != nullptr)
      rollout.forward(params.data(), view(conditions, condition), view(start, state), base, *grid, plan, &objective);
    else
      rollout.forward(params.data(), view(conditions, condition), view(start, state), base, plan, &objective);
    Result r{objective.total, {}, Vec(3), Vec(start.size()), 0};
    rollout.backward(params.data(), view(conditions, condition), objective, r.params_bar.data(),
                     {r.start_bar.data(), &state, kBatch});
    const auto x = rollout.final_state();
    r.final.assign(x.data, x.data + x.size());
    r.steps = system.steps;
    return r;
  }
};

std::vector<MemoryPlan> all_plans(int steps, std::size_t bytes) {
  std::vector<MemoryPlan> plans = {plan_rollout(steps, bytes, 0, "store_all"), plan_rollout(steps, bytes, 0, "sqrt")};
  for (int slots : {1, 2, 3, 5, 8})
    if (slots <= steps) plans.push_back(plan_rollout(steps, bytes, 0, "revolve", slots));
  return plans;
}

TEST(Rollout, AllPlansGiveTheSameBitsAndRecomputeWhatTheyPromise) {
  Case c;
  const Vec params = {0.7, -0.4, 0.2}, start = test::random_vec(Case::kBatch * c.state.size(), 12);
  for (int steps : {1, 2, 3, 7, 16, 31, 50}) {
    const std::size_t bytes = c.state.size() * Case::kBatch * sizeof(double);
    Rollout<double> first({}, c.system, c.state, Case::kBatch);
    const auto want = c.run(first, params, start, plan_rollout(steps, bytes, 0, "store_all"));
    EXPECT_EQ(want.steps, steps);
    for (const MemoryPlan& plan : all_plans(steps, bytes)) {
      SCOPED_TRACE(plan.describe());
      Rollout<double> rollout({}, c.system, c.state, Case::kBatch);
      const auto got = c.run(rollout, params, start, plan);
      EXPECT_EQ(got.total, want.total);
      EXPECT_EQ(got.final, want.final);
      EXPECT_EQ(got.params_bar, want.params_bar);
      EXPECT_EQ(got.start_bar, want.start_bar);
      EXPECT_EQ(got.steps, steps + plan.recomputed_steps);
      EXPECT_EQ(rollout.state_bytes(), plan.bytes);
    }
  }
}

TEST(Rollout, AdjointPassesTheTaylorTestUnderEveryPlan) {
  Case c;
  const std::size_t n = Case::kBatch * c.state.size();
  Vec point = {0.7, -0.4, 0.2};
  const Vec start = test::random_vec(n, 13);
  point.insert(point.end(), start.begin(), start.end());
  for (int steps : {10, 50})
    for (const MemoryPlan& plan : all_plans(steps, n * sizeof(double))) {
      SCOPED_TRACE(plan.describe());
      Rollout<double> rollout({}, c.system, c.state, Case::kBatch);
      auto run = [&](const Vec& v) {
        return c.run(rollout, Vec(v.begin(), v.begin() + 3), Vec(v.begin() + 3, v.end()), plan);
      };
      test::expect_taylor_rate([&](const Vec& v) { return Vec{run(v).total}; },
                               [&](const Vec& v, const Vec& cotangent) {
                                 const auto r = run(v);
                                 Vec bar = r.params_bar;
                                 bar.insert(bar.end(), r.start_bar.begin(), r.start_bar.end());
                                 for (double& b : bar) b *= cotangent[0];
                                 return bar;
                               },
                               point);
    }
}

/// Uneven steps; saves at step ends, between them, several in one step, and none in others.
TimeGrid uneven_grid(int steps) {
  TimeGrid grid;
  double t = 1.5;
  for (int k = 0; k < steps; ++k) {
    const double h = 0.05 + 0.02 * (k % 4);
    grid.steps.push_back({t, h});
    t += h;
    if (k == 0) grid.saves.push_back({-1, 1, true});
    if (k == 0) grid.saves.push_back({k, 0, false});
    if (k % 3 == 0) grid.saves.push_back({k, 0.25, false});
    if (k % 3 == 0) grid.saves.push_back({k, 0.75, false});
    if (k % 5 == 2 || k == steps - 1) grid.saves.push_back({k, 1, true});
  }
  return grid;
}

TEST(Rollout, SavesBetweenStepsGiveTheSameBitsUnderEveryPlan) {
  Case c;
  const Vec params = {0.7, -0.4, 0.2}, start = test::random_vec(Case::kBatch * c.state.size(), 12);
  const std::size_t bytes = c.state.size() * Case::kBatch * sizeof(double);
  for (int steps : {1, 2, 7, 31}) {
    const TimeGrid grid = uneven_grid(steps);
    Rollout<double> first({}, c.system, c.state, Case::kBatch);
    const auto want = c.run(first, params, start, plan_rollout(steps, bytes, 0, "store_all"), &grid);
    for (const MemoryPlan& plan : all_plans(steps, bytes)) {
      SCOPED_TRACE(plan.describe());
      Rollout<double> rollout({}, c.system, c.state, Case::kBatch);
      rollout.keep_saves(true);
      const auto got = c.run(rollout, params, start, plan, &grid);
      EXPECT_EQ(got.total, want.total);
      EXPECT_EQ(got.final, want.final);
      EXPECT_EQ(got.params_bar, want.params_bar);
      EXPECT_EQ(got.start_bar, want.start_bar);
      EXPECT_EQ(got.steps, steps + plan.recomputed_steps);
      const auto counted = plan_rollout(steps, bytes, 0, "sqrt", 0, held_states(grid, true));
      EXPECT_LE(rollout.state_bytes(), plan.bytes + std::size_t(counted.held) * bytes);
      const auto last = rollout.saved_state(grid.saves.size() - 1), begin = rollout.saved_state(0);
      EXPECT_EQ(Vec(last.data, last.data + last.size()), want.final);
      EXPECT_EQ(Vec(begin.data, begin.data + begin.size()), start);
    }
  }
}

TEST(Rollout, AdjointThroughSavesBetweenStepsPassesTheTaylorTest) {
  Case c;
  const std::size_t n = Case::kBatch * c.state.size();
  Vec point = {0.7, -0.4, 0.2};
  const Vec start = test::random_vec(n, 13);
  point.insert(point.end(), start.begin(), start.end());
  const TimeGrid grid = uneven_grid(13);
  Rollout<double> rollout({}, c.system, c.state, Case::kBatch);
  const MemoryPlan plan = plan_rollout(13, 1, 0, "revolve", 3);
  auto run = [&](const Vec& v) {
    return c.run(rollout, Vec(v.begin(), v.begin() + 3), Vec(v.begin() + 3, v.end()), plan, &grid);
  };
  test::expect_taylor_rate([&](const Vec& v) { return Vec{run(v).total}; },
                           [&](const Vec& v, const Vec& cotangent) {
                             const auto r = run(v);
                             Vec bar = r.params_bar;
                             bar.insert(bar.end(), r.start_bar.begin(), r.start_bar.end());
                             for (double& b : bar) b *= cotangent[0];
                             return bar;
                           },
                           point);
}

TEST(Rollout, UnitGridIsTheRolloutWithoutOne) {
  Case c;
  const Vec params = {0.7, -0.4, 0.2}, start = test::random_vec(Case::kBatch * c.state.size(), 12);
  const MemoryPlan plan = plan_rollout(9, 1, 0, "sqrt");
  Rollout<double> plain({}, c.system, c.state, Case::kBatch), gridded({}, c.system, c.state, Case::kBatch);
  TimeGrid grid;
  for (int k = 0; k < 9; ++k) {
    grid.steps.push_back({c.base.t + k * c.base.h, c.base.h});
    grid.saves.push_back({k, 1, true});
  }
  const auto a = c.run(plain, params, start, plan), b = c.run(gridded, params, start, plan, &grid);
  EXPECT_EQ(a.total, b.total);
  EXPECT_EQ(a.params_bar, b.params_bar);
  EXPECT_EQ(a.start_bar, b.start_bar);
  EXPECT_THROW(plain.saved_state(0), std::logic_error);
  grid.saves[2].step = 0;
  EXPECT_THROW(c.run(gridded, params, start, plan, &grid), std::invalid_argument);
  grid.steps.pop_back();
  EXPECT_THROW(c.run(gridded, params, start, plan, &grid), std::invalid_argument);
}

TEST(Rollout, AllocatesNothingAfterTheFirstCall) {
  Case c;
  const Vec params = {0.7, -0.4, 0.2}, start = test::random_vec(Case::kBatch * c.state.size(), 12);
  Rollout<double> rollout({}, c.system, c.state, Case::kBatch);
  const MemoryPlan plan = plan_rollout(12, 1, 0, "revolve", 3);
  const auto first = c.run(rollout, params, start, plan);
  const std::size_t held = rollout.state_bytes() + rollout.workspace().bytes();
  const double* final = rollout.final_state().data;
  const auto second = c.run(rollout, params, start, plan);
  EXPECT_EQ(rollout.state_bytes() + rollout.workspace().bytes(), held);
  EXPECT_EQ(rollout.final_state().data, final);
  EXPECT_EQ(first.params_bar, second.params_bar);
}

TEST(Rollout, RefusesWrongShapesAndABackwardAlone) {
  Case c;
  Rollout<double> rollout({}, c.system, c.state, Case::kBatch);
  const Vec params(3), start(c.state.size());
  ProbeObjective objective;
  EXPECT_THROW(
      rollout.forward(params.data(), {}, {start.data(), &c.state, 1}, c.base, plan_rollout(2, 1, 0, "sqrt"), nullptr),
      std::invalid_argument);
  Vec bar(3);
  EXPECT_THROW(rollout.backward(params.data(), {}, objective, bar.data(), {}), std::logic_error);
  EXPECT_THROW(rollout.final_state(), std::logic_error);
}

}  // namespace
}  // namespace mg::train
