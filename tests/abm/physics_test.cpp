// Agents against closed forms: budgets of mass, symmetries, free walks, modes of the lattice.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numeric>

#include "abm/agent_system.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg::abm {
namespace {

using Values = std::vector<double>;
constexpr double kTurn = 6.283185307179586;

struct World {
  World(const AgentSpec& s, Grid grid, unsigned seed = 1)
      : spec(s), system(s), layout(system.state_layout(grid)), params(system.param_layout().size()) {
    system.initialise(seed, params);
    state = test::random_vec(layout.size(), seed);
    for (int a = 0; a < spec.agents(); ++a) {
      const double angle = state[std::size_t(2 * spec.agents() + 2 * a)] * 3;
      for (int d = 0; d < 2; ++d) {
        state[std::size_t(2 * a + d)] =
            std::fmod(std::abs(state[std::size_t(2 * a + d)]) * 5, (d ? grid.w : grid.h) - 1);
        state[std::size_t(2 * spec.agents() + 2 * a + d)] = d == 0 ? std::cos(angle) : std::sin(angle);
      }
    }
  }
  double* lattice() { return state.data() + 4 * spec.agents(); }
  Values after(const Values& from, int k = 0) {
    Values next(from.size());
    StepIndex index;
    index.seed = 9, index.step = k;
    system.step({}, index, params.data(), {}, {from.data(), &layout, 1}, {next.data(), &layout, 1}, workspace);
    return next;
  }
  void step(int k) { state = after(state, k); }
  /// No weights: every agent moves straight on at half of max_speed and leaves `deposit` of every channel.
  void without_mind(double deposit) {
    for (const Block& b : system.param_layout().blocks()) {
      if (!b.name.starts_with("species")) continue;
      const bool last = b.name.find("deposit.1.bias") != std::string::npos;
      std::fill_n(params.begin() + std::ptrdiff_t(b.offset), b.size, last ? deposit : 0.0);
    }
  }
  AgentSpec spec;
  AgentSystem<double> system;
  Layout layout;
  Values params, state;
  Workspace workspace;
};
AgentSpec small(Domain domain = Domain::periodic) {
  AgentSpec s;
  s.species = {17}, s.channels = 2, s.domain = domain;
  s.hidden = s.head_hidden = {6};
  return s;
}

TEST(AgentPhysics, SteadyTrailHoldsWhatDepositsAndDecayBalance) {
  for (const Domain domain : {Domain::periodic, Domain::mirror})
    for (const Assignment assignment : {Assignment::cic, Assignment::tsc}) {
      AgentSpec s = small(domain);
      s.assignment = assignment, s.decay = 0.8, s.dt = 0.5, s.blur_radius = 3, s.blend = 0.4;
      World w(s, {9, 5});
      w.without_mind(0.7);
      for (int k = 0; k < 150; ++k) w.step(k);
      const double mass = std::accumulate(w.lattice(), w.lattice() + 45, 0.0);
      EXPECT_NEAR(mass, 0.8 * 17 * 0.7 * 0.5 / (1 - 0.8), 1e-11);
    }
}

/// Weights of a point over all nodes.
Values weights(Assignment a, Domain domain, double row, double column, int h, int w) {
  const AxisTaps<double> t0 = axis_taps(a, domain, row, h), t1 = axis_taps(a, domain, column, w);
  Values all(std::size_t(h * w));
  for (int i = 0; i < tap_count(a); ++i)
    for (int j = 0; j < tap_count(a); ++j) all[std::size_t(t0.node[i] * w + t1.node[j])] += t0.w[i] * t1.w[j];
  return all;
}
TEST(AgentPhysics, GatherIsExactForLinearFieldsAndScatterConserves) {
  for (const Assignment a : {Assignment::cic, Assignment::tsc})
    for (const auto& [row, column] : {std::pair{4.3, 3.9}, {5.0, 4.0}, {2.5, 6.5}}) {
      const Values w = weights(a, Domain::mirror, row, column, 9, 11);
      double linear = 0, sum = 0;
      for (int i = 0; i < 99; ++i) {
        linear += w[std::size_t(i)] * (1.5 + 2 * (i / 11) - 0.7 * (i % 11));
        sum += w[std::size_t(i)];
      }
      EXPECT_NEAR(linear, 1.5 + 2 * row - 0.7 * column, 1e-13);
      EXPECT_NEAR(sum, 1, 1e-15);
    }
  const Values centre = weights(Assignment::cic, Domain::periodic, 4, 4, 9, 9);  // all agents at a cell's centre
  EXPECT_EQ(centre[40], 1);
}

/// The state turned by a quarter: (i, j) -> (j, n - 1 - i).
Values turned(const Values& s, int agents, int n) {
  Values out(s.size());
  for (int a = 0; a < agents; ++a) {
    const auto x = std::size_t(2 * a), u = std::size_t(2 * agents + 2 * a);
    out[x] = s[x + 1], out[x + 1] = n - 1 - s[x];
    out[u] = s[u + 1], out[u + 1] = -s[u];
  }
  for (std::size_t at = std::size_t(4 * agents); at < s.size(); at += std::size_t(n * n))
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < n; ++j) out[at + std::size_t(j * n + n - 1 - i)] = s[at + std::size_t(i * n + j)];
  return out;
}
TEST(AgentPhysics, QuarterTurnsAndTranslationsAndNames) {
  for (const Sensing sensing : {Sensing::gradient, Sensing::sensors}) {
    AgentSpec s = small(Domain::mirror);
    s.sensing = sensing;
    World w(s, {8, 8});
    MG_EXPECT_CLOSE(w.after(turned(w.state, 17, 8)), turned(w.after(w.state), 17, 8), 1e-13);

    s.domain = Domain::periodic;
    World p(s, {8, 8});
    const auto shifted = [](Values v) {  // three rows down
      for (int a = 0; a < 17; ++a) v[std::size_t(2 * a)] = std::fmod(v[std::size_t(2 * a)] + 3, 8);
      for (int c = 0; c < 2; ++c)
        std::rotate(v.begin() + 68 + 64 * c, v.begin() + 68 + 64 * c + 40, v.begin() + 68 + 64 * (c + 1));
      return v;
    };
    MG_EXPECT_CLOSE(p.after(shifted(p.state)), shifted(p.after(p.state)), 1e-13);

    const auto renamed = [](Values v) {  // backwards
      for (int block = 0; block < 2; ++block)
        for (int a = 0; a < 8; ++a)
          std::swap_ranges(v.begin() + 34 * block + 2 * a, v.begin() + 34 * block + 2 * a + 2,
                           v.begin() + 34 * block + 2 * (16 - a));
      return v;
    };
    MG_EXPECT_CLOSE(p.after(renamed(p.state)), renamed(p.after(p.state)), 1e-14);
  }
}

TEST(AgentPhysics, FreeWalkHasTheDisplacementOfItsTurns) {
  AgentSpec s = small();
  s.species = {6000}, s.channels = 1, s.hidden = s.head_hidden = {1};
  s.max_speed = 2, s.noise = true, s.rotation_noise = 0.02, s.translation_noise = 1e-9;  // sigma = .2 rad a step
  World w(s, {8, 8});
  w.without_mind(0);
  Values walked(std::size_t(2 * 6000));
  const int n = 60;
  for (int k = 0; k < n; ++k) {
    const Values before = w.state;
    w.step(k);
    for (std::size_t i = 0; i < walked.size(); ++i) {
      const double d = w.state[i] - before[i];
      walked[i] += d - 8 * std::round(d / 8);
    }
  }
  double mean = 0, square = 0;
  for (std::size_t a = 0; a < walked.size(); a += 2) {
    const double r = walked[a] * walked[a] + walked[a + 1] * walked[a + 1];
    mean += r / 6000, square += r * r / 6000;
  }
  double expected = n;
  for (int m = 1; m < n; ++m) expected += 2 * (n - m) * std::exp(-0.02 * m);
  EXPECT_NEAR(expected, 2506.3, 0.1);
  EXPECT_NEAR(mean, expected, 4 * std::sqrt((square - mean * mean) / 6000));
}

TEST(AgentPhysics, CosinesFadeByTheTransformOfTheKernel) {
  AgentSpec s = small();
  s.blur_radius = 2, s.blur_sigma = 1.3, s.decay = 0.9, s.blend = 0.35;
  const int h = 12, width = 10;
  World w(s, {h, width});
  w.without_mind(0);
  const auto transform = [&](double wave) {
    double top = 0, sum = 0;
    for (int a = -2; a <= 2; ++a) {
      const double g = std::exp(-a * a / (2 * 1.3 * 1.3));
      top += g * std::cos(wave * a), sum += g;
    }
    return top / sum;
  };
  for (const auto& [p, q] : {std::pair{1, 0}, {2, 3}, {6, 5}}) {
    Values mode;
    for (int i = 0; i < h; ++i)
      for (int j = 0; j < width; ++j) mode.push_back(std::cos(kTurn * p * i / h) * std::cos(kTurn * q * j / width));
    std::copy(mode.begin(), mode.end(), w.lattice());
    for (int k = 0; k < 5; ++k) w.step(k);
    const double factor = 0.9 * (0.65 + 0.35 * transform(kTurn * p / h) * transform(kTurn * q / width));
    for (double& v : mode) v *= std::pow(factor, 5);
    MG_EXPECT_CLOSE(Values(w.lattice(), w.lattice() + h * width), mode, 1e-12);
  }
}

}  // namespace
}  // namespace mg::abm
