// Agents as a System: invariants that need no reference, and the adjoint through whole rollouts with noise.
#include "abm/agent_system.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/support/gradcheck.hpp"

namespace mg::abm {
namespace {

AgentSpec small_spec() {
  AgentSpec s;
  s.species = {9, 140};  // the second one spans two jobs
  s.channels = 3;
  s.hidden = {7, 5}, s.head_hidden = {6};
  s.dt = 0.5, s.max_speed = 2;
  s.noise = true;
  return s;
}

struct World {
  explicit World(const AgentSpec& spec, Grid grid = {9, 7}, int batch = 2)
      : system(spec), layout(system.state_layout(grid)), samples(batch), params(system.param_layout().size()) {
    system.initialise(5, params);
    state = test::random_vec(layout.size() * std::size_t(batch), 6);
    const StateView<double> view{state.data(), &layout, batch};
    for (int i = 0; i < batch * spec.agents(); ++i) {
      double *x = view.block(0) + 2 * i, *u = view.block(1) + 2 * i;
      x[0] = std::fmod(std::abs(x[0]) * 3, grid.h - 1), x[1] = std::fmod(std::abs(x[1]) * 3, grid.w - 1);
      const double length = std::hypot(u[0], u[1]);
      u[0] /= length, u[1] /= length;
    }
    index.seed = 3;
  }
  std::vector<double> step(const std::vector<double>& from, int k = 0) {
    std::vector<double> to(from.size());
    StepIndex at = index;
    at.step = k;
    system.step({}, at, params.data(), {}, {from.data(), &layout, samples}, {to.data(), &layout, samples}, workspace);
    return to;
  }
  AgentSystem<double> system;
  Layout layout;
  int samples;
  std::vector<double> params, state;
  StepIndex index;
  Workspace workspace;
};

TEST(AgentSystem, RolloutTaylor) {
  for (const Sensing sensing : {Sensing::gradient, Sensing::sensors})
    for (const Domain domain : {Domain::periodic, Domain::mirror}) {
      AgentSpec spec = small_spec();
      spec.sensing = sensing, spec.domain = domain;
      World w(spec);
      const std::size_t np = w.params.size(), ns = w.state.size();
      const int steps = 4;
      const auto split = [&](const test::Vec& z) {
        w.params.assign(z.begin(), z.begin() + std::ptrdiff_t(np));
        return std::vector<double>(z.begin() + std::ptrdiff_t(np), z.end());
      };
      test::Vec z(w.params);
      z.insert(z.end(), w.state.begin(), w.state.end());
      const auto rollout = [&](const test::Vec& at) {
        auto x = split(at);
        for (int k = 0; k < steps; ++k) x = w.step(x, k);
        return x;
      };
      const auto vjp = [&](const test::Vec& at, const test::Vec& bar) {
        std::vector<std::vector<double>> x = {split(at)};
        for (int k = 0; k < steps; ++k) x.push_back(w.step(x.back(), k));
        std::vector<double> next_bar = bar, x_bar(ns), all(np);
        for (int k = steps; k-- > 0;) {
          StepIndex index = w.index;
          index.step = k;
          w.system.step_adjoint({}, index, w.params.data(), {}, {x[std::size_t(k)].data(), &w.layout, w.samples},
                                {next_bar.data(), &w.layout, w.samples}, {x_bar.data(), &w.layout, w.samples},
                                all.data(), w.workspace);
          next_bar = x_bar;
        }
        all.insert(all.end(), x_bar.begin(), x_bar.end());
        return all;
      };
      // A hundredth of the usual tangent: agents must not cross a wall or leave the region of the second order.
      const auto scaled = [&](double s) {
        return [&, s](const test::Vec& d) {
          test::Vec at = z;
          for (std::size_t i = 0; i < at.size(); ++i) at[i] += s * d[i];
          return rollout(at);
        };
      };
      const double s = 1e-2;
      test::expect_taylor_rate(
          scaled(s),
          [&](const test::Vec& d, const test::Vec& bar) {
            test::Vec at = z;
            for (std::size_t i = 0; i < at.size(); ++i) at[i] += s * d[i];
            test::Vec g = vjp(at, bar);
            for (double& v : g) v *= s;
            return g;
          },
          test::Vec(z.size(), 0.0));
    }
}

TEST(AgentSystem, DepositsAddUpAndHeadingsStayUnit) {
  AgentSpec spec = small_spec();
  spec.decay = 1 - 1e-12, spec.noise = false;  // decay of 1: the lattice gains what the agents deposit
  World w(spec);
  const auto next = w.step(w.state);
  const StateView<const double> after{next.data(), &w.layout, w.samples};
  for (int i = 0; i < w.samples * spec.agents(); ++i) {
    const double* u = after.block(1) + 2 * i;
    EXPECT_NEAR(std::hypot(u[0], u[1]), 1, 1e-14);
  }
  // Twice the deposit: the change of the sum of every channel doubles, whatever the positions.
  const auto mass = [&](const std::vector<double>& s) {
    const StateView<const double> v{s.data(), &w.layout, w.samples};
    return std::accumulate(v.block(2), v.block(2) + 2 * 3 * 63, 0.0);
  };
  const double gained = mass(next) - mass(w.state);
  for (const Block& block : w.system.param_layout().blocks())
    if (block.name.find("deposit.1.") != std::string::npos)
      for (std::size_t i = 0; i < block.size; ++i) w.params[block.offset + i] *= 2;
  EXPECT_NEAR(mass(w.step(w.state)) - mass(w.state), 2 * gained, 1e-9 * (1 + std::abs(gained)));
  EXPECT_GT(std::abs(gained), 1e-3);
}

TEST(AgentSystem, NoiseDependsOnAgentSampleAndStepOnly) {
  World w(small_spec());
  EXPECT_EQ(w.step(w.state, 1), w.step(w.state, 1));
  EXPECT_NE(w.step(w.state, 1), w.step(w.state, 2));
}

TEST(AgentSystem, AgentsThatLeftTheBoxOrAreNoNumbersTouchNoOtherMemory) {
  AgentSpec spec = small_spec();
  spec.noise = false, spec.sensing = Sensing::sensors, spec.sensor_length = 9;  // arms longer than the lattice
  World w(spec, {3, 2}, 1);
  const auto inside = w.step(w.state);
  auto beyond = w.state;
  beyond[0] += 3 * 7, beyond[1] -= 2 * 5;  // the same place of the torus
  const auto same = w.step(beyond);
  for (std::size_t i = 0; i < inside.size(); ++i) EXPECT_NEAR(same[i], inside[i], 1e-12) << i;
  for (const double bad : {std::nan(""), 1e300, -HUGE_VAL}) {
    beyond[0] = bad;
    const auto next = w.step(beyond);
    if (!(std::abs(bad) < HUGE_VAL)) {
      EXPECT_FALSE(std::isfinite(next[0]));
    }
    EXPECT_TRUE(std::isfinite(next[2])) << "another agent";
  }
  spec.species = {};
  EXPECT_THROW(AgentSystem<double>{spec}, std::invalid_argument);
  spec.species = {3, 0};
  EXPECT_THROW(AgentSystem<double>{spec}, std::invalid_argument);
}

}  // namespace
}  // namespace mg::abm
