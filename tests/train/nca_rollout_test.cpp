#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "nca/nca_system.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"
#include "tests/train/loss_support.hpp"
#include "train/image_objective.hpp"
#include "train/rollout.hpp"

namespace mg::train {
namespace {

using test::Vec;

/// Whole rollouts of an automaton against an image objective.
template <class T>
struct Scene {
  static constexpr int kBatch = 2, kObserved = 2;
  Exec exec;
  nca::NcaSpec spec;
  nca::NcaSystem<T> system;
  Layout state, condition;
  ImageObjective<T> objective;
  Buffer<T> target, masks;

  static nca::NcaSpec make_spec() {
    nca::NcaSpec s;
    s.channels = 4;
    s.perception.grad = true;
    s.activation = Activation::tanh;
    s.gated = true;
    s.fire_rate = 0.6;
    s.boundary = nca::Boundary::soft;
    return s;
  }
  static ImageObjective<T> make_objective(const nca::NcaSpec& spec, bool regularised) {
    ImageObjectiveOptions o;
    o.window = 3;
    o.at = ImageObjectiveOptions::At::mean;
    if (!regularised) o.state_reg = o.boundary_reg = 0;  // corners have no second-order remainder
    return {{spec.channels, kObserved, spec.perception, ImageModel::Boundary::soft, 1}, o};
  }

  Scene(const Exec& e, bool regularised, Grid grid = {4, 5})
      : exec(e),
        spec(make_spec()),
        system(spec),
        state(system.state_layout(grid)),
        condition(system.condition_layout(grid)),
        objective(make_objective(spec, regularised)),
        target(test::to_backend<T>(exec, test::random_vec(std::size_t(kBatch * kObserved * grid.h * grid.w), 91))),
        masks(test::to_backend<T>(exec, test::random_vec(kBatch * condition.size(), 92))) {
    objective.bind(exec, {conditions(), {target.data(), {kBatch, kObserved, grid.h, grid.w}}, 0.5, 2});
  }
  ConstStateView<T> conditions() const { return {masks.data(), &condition, kBatch}; }
  std::size_t start_size() const { return kBatch * state.size(); }
  Vec params() const {
    Vec p = test::random_vec(system.param_layout().size(), 93);
    for (double& v : p) v *= 0.1;
    return p;
  }

  struct Result {
    Vec totals, params_bar, start_bar;
  };
  Result run(Rollout<T>& rollout, const Vec& params, const Vec& start, const MemoryPlan& plan) {
    const auto p = test::to_backend<T>(exec, params), x = test::to_backend<T>(exec, start);
    Buffer<T> params_bar(exec, params.size()), start_bar(exec, start.size()), totals(exec, 3);
    params_bar.zero();
    const StepIndex base{.seed = 3, .iteration = 8, .sample0 = 6};
    rollout.forward(p.data(), conditions(), {x.data(), &state, kBatch}, base, plan, &objective);
    rollout.backward(p.data(), conditions(), objective, params_bar.data(), {start_bar.data(), &state, kBatch});
    objective.totals(exec, totals.data());
    return {test::from_backend(totals), test::from_backend(params_bar), test::from_backend(start_bar)};
  }
};

std::vector<MemoryPlan> plans(int steps, std::size_t bytes) {
  std::vector<MemoryPlan> all = {plan_rollout(steps, bytes, 0, "store_all"), plan_rollout(steps, bytes, 0, "sqrt")};
  for (int slots : {1, 3}) all.push_back(plan_rollout(steps, bytes, 0, "revolve", slots));
  return all;
}

class NcaRolloutBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(NcaRolloutBackends);

TEST_P(NcaRolloutBackends, AllPlansGiveTheSameBits) {
  constexpr int kSteps = 6;
  Scene<float> s({GetParam()}, true);
  const Vec params = s.params(), start = test::random_vec(s.start_size(), 94);
  Rollout<float> first(s.exec, s.system, s.state, s.kBatch);
  const auto want = s.run(first, params, start, plan_rollout(kSteps, 1, 0, "store_all"));
  EXPECT_GT(want.totals[1], 0);
  EXPECT_GT(want.totals[2], 0);
  for (const MemoryPlan& plan : plans(kSteps, 1)) {
    SCOPED_TRACE(plan.describe());
    Rollout<float> rollout(s.exec, s.system, s.state, s.kBatch);
    const auto got = s.run(rollout, params, start, plan);
    EXPECT_EQ(got.totals, want.totals);
    EXPECT_EQ(got.params_bar, want.params_bar);
    EXPECT_EQ(got.start_bar, want.start_bar);
  }
  Scene<float> host({}, true);
  Rollout<float> twin(host.exec, host.system, host.state, host.kBatch);
  const auto reference = host.run(twin, params, start, plan_rollout(kSteps, 1, 0, "store_all"));
  MG_EXPECT_CLOSE(want.totals, reference.totals, 1e-5);
  MG_EXPECT_CLOSE(want.params_bar, reference.params_bar, 1e-4);
  MG_EXPECT_CLOSE(want.start_bar, reference.start_bar, 1e-4);
}

TEST(NcaRollout, AdjointPassesTheTaylorTestUnderEveryPlan) {
  constexpr double kScale = 0.1;  // of the tangent: a chain of steps bends quickly
  Scene<double> s({}, false);
  const std::size_t n = s.params().size();
  Vec point = s.params();
  const Vec start = test::random_vec(s.start_size(), 95);
  point.insert(point.end(), start.begin(), start.end());
  for (double& v : point) v /= kScale;
  for (int steps : {10, 20})
    for (const MemoryPlan& plan : plans(steps, 1)) {
      SCOPED_TRACE(plan.describe());
      Rollout<double> rollout(s.exec, s.system, s.state, s.kBatch);
      auto run = [&](Vec v) {
        for (double& x : v) x *= kScale;
        return s.run(rollout, Vec(v.begin(), v.begin() + long(n)), Vec(v.begin() + long(n), v.end()), plan);
      };
      test::expect_taylor_rate([&](const Vec& v) { return Vec{run(v).totals[0]}; },
                               [&](const Vec& v, const Vec& cotangent) {
                                 const auto r = run(v);
                                 Vec bar = r.params_bar;
                                 bar.insert(bar.end(), r.start_bar.begin(), r.start_bar.end());
                                 for (double& b : bar) b *= kScale * cotangent[0];
                                 return bar;
                               },
                               point);
    }
}

/// The regularisers have corners, so a slope is measured in a direction too short to cross one.
TEST(NcaRollout, RegularisersInsideTheRolloutHaveTheRightSlope) {
  Scene<double> s({}, true);
  const Vec params = s.params(), start = test::random_vec(s.start_size(), 96), t = test::random_vec(params.size(), 97);
  Rollout<double> rollout(s.exec, s.system, s.state, s.kBatch);
  const MemoryPlan plan = plan_rollout(12, 1, 0, "sqrt");
  auto total = [&](double e) {
    Vec moved = params;
    for (std::size_t i = 0; i < t.size(); ++i) moved[i] += e * t[i];
    const auto totals = s.run(rollout, moved, start, plan).totals;
    return totals[0] + totals[1] + totals[2];
  };
  const double slope = test::dot(s.run(rollout, params, start, plan).params_bar, t);
  EXPECT_NEAR((total(1e-7) - total(-1e-7)) / 2e-7, slope, 1e-6 * std::abs(slope));
}

}  // namespace
}  // namespace mg::train
