// The two rule-based demos of the reference, executed with the uniform numbers they drew; and what each quirk changes.
#include "abm/slime_demo.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/golden.hpp"

namespace mg::abm {
namespace {

using Values = std::vector<double>;

/// Runs the recorded steps; `transposed`: the reference holds pos and vel as [2][N].
void check_demo(const test::Golden& g, SlimeDemo demo) {
  SCOPED_TRACE(g.name);
  const auto& p = g.params();
  SlimeDemoSpec s;
  s.demo = demo;
  s.agents = p.at("agents"), s.turn = p.at("turn");
  s.speed = p.contains("speed") ? p.at("speed") : p.at("speed_after_first_turn");
  s.sensor_angle = p.at("sensor_angle"), s.sensor_length = p.at("sensor_length"), s.threshold = p.at("zero_thresh");
  if (p.contains("decay")) s.decay = p.at("decay");
  const int side = p.at("S");
  const bool transposed = g.shape("in/pos")[0] == 2;
  const auto pairs = [&](const double* v) {
    Values out(std::size_t(2 * s.agents));
    for (int a = 0; a < s.agents; ++a)
      for (int d = 0; d < 2; ++d) out[std::size_t(2 * a + d)] = transposed ? v[d * s.agents + a] : v[2 * a + d];
    return out;
  };
  const auto pos = g.values("traj/pos"), vel = g.values("traj/vel"), lattices = g.values("traj/lattice"),
             chance = g.values("noise/uniform");
  const std::size_t steps = g.shape("noise/uniform")[0], nodes = std::size_t(side * side);
  Values x = pairs(g.values("in/pos").data()), v = pairs(g.values("in/vel").data()), lattice = g.values("in/lattice");
  for (std::size_t k = 0; k < steps; ++k) {
    slime_demo_step(s, side, side, chance.data() + k * std::size_t(s.agents), x.data(), v.data(), lattice.data());
    MG_EXPECT_CLOSE(x, pairs(pos.data() + (k + 1) * x.size()), 1e-12);
    MG_EXPECT_CLOSE(v, pairs(vel.data() + (k + 1) * x.size()), 1e-12);
    const auto from = lattices.begin() + std::ptrdiff_t((k + 1) * nodes);
    MG_EXPECT_CLOSE(lattice, Values(from, from + std::ptrdiff_t(nodes)), 1e-12);
  }
}

TEST(SlimeDemoGolden, RecordedSteps) {
  for (const auto& path : test::golden_files("abm", "ref_slime_")) {
    const test::Golden g = test::load_golden(path);
    if (!g.file.contains("noise/uniform")) continue;  // the neural models are elsewhere
    check_demo(g, g.params().contains("speed_after_first_turn") ? SlimeDemo::at_once : SlimeDemo::one_by_one);
  }
}

/// The turn of one agent at (x, 8) on a lattice of 16 x 16.
double turn_of(const SlimeDemoSpec& s, double chance, Values lattice, double row = 8, double* end = nullptr) {
  Values x = {row, 8}, v = {1, 0};
  slime_demo_step(s, 16, 16, &chance, x.data(), v.data(), lattice.data());
  if (end != nullptr) *end = x[0];
  return std::atan2(v[1], v[0]);
}

TEST(SlimeDemo, Quirks) {
  SlimeDemoSpec s;
  s.agents = 1, s.sensor_length = 6;  // out of reach of its own deposit
  const Values empty(256);
  EXPECT_NEAR(turn_of(s, 0.5, empty), -0.3, 1e-12);  // nearly always to the right
  s.fair_when_empty = true;
  EXPECT_NEAR(turn_of(s, 0.5, empty), 0, 1e-12);
  EXPECT_NEAR(turn_of(s, 0.9, empty), 0.3, 1e-12);

  Values edge(256);
  edge[std::size_t((8 + 6 + 3) % 16 * 16 + 8)] = 1;  // three nodes beyond the centre of the front sensor
  s.threshold = 0.5;
  EXPECT_NEAR(turn_of(s, 0.1, edge), -0.3, 1e-12);  // not smelt
  s.symmetric_window = true;
  EXPECT_NEAR(turn_of(s, 0.1, edge), 0, 1e-12);

  double end = 0;
  turn_of(s, 0.5, empty, 14.9, &end);
  EXPECT_NEAR(end, 0.2, 1e-12);
  s.full_torus = true;
  turn_of(s, 0.5, empty, 14.9, &end);
  EXPECT_NEAR(end, 15.2, 1e-12);

  s = SlimeDemoSpec();
  s.demo = SlimeDemo::at_once, s.agents = 1, s.sensor_length = 4;
  Values left(256);
  const int row = 8 + int(std::rint(4 * std::cos(0.6))), column = 8 + int(std::rint(4 * std::sin(0.6)));
  left[std::size_t(row * 16 + column)] = 10;
  EXPECT_LT(turn_of(s, 0.99, left), 0.2);  // never follows the left sensor's own smell
  s.own_weights = true;
  EXPECT_NEAR(turn_of(s, 0.99, left), 0.3, 1e-12);
}

}  // namespace
}  // namespace mg::abm
