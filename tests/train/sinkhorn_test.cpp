// Sinkhorn divergence: potentials, values and gradients against an independent implementation, and identities.
#include "train/sinkhorn.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/threads.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg::train {
namespace {

using test::Golden;

template <class T>
std::vector<T> cast(const std::vector<double>& v) {
  return {v.begin(), v.end()};
}

SinkhornOptions options_of(const Golden& g) {
  const auto& p = g.params();
  SinkhornOptions o;
  const std::string metric = p.at("metric");
  o.metric = metric == "flat" ? CloudMetric::flat : metric == "torus" ? CloudMetric::torus : CloudMetric::chordal;
  for (int d = 0; d < 2; ++d) o.length[d] = p.at("length").at(std::size_t(d));
  o.epsilon = p.at("eps");
  o.annealing = p.at("annealed").get<bool>() ? 0.5 : 0;
  o.threshold = 0;
  return o;
}

template <class T>
void check_case(const Golden& g, double bound, double gradient_bound) {
  SCOPED_TRACE(g.name);
  const auto x = cast<T>(g.values("in/x")), y = cast<T>(g.values("in/y")), a = cast<T>(g.values("in/a")),
             b = cast<T>(g.values("in/b"));
  const int n = int(a.size()), m = int(b.size());
  for (const int iterations : g.params().at("iterations").get<std::vector<int>>()) {
    SinkhornOptions o = options_of(g);
    o.iterations = iterations;
    const std::string at = "it" + std::to_string(iterations) + "/";
    if (o.annealing > 0) {  // ends below the floor: it is the last value of the schedule
      const auto schedule = g.values(at + "eps_schedule");
      o.annealing_start = schedule.front();
      EXPECT_EQ(schedule.back(), o.epsilon);
    }
    SinkhornResult<T> r;
    const bool warm = g.params().at("warm_start");
    if (warm) {
      r.potentials = cast<T>(g.values("in/f0"));
      r.potentials.resize(std::size_t(2 * (n + m)));
    }
    std::vector<T> x_bar(x.size()), y_bar(y.size());
    Workspace workspace;
    sinkhorn_divergence<T>(o, {n, x.data(), a.data()}, {m, y.data(), b.data()}, warm, r, x_bar.data(), y_bar.data(),
                           workspace);
    EXPECT_EQ(r.iterations, iterations);
    EXPECT_NEAR(r.divergence, g.values(at + "S")[0], bound * 10);
    EXPECT_NEAR(r.xy, g.values(at + "OT_xy")[0], bound * (1 + std::abs(r.xy)));
    EXPECT_NEAR(r.xx, g.values(at + "OT_xx")[0], bound * (1 + std::abs(r.xx)));
    EXPECT_NEAR(r.yy, g.values(at + "OT_yy")[0], bound * (1 + std::abs(r.yy)));
    if (sizeof(T) == 8) {
      auto want = g.values(at + "f_xy");
      for (const char* name : {"g_xy", "f_xx", "f_yy"})
        for (const double v : g.values(at + name)) want.push_back(v);
      MG_EXPECT_CLOSE(r.potentials, want, bound);
      EXPECT_NEAR(r.column_error, g.values(at + "column_error")[0], 1e-9);
    }
    const auto close = [&](const std::vector<T>& got, const std::vector<double>& want) {
      for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], gradient_bound) << at << i;
    };
    close(x_bar, g.values(at + "bar_envelope/x"));
    close(y_bar, g.values(at + "bar_envelope/y"));
  }
  if (!g.file.contains("iterations_to_stop") || sizeof(T) == 4) return;
  SinkhornOptions o = options_of(g);
  o.threshold = 1e-3;
  SinkhornResult<T> r;
  Workspace workspace;
  sinkhorn_divergence<T>(o, {n, x.data(), a.data()}, {m, y.data(), b.data()}, false, r, nullptr, nullptr, workspace);
  EXPECT_EQ(r.iterations, g.file.at("iterations_to_stop").as_double()[0]);
}

TEST(SinkhornGolden, Double) {
  for (const auto& path : test::golden_files("abm", "sinkhorn_"))
    check_case<double>(test::load_golden(path), 1e-9, 1e-9);
}
TEST(SinkhornGolden, Float) {
  for (const auto& path : test::golden_files("abm", "sinkhorn_"))
    check_case<float>(test::load_golden(path), 2e-5, 1e-4);
}

struct Clouds {
  std::vector<double> x, y;
  SinkhornOptions options;
  Workspace workspace;
  double divergence(const std::vector<double>& from, const std::vector<double>& to, double* x_bar = nullptr) {
    SinkhornResult<double> r;
    sinkhorn_divergence<double>(options, {int(from.size() / 2), from.data()}, {int(to.size() / 2), to.data()}, false, r,
                                x_bar, nullptr, workspace);
    return r.divergence;
  }
};

TEST(Sinkhorn, ShiftedCloudCostsTheSquaredShift) {
  Clouds c;
  c.options.epsilon = 2, c.options.threshold = 1e-14;
  c.x = test::random_vec(22, 1);
  c.y = c.x;
  for (std::size_t i = 0; i < c.y.size(); i += 2) c.y[i] += 0.3, c.y[i + 1] -= 0.2;
  std::vector<double> bar(c.x.size());
  EXPECT_NEAR(c.divergence(c.x, c.y, bar.data()), 0.13, 1e-10);
  for (std::size_t i = 0; i < bar.size(); i += 2) {
    EXPECT_NEAR(bar[i], -2 * 0.3 / 11, 1e-9);
    EXPECT_NEAR(bar[i + 1], 2 * 0.2 / 11, 1e-9);
  }
  EXPECT_NEAR(c.divergence(c.x, c.x), 0, 1e-12);
}

/// A wide blur settles between the clouds at once, inside them the error only halves at every iteration.
TEST(Sinkhorn, ThresholdHoldsInsideTheCloudsToo) {
  Clouds c;
  c.options.epsilon = 0.5;
  c.x = test::random_vec(30, 1), c.y = test::random_vec(24, 2);
  for (auto* cloud : {&c.x, &c.y})
    for (double& v : *cloud) v *= 0.3;
  std::vector<double> stopped(c.x.size()), exact(c.x.size());
  c.options.threshold = 1e-12;
  const double value = c.divergence(c.x, c.y, stopped.data());
  c.options.threshold = 0, c.options.iterations = 500;
  EXPECT_NEAR(value, c.divergence(c.x, c.y, exact.data()), 1e-11);
  for (std::size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(stopped[i], exact[i], 1e-10) << i;
}

TEST(Sinkhorn, TorusKnowsNoOrigin) {
  Clouds c;
  c.options.metric = CloudMetric::torus, c.options.epsilon = 0.05, c.options.threshold = 1e-10;
  c.x = {.05, .1, .95, .5, .5, .9};
  c.y = {.9, .15, .1, .6};
  EXPECT_NEAR(c.divergence(c.x, c.y), 0.0754632792038, 1e-9);
  auto x = c.x, y = c.y;
  for (auto* cloud : {&x, &y})
    for (double& v : *cloud) v += 0.37;
  EXPECT_NEAR(c.divergence(x, y), 0.0754632792038, 1e-9);
}

TEST(Sinkhorn, SameBitsForAnyNumberOfThreads) {
  Clouds c;
  c.x = test::random_vec(300, 1), c.y = test::random_vec(200, 2);
  c.options.epsilon = 0.05, c.options.iterations = 5;
  std::vector<double> one(c.x.size()), all(c.x.size());
  const double all_value = c.divergence(c.x, c.y, all.data());
#ifdef _OPENMP
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
#endif
  EXPECT_EQ(c.divergence(c.x, c.y, one.data()), all_value);
#ifdef _OPENMP
  omp_set_num_threads(threads);
#endif
  EXPECT_EQ(one, all);
}

TEST(Sinkhorn, RefusesWhatHasNoAnswer) {
  Clouds c;
  c.x = {0, 0}, c.y = {1, 1};
  c.options.epsilon = 0;
  EXPECT_THROW(c.divergence(c.x, c.y), std::invalid_argument);
  c.options.epsilon = 1;
  EXPECT_THROW(c.divergence({}, c.y), std::invalid_argument);
  EXPECT_THROW(c.divergence({std::nan(""), 0}, c.y), std::invalid_argument);
}

class SinkhornBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(SinkhornBackends);

/// Three pairs of clouds of different sizes; the second has a point that is not finite if `broken`.
struct Batch {
  static constexpr int kX = 9, kY = 7;
  std::vector<int> nx = {9, 4, 1}, ny = {5, 7, 6};
  std::vector<double> x = test::random_vec(2 * 3 * kX, 1), y = test::random_vec(2 * 3 * kY, 2), weights;
  std::vector<double> potentials, x_bar, y_bar;
  std::vector<SinkhornReport> reports;

  explicit Batch(bool broken) {
    for (int i = 0; i < 3 * kY; ++i) weights.push_back(i % 4 == 3 ? 0 : 1 + i % 3);
    if (broken) x[2 * kX + 3] = std::nan("");
  }
  void solve(const Exec& exec, const SinkhornOptions& options, bool warm = false) {
    const auto up = [&](const std::vector<double>& v) {
      Buffer<double> b(exec, v.size());
      b.upload(v);
      return b;
    };
    const Buffer<double> xs = up(x), ys = up(y), ws = up(weights), xb(exec, x.size()), yb(exec, y.size());
    if (!warm) potentials.assign(2 * 3 * (kX + kY), 0.0);
    const Buffer<double> p = up(potentials);
    const Buffer<SinkhornReport> r(exec, 3);
    Workspace workspace;
    sinkhorn_divergences<double>(exec, options, {nx, kX, xs.data(), nullptr}, {ny, kY, ys.data(), ws.data()}, warm,
                                 {p.data(), xb.data(), yb.data(), r.data()}, workspace);
    potentials = p.to_vector(), x_bar = xb.to_vector(), y_bar = yb.to_vector(), reports = r.to_vector();
  }
};

TEST_P(SinkhornBackends, BatchEqualsItsPairs) {
  for (const CloudMetric metric : {CloudMetric::flat, CloudMetric::torus, CloudMetric::chordal})
    for (int kind = 0; kind < 4; ++kind) {
      SCOPED_TRACE("metric " + std::to_string(int(metric)) + " kind " + std::to_string(kind));
      SinkhornOptions o;
      o.metric = metric, o.epsilon = 0.2, o.iterations = kind == 1 ? 400 : 8, o.threshold = kind == 1 ? 1e-6 : 0;
      o.length[0] = 1.5;
      if (kind == 2) o.annealing = 0.5;
      o.relative = kind == 3;
      Batch batch(false);
      batch.solve({GetParam()}, o);
      for (std::size_t b = 0; b < 3; ++b) {
        SinkhornResult<double> r;
        const auto n = std::size_t(batch.nx[b]), m = std::size_t(batch.ny[b]);
        std::vector<double> x_bar(2 * n), y_bar(2 * m);
        Workspace workspace;
        sinkhorn_divergence<double>(o, {int(n), &batch.x[2 * b * batch.kX], nullptr},
                                    {int(m), &batch.y[2 * b * batch.kY], &batch.weights[b * batch.kY]}, false, r,
                                    x_bar.data(), y_bar.data(), workspace);
        const SinkhornReport& got = batch.reports[b];
        EXPECT_NEAR(got.divergence, r.divergence, 1e-12);
        EXPECT_NEAR(got.xy, r.xy, 1e-12);
        EXPECT_NEAR(got.xx, r.xx, 1e-12);
        EXPECT_NEAR(got.yy, r.yy, 1e-12);
        EXPECT_NEAR(got.row_error, r.row_error, 1e-12);
        EXPECT_NEAR(got.column_error, r.column_error, 1e-12);
        EXPECT_EQ(got.iterations, r.iterations);
        EXPECT_EQ(got.converged, r.converged);
        for (std::size_t i = 0; i < x_bar.size(); ++i)
          EXPECT_NEAR(batch.x_bar[2 * b * batch.kX + i], x_bar[i], 1e-12) << i;
        for (std::size_t i = 0; i < y_bar.size(); ++i)
          EXPECT_NEAR(batch.y_bar[2 * b * batch.kY + i], y_bar[i], 1e-12) << i;
        for (std::size_t i = x_bar.size(); i < 2 * std::size_t(batch.kX); ++i)
          EXPECT_EQ(batch.x_bar[2 * b * batch.kX + i], 0);
      }
    }
}

TEST_P(SinkhornBackends, WarmStartGoesOnAndRerunsAreTheSame) {
  SinkhornOptions o;
  o.epsilon = 0.1, o.threshold = 0, o.iterations = 12;
  Batch whole(false), again(false), parts(false);
  whole.solve({GetParam()}, o);
  again.solve({GetParam()}, o);
  EXPECT_EQ(whole.x_bar, again.x_bar);
  o.iterations = 6;
  parts.solve({GetParam()}, o);
  parts.solve({GetParam()}, o, true);
  MG_EXPECT_CLOSE(parts.x_bar, whole.x_bar, 1e-12);
}

TEST_P(SinkhornBackends, BrokenPairHasNoValueAndHarmsNoOther) {
  SinkhornOptions o;
  o.epsilon = 0.1, o.iterations = 10;
  Batch good(false), broken(true);
  good.solve({GetParam()}, o);
  broken.solve({GetParam()}, o);
  EXPECT_TRUE(std::isnan(broken.reports[1].divergence));
  EXPECT_FALSE(broken.reports[1].converged);
  for (int i = 0; i < 2 * Batch::kX; ++i) {
    EXPECT_EQ(broken.x_bar[std::size_t(i)], good.x_bar[std::size_t(i)]);
    EXPECT_EQ(broken.x_bar[std::size_t(2 * Batch::kX + i)], 0);
  }
  EXPECT_EQ(broken.reports[2].divergence, good.reports[2].divergence);
}

}  // namespace
}  // namespace mg::train
