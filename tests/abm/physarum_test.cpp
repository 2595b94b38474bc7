// Rule-based particles: what the rules keep whatever the numbers, and the network that they are known for.
#include "abm/physarum.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"

namespace mg::abm {
namespace {

class PhysarumBackends : public test::OnEachBackend {};

struct World {
  World(const PhysarumSpec& spec, Grid grid, int batch, Exec e)
      : exec(e), agents(spec.agents), samples(batch), system(spec), layout(system.state_layout(grid)) {
    std::vector<double> start(layout.size() * std::size_t(batch));
    const StateView<double> view{start.data(), &layout, batch};
    RandomStream stream;
    for (int i = 0; i < batch * agents; ++i) {
      const Philox4 words = stream.words(std::uint32_t(i));
      // Exclusive worlds start with at most one particle a node.
      const int node = (i % agents) * 7 % (grid.h * grid.w);
      view.block(0)[2 * i] = node / grid.w, view.block(0)[2 * i + 1] = node % grid.w;
      const double angle = 6.28 * uniform01<double>(words.v[0]);
      view.block(1)[2 * i] = std::cos(angle), view.block(1)[2 * i + 1] = std::sin(angle);
    }
    a = Buffer<double>(exec, start.size()), b = Buffer<double>(exec, start.size());
    a.upload(start);
  }
  void advance(int steps) {
    for (int k = 0; k < steps; ++k) {
      StepIndex index;
      index.step = step++;
      system.step(exec, index, nullptr, {}, {a.data(), &layout, samples}, {b.data(), &layout, samples}, workspace);
      std::swap(a, b);
    }
  }
  std::vector<double> state() const { return a.to_vector(); }
  Exec exec;
  int agents, samples, step = 0;
  PhysarumSystem<double> system;
  Layout layout;
  Buffer<double> a, b;
  Workspace workspace;
};

PhysarumSpec small() {
  PhysarumSpec s;
  s.agents = 60;
  s.sensor_offset = 3;
  return s;
}

TEST_P(PhysarumBackends, AgreesWithTheHost) {
  for (const bool exclusive : {true, false}) {
    PhysarumSpec s = small();
    s.exclusive = exclusive;
    World host(s, {13, 11}, 2, {}), other(s, {13, 11}, 2, {GetParam(), nullptr});
    host.advance(5), other.advance(5);
    MG_EXPECT_CLOSE(other.state(), host.state(), 1e-12);
  }
}
MG_INSTANTIATE_BACKENDS(PhysarumBackends);

TEST(Physarum, NeverTwoOnANode) {
  World w(small(), {13, 11}, 1, {});
  for (int k = 0; k < 20; ++k) {
    w.advance(1);
    const auto s = w.state();
    std::set<std::pair<int, int>> nodes;
    for (int i = 0; i < w.agents; ++i)
      nodes.insert({int(std::rint(s[std::size_t(2 * i)])) % 13, int(std::rint(s[std::size_t(2 * i + 1)])) % 11});
    EXPECT_EQ(int(nodes.size()), w.agents) << "step " << k;
  }
}

TEST(Physarum, TrailTakesWhatMoversLeave) {
  PhysarumSpec s = small();
  s.exclusive = false;
  World w(s, {13, 11}, 1, {});
  w.advance(1);
  const auto state = w.state();
  const double mass = std::accumulate(state.end() - 13 * 11, state.end(), 0.0);
  EXPECT_NEAR(mass, (1 - s.decay) * s.deposit * s.agents, 1e-9);  // the mean of 3 x 3 keeps the sum
  for (int i = 0; i < w.agents; ++i)
    EXPECT_NEAR(std::hypot(state[std::size_t(2 * (w.agents + i))], state[std::size_t(2 * (w.agents + i) + 1)]), 1,
                1e-12);
}

TEST(Physarum, TurnsTowardsTheStrongerSmell) {
  PhysarumSpec s = small();
  s.agents = 1, s.exclusive = false, s.deposit = 0;
  World w(s, {21, 21}, 1, {});
  auto state = w.state();
  state[0] = 10, state[1] = 10, state[2] = 1, state[3] = 0;  // at the centre, heading down axis 0
  for (int i = 0; i < 21; ++i)
    for (int j = 11; j < 21; ++j) state[std::size_t(4 + i * 21 + j)] = 1;  // to its left: axis 0 turned towards axis 1
  w.a.upload(state);
  w.advance(1);
  const auto after = w.state();
  EXPECT_NEAR(after[2], std::cos(s.rotation_angle), 1e-12);
  EXPECT_NEAR(after[3], std::sin(s.rotation_angle), 1e-12);
}

TEST(Physarum, TrailCondensesIntoANetwork) {
  PhysarumSpec s = small();
  s.agents = 600;
  World w(s, {64, 64}, 1, {});
  w.advance(300);
  const auto state = w.state();
  const double mean = std::accumulate(state.end() - 64 * 64, state.end(), 0.0) / (64 * 64);
  int low = 0;
  for (auto v = state.end() - 64 * 64; v != state.end(); ++v) low += *v < mean / 4;
  EXPECT_GT(low, 64 * 64 / 4) << "a network leaves empty holes; without chemotaxis the trail stays near its mean";
}

}  // namespace
}  // namespace mg::abm
