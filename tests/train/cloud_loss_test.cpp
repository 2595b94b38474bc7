// Distances between clouds: goldens, identities, gradients, and the device against the host.
#include "train/cloud_loss.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"
#include "train/sinkhorn.hpp"
#include "train/swarm_objective.hpp"

namespace mg::train {
namespace {

using test::Golden;
using test::Vec;

template <class T>
Buffer<T> up(const Exec& exec, const std::vector<T>& v) {
  Buffer<T> b(exec, v.size());
  b.upload(v);
  return b;
}

class CloudLossGoldenBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(CloudLossGoldenBackends);

TEST_P(CloudLossGoldenBackends, Densities) {
  const Exec exec{GetParam()};
  for (const auto& path : test::golden_files("abm", "loss_density_")) {
    const Golden g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    const auto x = g.values("in/x");
    const auto shape = g.shape("in/target");
    const Assignment a = g.params().at("kernel") == "cic" ? Assignment::cic : Assignment::tsc;
    const Domain domain = g.params().at("boundary") == "mirror" ? Domain::mirror : Domain::periodic;
    const Buffer<double> points = up(exec, x), target = up(exec, g.values("in/target")), value(exec, 1),
                         x_bar(exec, x.size());
    Workspace workspace;
    density_losses<double>(exec, a, domain, points.data(), int(x.size() / 2),
                           {target.data(), {1, 1, int(shape[0]), int(shape[1])}}, value.data(), x_bar.data(),
                           workspace);
    EXPECT_NEAR(value.to_vector()[0], g.values("out/mse")[0], 1e-12);
    MG_EXPECT_CLOSE(x_bar.to_vector(), g.values("bar/x"), 1e-9);
  }
}

/// Value and gradient of the lattice term alone.
std::pair<double, Vec> lattice_term(const Exec& exec, const Golden& g, const Vec& target, bool squared) {
  const auto shape = g.shape("in/P");
  const int c = int(shape[0]), h = int(shape[1]), w = int(shape[2]);
  Layout layout;
  layout.add("x", {1, 2}).add("u", {1, 2}).add("lattice", {c, h, w});
  Vec state(4), first(target.begin(), target.begin() + h * w);
  const auto p = g.values("in/P");
  state.insert(state.end(), p.begin(), p.end());
  SwarmObjectiveOptions o;
  o.transport = 0, o.squared_lattice = squared;
  SwarmObjective<double> objective(o);
  const Buffer<double> ink = up(exec, first), x = up(exec, state), x_bar(exec, state.size()), terms(exec, 4);
  zero_bytes(exec, x_bar.data(), state.size() * sizeof(double));
  ObjectiveInputs<double> inputs;
  inputs.target = {ink.data(), {1, 1, h, w}};
  objective.bind(exec, inputs);
  objective.begin(exec, {}, 1);
  objective.value(exec, 1, 1, {x.data(), &layout, 1});
  objective.totals(exec, terms.data());
  objective.adjoint(exec, 1, 1, {x.data(), &layout, 1}, {x_bar.data(), &layout, 1});
  auto bar = x_bar.to_vector();
  bar.erase(bar.begin(), bar.begin() + 4);
  return {terms.to_vector()[0], bar};
}

TEST_P(CloudLossGoldenBackends, Lattice) {
  const Exec exec{GetParam()};
  for (const auto& path : test::golden_files("abm", "loss_lattice")) {
    const Golden g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    ASSERT_EQ(g.params().at("observed"), 1) << "swarms show their first channel";
    for (const char* kind : {"rmse", "mse"}) {
      const auto [value, bar] = lattice_term(exec, g, g.values("in/target"), kind == std::string("mse"));
      EXPECT_NEAR(value, g.values(std::string("out/") + kind)[0], 1e-12);
      MG_EXPECT_CLOSE(bar, g.values(std::string("bar/") + kind), 1e-10);
    }
    const auto [value, bar] = lattice_term(exec, g, g.values("in/P"), false);
    EXPECT_NEAR(value, g.values("out/rmse_equal")[0], 1e-15);
    for (const double v : bar) EXPECT_EQ(v, 0);
  }
}

TEST(AssignmentGolden, ExactPermutations) {
  for (const auto& path : test::golden_files("abm", "assignment_")) {
    const Golden g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    const CloudMetric metric = g.params().at("metric") == "flat" ? CloudMetric::flat : CloudMetric::torus;
    const double length[2] = {g.params().at("length"), g.params().at("length")};
    int cases = 0;
    for (int n = 1; n <= 2000; ++n) {
      const std::string at = "n" + std::to_string(n) + "/";
      if (!g.file.contains(at + "x")) continue;
      ++cases;
      const auto x = g.values(at + "x"), y = g.values(at + "y");
      std::vector<int> to;
      EXPECT_NEAR(exact_assignment(metric, length, n, x.data(), y.data(), to), g.values(at + "cost")[0], 1e-12);
      MG_EXPECT_CLOSE(Vec(to.begin(), to.end()), g.file.at(at + "target").as_double(), 0);
      SinkhornOptions o;
      o.metric = metric, o.epsilon = 1e-3, o.iterations = 3000, o.threshold = 0;
      SinkhornResult<double> r;
      Workspace workspace;
      sinkhorn_divergence<double>(o, {n, x.data(), nullptr}, {n, y.data(), nullptr}, false, r, nullptr, nullptr,
                                  workspace);
      EXPECT_NEAR(r.divergence, g.values(at + "S")[0], 1e-9);
    }
    EXPECT_GT(cases, 0);
  }
}

class CloudLossBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(CloudLossBackends);

/// Two pairs of clouds of 6 and 4, 5 and 3 points, the second cloud weighted.
struct Pair {
  std::vector<int> nx = {6, 5}, ny = {4, 3};
  Vec y = test::random_vec(2 * 2 * 4, 5), weights = {1, 2, 0, 3, 2, 1, 1, 0};
  enum Kind { flat, torus, chordal, sliced, kinds };
  /// Values of both pairs, and the gradient of bar . values.
  std::pair<Vec, Vec> evaluate(const Exec& exec, int kind, const Vec& x, const Vec& bar) const {
    const double length[2] = {3, 2.5};
    const Buffer<double> xs = up(exec, x), ys = up(exec, y), ws = up(exec, weights), values(exec, 2),
                         x_bar(exec, x.size());
    Workspace workspace;
    const CloudBatch<double> a{nx, 6, xs.data(), nullptr}, b{ny, 4, ys.data(), ws.data()};
    if (kind == sliced)
      sliced_distances<double>(exec, 7, {11}, a, b, values.data(), x_bar.data(), workspace);
    else
      energy_distances<double>(exec, CloudMetric(kind), length, a, b, values.data(), x_bar.data(), workspace);
    auto g = x_bar.to_vector();
    for (std::size_t i = 0; i < g.size(); ++i) g[i] *= bar[i / 12];
    return {values.to_vector(), g};
  }
};

TEST_P(CloudLossBackends, GradientsFollowTaylor) {
  const Exec exec{GetParam()};
  const Pair pair;
  for (int kind = 0; kind < Pair::kinds; ++kind) {
    SCOPED_TRACE(kind);
    const auto f = [&](const Vec& x) { return pair.evaluate(exec, kind, x, {1, 1}).first; };
    const auto vjp = [&](const Vec& x, const Vec& bar) { return pair.evaluate(exec, kind, x, bar).second; };
    test::expect_taylor_rate(f, vjp, test::random_vec(24, 3));
  }
}

TEST_P(CloudLossBackends, DeviceEqualsHost) {
  const Exec exec{GetParam()};
  const Pair pair;
  const auto x = test::random_vec(24, 3);
  for (int kind = 0; kind < Pair::kinds; ++kind) {
    const auto host = pair.evaluate({}, kind, x, {1, 1}), here = pair.evaluate(exec, kind, x, {1, 1});
    MG_EXPECT_CLOSE(here.first, host.first, 1e-12);
    MG_EXPECT_CLOSE(here.second, host.second, 1e-12);
  }
}

TEST(CloudLoss, ShiftsAndEqualClouds) {
  auto x = test::random_vec(40, 3);
  auto y = x;
  Workspace workspace;
  Vec bar(x.size());
  double value = 1;
  const double length[2] = {1, 1};
  const CloudBatch<double> a{{20}, 20, x.data(), nullptr};
  energy_distances<double>({}, CloudMetric::flat, length, a, a, &value, bar.data(), workspace);
  EXPECT_NEAR(value, 0, 1e-13);
  sliced_distances<double>({}, 16, {3}, a, a, &value, bar.data(), workspace);
  EXPECT_NEAR(value, 0, 1e-13);
  for (std::size_t i = 0; i < y.size(); i += 2) y[i] += 0.3, y[i + 1] -= 0.2;
  sliced_distances<double>({}, 16, {3}, a, {{20}, 20, y.data(), nullptr}, &value, bar.data(), workspace);
  EXPECT_NEAR(value, 0.13 / 2, 1e-12);  // the mean of (v . direction)^2 over evenly spread directions
  for (std::size_t i = 0; i < bar.size(); i += 2) EXPECT_NEAR(bar[i], -0.3 / 20, 1e-12);
}

}  // namespace
}  // namespace mg::train
