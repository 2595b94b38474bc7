#include "train/fit.hpp"

#include <gtest/gtest.h>

#include "pde/register.hpp"
#include "tests/support/config.hpp"
#include "tests/support/gradcheck.hpp"
#include "train/trajectory_objective.hpp"

namespace mg::train {
namespace {

using nlohmann::json;
using test::Vec;

std::unique_ptr<System<double>> make_system(const json& model) {
  Registry<System<double>> systems;
  pde::register_systems(systems);
  const Schema schema = Schema("test", "").variant("model", systems.variants(), std::nullopt, "");
  return systems.create(test::configure(schema, json{{"model", model}}.dump()).at("model"));
}

/// Trajectories that a system makes from a start, as targets of a fit.
struct Observed {
  Observed(const System<double>& system, Grid grid, const Vec& start, const std::vector<double>& times) {
    group.grid = grid;
    group.count = 1;
    group.state_layout = system.state_layout(grid);
    group.start = Buffer<double>({}, start.size());
    group.start.upload(start);
    group.save_times = times;
    Vec params(system.param_layout().size());
    system.initialise(0, params);
    Rollout<double> rollout({}, system, group.state_layout, 1);
    rollout.keep_saves(true);
    const TimeGrid steps = rollout.time_grid(params.data(), {}, group.start_view(), {}, times);
    rollout.forward(params.data(), {}, group.start_view(), {}, steps,
                    plan_rollout(int(steps.steps.size()), 1, 0, "sqrt"), nullptr);
    Vec target;
    for (std::size_t m = 0; m < times.size(); ++m) {
      const auto x = rollout.saved_state(m);
      target.insert(target.end(), x.data, x.data + start.size());
    }
    group.target = Buffer<double>({}, target.size());
    group.target.upload(target);
    group.observed = group.state_layout.blocks()[0].dims[0];
    true_params = params;
  }
  SampleGroup<double> group;
  Vec true_params;
};

TrajectoryObjective<double> squares(int channels) {
  TrajectoryObjectiveOptions o;
  o.loss = "l2", o.grad_weight = 0;
  return TrajectoryObjective<double>({channels}, o);
}

/// A bump of value `inside` on the background `outside`, with waves that break every symmetry.
Vec bump(Grid g, double outside, double inside, double phase) {
  Vec v;
  for (int y = 0; y < g.h; ++y)
    for (int x = 0; x < g.w; ++x) {
      const double a = y - 0.45 * g.h, b = x - 0.55 * g.w, hill = std::exp(-(a * a + b * b) / (0.05 * g.h * g.w));
      v.push_back(outside + (inside - outside) * hill * (1 + 0.2 * std::sin(0.7 * x + 0.4 * y + phase)));
    }
  return v;
}
Vec two_fields(Grid g, const Vec& a, const Vec& b) {
  Vec v = a;
  v.insert(v.end(), b.begin(), b.end());
  EXPECT_EQ(v.size(), std::size_t(2 * g.h * g.w));
  return v;
}

TEST(Lbfgs, FindsTheMinimumOfRosenbrock) {
  const auto rosenbrock = [](const Vec& x, Vec& g) {
    double f = 0;
    std::fill(g.begin(), g.end(), 0.0);
    for (std::size_t i = 0; i + 1 < x.size(); ++i) {
      const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
      f += 100 * a * a + b * b;
      g[i] += -400 * x[i] * a - 2 * b;
      g[i + 1] += 200 * a;
    }
    return f;
  };
  const auto r = minimise_lbfgs(rosenbrock, {-1.2, 1, -1.2, 1, 0.3, 2});
  for (double v : r.x) EXPECT_NEAR(v, 1, 1e-8) << r.stopped;
  EXPECT_LT(r.evaluations, 120);
  EXPECT_EQ(minimise_lbfgs(rosenbrock, {-1.2, 1, -1.2, 1, 0.3, 2}).x, r.x);
  EXPECT_THROW(minimise_lbfgs([](const Vec&, Vec&) { return std::nan(""); }, {1}), std::invalid_argument);
}

TEST(ParameterRecovery, GrayScottsFourParameters) {
  const Grid g{14, 15};
  const auto system = make_system({{"type", "gray_scott"}, {"solver", {{"type", "heun"}, {"dt", 0.5}}}});
  Observed data(*system, g, two_fields(g, bump(g, 1, 0.4, 0), bump(g, 0, 0.5, 1)), {4, 8, 12.3, 20});
  auto objective = squares(2);
  Vec guess = data.true_params;
  for (std::size_t k = 0; k < guess.size(); ++k) guess[k] *= k % 2 == 0 ? 1.3 : 0.75;
  FitProblem<double> problem({}, *system, data.group, objective, guess, {}, false);
  const auto fit = minimise_lbfgs(std::ref(problem), problem.start(), {.gradient_norm = 1e-12});
  const Vec found = problem.params(fit.x);
  for (std::size_t k = 0; k < found.size(); ++k)
    EXPECT_NEAR(found[k], data.true_params[k], 1e-3 * data.true_params[k])
        << system->param_layout().blocks()[k].name << " after " << fit.evaluations << " evaluations: " << fit.stopped;
}

TEST(ParameterRecovery, APairOfKellerSegelOnAdaptiveSteps) {
  const Grid g{12, 13};
  const auto system = make_system(
      {{"type", "keller_segel"}, {"solver", {{"type", "tsit5"}, {"dt", 0.05}, {"adaptive", json::object()}}}});
  Observed data(*system, g, two_fields(g, bump(g, 0.1, 0.8, 0), bump(g, 0, 0.3, 1)), {0.5, 1, 2});
  auto objective = squares(2);
  Vec guess = data.true_params;
  const auto& layout = system->param_layout();
  const std::size_t c = layout.at("c").offset, d = layout.at("D").offset;
  guess[c] *= 1.25, guess[d] *= 0.8;
  FitProblem<double> problem({}, *system, data.group, objective, guess, {"c", "D"}, false);
  const auto fit = minimise_lbfgs(std::ref(problem), problem.start());
  const Vec found = problem.params(fit.x);
  EXPECT_NEAR(found[c], data.true_params[c], 1e-3 * data.true_params[c]) << fit.stopped;
  EXPECT_NEAR(found[d], data.true_params[d], 1e-3 * data.true_params[d]) << fit.stopped;
}

TEST(ParameterRecovery, AnInitialConditionTogetherWithAParameter) {
  const Grid g{6, 7};
  const auto system = make_system({{"type", "gray_scott"}, {"solver", {{"type", "heun"}, {"dt", 0.5}}}});
  const Vec start = two_fields(g, bump(g, 1, 0.4, 0), bump(g, 0, 0.5, 1));
  Observed data(*system, g, start, {1, 2, 3});
  auto objective = squares(2);
  Vec guess = data.true_params;
  guess[system->param_layout().at("gamma").offset] *= 1.2;
  Vec blurred = start;
  for (double& v : blurred) v = 0.8 * v + 0.05;
  data.group.start.upload(blurred);
  FitProblem<double> problem({}, *system, data.group, objective, guess, {"gamma"}, true);
  const auto fit =
      minimise_lbfgs(std::ref(problem), problem.start(), {.iterations = 1000, .gradient_norm = 1e-11, .decrease = 0});
  double worst = 0;
  for (std::size_t i = 0; i < start.size(); ++i) worst = std::max(worst, std::abs(fit.x[i + 1] - start[i]));
  EXPECT_LT(worst, 1e-3) << fit.stopped << " after " << fit.evaluations << " evaluations, value " << fit.value;
}

TEST(ParameterRecovery, ParameterInitialConditionAndBoundaryValueTogether) {
  const Grid g{5, 6};
  const auto model = [](double wall) {
    return make_system(
        {{"type", "gray_scott"},
         {"padding", "REPLICATE"},
         {"boundary", json::array({{{"field", "A"}, {"sides", {"left"}}, {"value", wall}, {"trainable", true}}})},
         {"solver", {{"type", "heun"}, {"dt", 0.5}}}});
  };
  const auto system = model(0.6);
  const Vec start = two_fields(g, bump(g, 1, 0.4, 0), bump(g, 0, 0.5, 1));
  Observed data(*system, g, start, {0.5, 1, 2, 3, 4});
  auto objective = squares(2);
  Vec guess = data.true_params;
  const std::size_t gamma = system->param_layout().at("gamma").offset,
                    wall = system->param_layout().at("boundary").offset;
  ASSERT_EQ(guess[wall], 0.6);
  guess[gamma] *= 1.2, guess[wall] = 0.9;
  Vec blurred = start;
  for (double& v : blurred) v = 0.8 * v + 0.05;
  data.group.start.upload(blurred);
  FitProblem<double> problem({}, *system, data.group, objective, guess, {"gamma", "boundary"}, true);
  const auto fit =
      minimise_lbfgs(std::ref(problem), problem.start(), {.iterations = 1000, .gradient_norm = 1e-11, .decrease = 0});
  const Vec found = problem.params(fit.x);
  EXPECT_NEAR(found[gamma], data.true_params[gamma], 1e-3 * data.true_params[gamma]) << fit.stopped;
  EXPECT_NEAR(found[wall], 0.6, 1e-3) << fit.stopped;
  double worst = 0;
  for (std::size_t i = 0; i < start.size(); ++i) worst = std::max(worst, std::abs(fit.x[i + 2] - start[i]));
  EXPECT_LT(worst, 1e-3) << fit.stopped << " after " << fit.evaluations << " evaluations, value " << fit.value;
}

TEST(FitProblem, GradientPassesTheTaylorTestForParametersAndStart) {
  const Grid g{4, 5};
  const auto system = make_system({{"type", "gray_scott"}, {"solver", {{"type", "heun"}, {"dt", 0.5}}}});
  Observed data(*system, g, two_fields(g, bump(g, 1, 0.4, 0), bump(g, 0, 0.5, 1)), {1.2, 2});
  auto objective = squares(2);
  Vec guess = data.true_params;
  guess[0] *= 1.5;
  FitProblem<double> problem({}, *system, data.group, objective, guess, {}, true);
  Vec gradient;
  test::expect_taylor_rate([&](const Vec& x) { return Vec{problem(x, gradient)}; },
                           [&](const Vec& x, const Vec& cotangent) {
                             problem(x, gradient);
                             for (double& v : gradient) v *= cotangent[0];
                             return gradient;
                           },
                           problem.start());
  EXPECT_THROW(FitProblem<double>({}, *system, data.group, objective, guess, {"beta"}, false), std::invalid_argument);
}

}  // namespace
}  // namespace mg::train
