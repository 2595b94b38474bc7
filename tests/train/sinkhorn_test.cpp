// Sinkhorn divergence: potentials, values and gradients against an independent implementation, and identities.
#include "train/sinkhorn.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/threads.hpp"
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

}  // namespace
}  // namespace mg::train
