// What each quirk of the reference changes, one at a time, and the adjoint without any of them.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "abm/ant_senses.hpp"
#include "abm/ant_system.hpp"
#include "core/validate.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg::abm {
namespace {

using Values = std::vector<double>;

AntSpec small(AntKind kind = AntKind::chemotaxis) {
  AntSpec s;
  s.kind = kind;
  s.agents = 2, s.channels = 1, s.dt = 0.5, s.decay = 1;
  return s;
}
/// A lattice of n x n, and what becomes of it.
struct World {
  World(const AntSpec& s, int side, Values at, Values velocity, Values plane)
      : spec(s), system(s), layout(system.state_layout({side, side})), params(system.param_layout().size()) {
    system.initialise(3, params);
    state = std::move(at);
    state.insert(state.end(), velocity.begin(), velocity.end());
    state.insert(state.end(), plane.begin(), plane.end());
    EXPECT_EQ(state.size(), layout.size());
  }
  Values step() {
    Values next(state.size());
    Workspace workspace;
    system.step({}, {}, params.data(), {}, {state.data(), &layout, 1}, {next.data(), &layout, 1}, workspace);
    return next;
  }
  AntSpec spec;
  AntSystem<double> system;
  Layout layout;
  Values params, state;
};
Values plane_of(int side, double (*f)(int, int)) {
  Values p;
  for (int i = 0; i < side; ++i)
    for (int j = 0; j < side; ++j) p.push_back(f(i, j));
  return p;
}
double slope(AntSpec spec, int k, const Values& plane, int side, double angle, double row = 10) {
  const double x[2] = {row, 10}, v[2] = {std::cos(angle), std::sin(angle)};
  return AntSenses<double>(spec, side, side, x, v).feel(k, plane.data());
}

TEST(AntQuirks, FrameGainAndShift) {
  const Values rows = plane_of(48, [](int i, int) { return double(i); });
  AntSpec s = small();
  EXPECT_NEAR(slope(s, 1, rows, 48, 0), 0, 1e-12);
  EXPECT_NEAR(slope(s, 2, rows, 48, 0), 8, 1e-12);
  s.quirks.mirrored_frame = false;
  EXPECT_NEAR(slope(s, 1, rows, 48, 0), 8, 1e-12);
  EXPECT_NEAR(slope(s, 2, rows, 48, 0.5), -8 * std::sin(0.5), 1e-12);
  s.quirks.raw_gains = false;
  EXPECT_NEAR(slope(s, 1, rows, 48, 0.5), std::cos(0.5), 1e-12);
  EXPECT_NEAR(slope(s, 0, rows, 48, 0.5), 10, 1e-12);
  s.kind = AntKind::wavelet;
  EXPECT_NEAR(slope(s, 1, rows, 48, 1.2), std::cos(1.2), 2e-2);
  s.quirks.raw_gains = true;
  EXPECT_NEAR(slope(s, 1, rows, 48, 0), 2.325, 1e-3);

  const Values squares = plane_of(48, [](int i, int) { return double(i * i); });
  AntSpec walled = small();
  walled.periodic = walled.quirks.mirrored_frame = false;
  EXPECT_NEAR(slope(walled, 1, squares, 48, 0), 8 * 2 * 11, 1e-9);  // one node off
  walled.quirks.shifted_slopes = false;
  EXPECT_NEAR(slope(walled, 1, squares, 48, 0), 8 * 2 * 10, 1e-9);
}

TEST(AntQuirks, DepositsOfAgentsOnOneNode) {
  AntSpec s = small();
  s.quirks.lattice_clip = false;
  const Values ground(36, 5.0);
  World both(s, 6, {2, 2, 2.2, 1.9}, {1, 0, 0, 1}, ground);
  const double last = both.step()[8 + 14];
  AntSpec alone = s;
  alone.agents = 1;
  const double second = World(alone, 6, {2.2, 1.9}, {0, 1}, ground).step()[4 + 14];
  EXPECT_NEAR(last, second, 1e-14);  // as if the first were not there
  s.quirks.last_deposit_wins = false;
  const double first = World(alone, 6, {2, 2}, {1, 0}, ground).step()[4 + 14];
  EXPECT_NEAR(World(s, 6, {2, 2, 2.2, 1.9}, {1, 0, 0, 1}, ground).step()[8 + 14] - 5, first - 5 + second - 5, 1e-13);
  EXPECT_GT(std::abs(first - 5), 1e-3);
}

TEST(AntQuirks, OutsideClipAndDiffusion) {
  AntSpec s = small();
  s.quirks.lattice_clip = false;
  const Values ground(36, 5.0);
  const auto sum = [](const Values& v) { return std::accumulate(v.begin() + 8, v.end(), 0.0); };
  const Values at = {5.7, 2, 5.8, 4};  // both round to index 6
  EXPECT_EQ(sum(World(s, 6, at, {1, 0, 0, 1}, ground).step()), 180);
  s.quirks.drop_outside = false;
  EXPECT_NE(sum(World(s, 6, at, {1, 0, 0, 1}, ground).step()), 180);

  s = small();
  s.quirks.drop_outside = true;
  EXPECT_EQ(World(s, 6, at, {1, 0, 0, 1}, ground).step()[8], 1);  // clipped
  s.quirks.lattice_clip = false;
  EXPECT_EQ(World(s, 6, at, {1, 0, 0, 1}, ground).step()[8], 5);

  Values point(121), out(121);
  point[60] = 1;
  s.blur = 1;
  ant_diffuse(s, 11, 11, point.data(), out.data());
  EXPECT_NEAR(std::accumulate(out.begin(), out.end(), 0.0), 0.97795, 1e-5);
  s.quirks.raw_diffusion = false;
  ant_diffuse(s, 11, 11, point.data(), out.data());
  EXPECT_NEAR(std::accumulate(out.begin(), out.end(), 0.0), 1, 1e-14);
}

TEST(AntQuirks, TurnsOfOthersAndWalls) {
  AntSpec s = small();
  const Values hills = plane_of(48, [](int i, int j) { return std::sin(0.4 * i) + std::cos(0.3 * j * j); });
  const Values at = {4, 4, 20, 30}, velocity = {1, 0, 0, 1};
  const auto turn = [&](const AntSpec& spec, int a) {
    const auto next = World(spec, 48, at, velocity, hills).step();
    return std::atan2(next[std::size_t(4 + 2 * a + 1)], next[std::size_t(4 + 2 * a)]) -
           std::atan2(velocity[std::size_t(2 * a + 1)], velocity[std::size_t(2 * a)]);
  };
  EXPECT_NEAR(turn(s, 0), turn(s, 1), 1e-14);
  s.quirks.turn_of_first = false;
  EXPECT_GT(std::abs(turn(s, 0) - turn(s, 1)), 1e-4);

  double x = 0.2, v = -0.05;
  for (const double want : {0.25, 0.2, 0.25}) {  // flipped back outwards for ever
    x += x == 0.2 ? std::abs(v) : -std::abs(v);
    v = x > 0.21 ? 0.05 : -0.05;
    const double before = v;
    ant_wall(48, x, v);
    EXPECT_NEAR(x, want, 1e-12);
    EXPECT_EQ(v, -before);
  }
  s.periodic = false;
  const auto last = [&](const AntSpec& spec) { return World(spec, 48, at, velocity, hills).step()[8]; };
  EXPECT_EQ(last(s), 1);  // the ramp in the corner
  s.quirks.wall_signal = s.quirks.lattice_clip = false;
  EXPECT_NEAR(last(s), hills[0], 1e-12);
  s = small();
  s.periodic = false;
  EXPECT_THROW(AntSystem<double>(s).state_layout({40, 48}), std::invalid_argument);
}

TEST(AntQuirks, KeysOfTheConfiguration) {
  const auto spec = [](const char* text) {
    return ant_spec(validate_config(ant_schema(), parse_config(text, "test")));
  };
  EXPECT_TRUE(spec("{}").quirks.turn_of_first);
  EXPECT_FALSE(spec(R"({"preset": "corrected"})").quirks.turn_of_first);
  const AntSpec one = spec(R"({"preset": "corrected", "deposit": "last_wins", "activation": "swish"})");
  EXPECT_TRUE(one.quirks.last_deposit_wins);
  EXPECT_FALSE(one.quirks.raw_gains);
  EXPECT_EQ(one.quirks.activation, Activation::swish);
}

TEST(AntQuirks, TaylorWithoutThem) {
  for (const AntKind kind : {AntKind::chemotaxis, AntKind::wavelet, AntKind::slime}) {
    AntSpec s = small(kind);
    s.agents = 7, s.channels = 2, s.decay = 0.9, s.blur = 2, s.periodic = false, s.sensor_length = 0.2;
    s.quirks = AntQuirks::none();
    const AntSystem<double> system(s);
    const Layout layout = system.state_layout({7, 7});
    Values z(system.param_layout().size());
    system.initialise(2, z);
    const std::size_t params = z.size();
    const auto start = test::random_vec(layout.size(), 8);
    z.insert(z.end(), start.begin(), start.end());
    for (std::size_t i = 0; i < 14; ++i) z[params + i] = 1.1 + double(i % 4);  // no node changes nearby
    Workspace workspace;
    const auto f = [&](const test::Vec& at) {
      test::Vec out(layout.size());
      system.step({}, {}, at.data(), {}, {at.data() + params, &layout, 1}, {out.data(), &layout, 1}, workspace);
      return out;
    };
    const auto vjp = [&](const test::Vec& at, const test::Vec& bar) {
      test::Vec out(at.size());
      system.step_adjoint({}, {}, at.data(), {}, {at.data() + params, &layout, 1}, {bar.data(), &layout, 1},
                          {out.data() + params, &layout, 1}, out.data(), workspace);
      return out;
    };
    test::expect_taylor_rate(f, vjp, z);
  }
}

}  // namespace
}  // namespace mg::abm
