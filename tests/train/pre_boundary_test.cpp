#include "nca/pre_boundary.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"
#include "tests/train/loss_support.hpp"
#include "train/image_objective.hpp"
#include "train/rollout.hpp"

namespace mg::train {
namespace {

using test::Vec;

constexpr int kBatch = 2, kSteps = 6;
constexpr Grid kGrid{4, 5};

nca::NcaSpec spec_of(nca::Boundary boundary) {
  nca::NcaSpec s;
  s.channels = 4;
  s.activation = Activation::tanh;
  s.fire_rate = 0.6;
  s.boundary = boundary;
  s.boundary_channels = 2;
  return s;
}

struct Result {
  Vec totals, cells, params_bar, start_bar;
};

/// A rollout of either system against the objective that looks at `on`.
template <class T>
Result roll(const Exec& exec, const System<T>& system, nca::Boundary boundary, ImageObjectiveOptions::BoundaryOn on,
            const Vec& params, const Vec& start) {
  const Layout state = system.state_layout(kGrid), cells = nca::NcaSystem<T>(spec_of(boundary)).state_layout(kGrid),
               condition = system.condition_layout(kGrid);
  ImageObjectiveOptions o;
  o.loss = "l2";
  o.state_reg = 0;
  o.boundary_on = on;
  const bool soft = boundary == nca::Boundary::soft;
  ImageObjective<T> objective({4, 2, {}, soft ? ImageModel::Boundary::soft : ImageModel::Boundary::hard, soft ? 2 : 1},
                              o);
  Vec mask = test::random_vec(kBatch * condition.size(), 5);
  if (!soft)
    for (double& v : mask) v = v > 0;
  const auto p = test::to_backend<T>(exec, params), x = test::to_backend<T>(exec, start),
             masks = test::to_backend<T>(exec, mask),
             target = test::to_backend<T>(exec, test::random_vec(kBatch * 2 * 20, 6));
  const ConstStateView<T> conditions{masks.data(), &condition, kBatch};
  objective.bind(exec, {conditions, {target.data(), {kBatch, 2, kGrid.h, kGrid.w}}, 0.5, 1});
  Buffer<T> params_bar(exec, params.size()), start_bar(exec, kBatch * state.size()), totals(exec, 3),
      final(exec, start.size());
  params_bar.zero();
  Rollout<T> rollout(exec, system, state, kBatch);
  rollout.forward(p.data(), conditions, {x.data(), &cells, kBatch}, {.seed = 9}, plan_rollout(kSteps, 1, 0, "sqrt"),
                  &objective);
  rollout.backward(p.data(), conditions, objective, params_bar.data(), {start_bar.data(), &state, kBatch});
  objective.totals(exec, totals.data());
  copy_bytes(exec, final.data(), exec.backend, rollout.final_state().data, exec.backend, start.size() * sizeof(T));
  return {test::from_backend(totals), test::from_backend(final), test::from_backend(params_bar),
          test::from_backend(start_bar)};
}

Vec small_params(const Layout& layout) {
  Vec p = test::random_vec(layout.size(), 7);
  for (double& v : p) v *= 0.1;
  return p;
}

class PreBoundaryBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(PreBoundaryBackends);

TEST_P(PreBoundaryBackends, CellsAreThoseOfTheAutomatonAndTheTermSeesTheStateBefore) {
  using On = ImageObjectiveOptions::BoundaryOn;
  for (auto boundary : {nca::Boundary::soft, nca::Boundary::hard}) {
    const nca::NcaSystem<float> plain(spec_of(boundary));
    const nca::PreBoundarySystem<float> system(spec_of(boundary));
    const Vec params = small_params(plain.param_layout()), start = test::random_vec(kBatch * 4 * 20, 8);
    const Exec exec{GetParam()};
    const auto want = roll<float>(exec, plain, boundary, On::post_boundary, params, start);
    const auto same = roll<float>(exec, system, boundary, On::post_boundary, params, start);
    MG_EXPECT_CLOSE(same.cells, want.cells, 1e-6);
    MG_EXPECT_CLOSE(same.params_bar, want.params_bar, 1e-5);
    const auto before = roll<float>(exec, system, boundary, On::pre_boundary, params, start);
    EXPECT_NEAR(before.totals[0], want.totals[0], 1e-6 * want.totals[0]);
    EXPECT_EQ(want.totals[2], 0);
    EXPECT_GT(before.totals[2], 0.01);
    const auto host = roll<float>({}, system, boundary, On::pre_boundary, params, start);
    MG_EXPECT_CLOSE(before.totals, host.totals, 1e-5);
    MG_EXPECT_CLOSE(before.params_bar, host.params_bar, 1e-4);
  }
}

TEST(PreBoundary, SlopeOfTheTotalIsTheGradient) {
  for (auto boundary : {nca::Boundary::soft, nca::Boundary::hard}) {
    const nca::PreBoundarySystem<double> system(spec_of(boundary));
    const std::size_t n = system.param_layout().size(), cells = kBatch * 4 * 20;
    Vec point = small_params(system.param_layout());
    const Vec start = test::random_vec(cells, 8), t = test::random_vec(n + cells, 9);
    point.insert(point.end(), start.begin(), start.end());
    auto run = [&](double e) {
      Vec v = point;
      for (std::size_t i = 0; i < v.size(); ++i) v[i] += e * t[i];
      return roll<double>({}, system, boundary, ImageObjectiveOptions::BoundaryOn::pre_boundary,
                          Vec(v.begin(), v.begin() + long(n)), Vec(v.begin() + long(n), v.end()));
    };
    auto total = [&](double e) {
      const auto r = run(e);
      return r.totals[0] + r.totals[2];
    };
    const Result r = run(0);
    Vec bar = r.params_bar;
    bar.insert(bar.end(), r.start_bar.begin(), r.start_bar.begin() + long(cells));
    const double slope = test::dot(bar, t);
    EXPECT_NEAR((total(1e-7) - total(-1e-7)) / 2e-7, slope, 1e-6 * std::abs(slope));
    for (std::size_t i = cells; i < r.start_bar.size(); ++i) EXPECT_EQ(r.start_bar[i], 0);
  }
}

TEST(PreBoundary, NeedsABoundaryAndAModelThatKeepsTheState) {
  EXPECT_THROW(nca::PreBoundarySystem<float>(spec_of(nca::Boundary::none)), std::invalid_argument);
  const nca::NcaSystem<float> plain(spec_of(nca::Boundary::hard));
  EXPECT_THROW(roll<float>({}, plain, nca::Boundary::hard, ImageObjectiveOptions::BoundaryOn::pre_boundary,
                           small_params(plain.param_layout()), Vec(kBatch * 4 * 20)),
               std::invalid_argument);
}

}  // namespace
}  // namespace mg::train
