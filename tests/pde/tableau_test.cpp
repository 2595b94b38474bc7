#include "pde/tableau.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace mg::pde {
namespace {

const Tableau* const kAll[] = {&euler(), &heun(),   &ssp_rk3(), &petsc_rk3(), &bosh3(),
                               &rk4(),   &dopri5(), &tsit5(),   &dopri8()};

TEST(Tableau, RowsSumToTheirTimes) {
  for (const Tableau* t : kAll)
    for (int i = 0; i < t->stages; ++i) {
      double sum = 0;
      for (int j = 0; j < i; ++j) sum += t->a[i][j];
      EXPECT_NEAR(sum, t->c[i], 2e-14) << t->name << " row " << i;
    }
}

/// Conditions of order 1 to 4 that weights w of theta must meet, with powers of theta; and the quadrature ones of all orders.
void expect_order(const Tableau& t, const double* w, double theta, int order, const std::string& what) {
  const int s = t.stages;
  const auto sum = [&](const std::function<double(int)>& f) {
    double total = 0;
    for (int i = 0; i < s; ++i) total += w[i] * f(i);
    return total;
  };
  const auto a_times = [&](const std::function<double(int)>& f) {
    return [&t, f](int i) {
      double total = 0;
      for (int j = 0; j < i; ++j) total += t.a[i][j] * f(j);
      return total;
    };
  };
  for (int p = 1; p <= order; ++p)
    EXPECT_NEAR(sum([&](int i) { return std::pow(t.c[i], p - 1); }), std::pow(theta, p) / p, 1e-12) << what << " " << p;
  const auto c = [&](int i) { return t.c[i]; };
  const auto c2 = [&](int i) { return t.c[i] * t.c[i]; };
  if (order < 3) return;
  EXPECT_NEAR(sum(a_times(c)), std::pow(theta, 3) / 6, 1e-12) << what;
  if (order < 4) return;
  const auto ac = a_times(c);
  EXPECT_NEAR(sum([&](int i) { return t.c[i] * ac(i); }), std::pow(theta, 4) / 8, 1e-12) << what;
  EXPECT_NEAR(sum(a_times(c2)), std::pow(theta, 4) / 12, 1e-12) << what;
  EXPECT_NEAR(sum(a_times(ac)), std::pow(theta, 4) / 24, 1e-12) << what;
}

TEST(Tableau, WeightsMeetTheOrderConditions) {
  for (const Tableau* t : kAll) {
    expect_order(*t, t->b, 1, t->order, std::string(t->name));
    if (!t->has_error) continue;
    double embedded[Tableau::kMost];
    for (int i = 0; i < t->stages; ++i) embedded[i] = t->b[i] - t->e[i];
    expect_order(*t, embedded, 1, t->order - 1, std::string(t->name) + " embedded");
  }
}

TEST(Tableau, DenseOutputMeetsItsOrderAndTheEnds) {
  for (const Tableau* t : kAll) {
    const int order = t->dense == Tableau::Dense::linear      ? 1
                      : t->dense == Tableau::Dense::hermite   ? std::min(3, t->order)
                      : t->dense == Tableau::Dense::quadratic ? 2
                                                              : 4;
    for (const double theta : {0., .3, .71, 1.}) {
      const DenseWeights w = dense_weights(*t, theta);
      EXPECT_NEAR(w.y0 + w.y1, 1, 1e-12) << t->name;
      double b[Tableau::kMost];
      for (int i = 0; i < t->stages; ++i) b[i] = w.slope[i] + w.y1 * t->b[i];
      // the last slope of Heun is not that of its end: only its second order holds between
      expect_order(*t, b, theta, t == &heun() ? 2 : order, std::string(t->name));
      if (theta != 0 && theta != 1) continue;
      for (int i = 0; i < t->stages; ++i)
        EXPECT_NEAR(b[i], theta * t->b[i], t == &dopri8() ? 1e-8 : 1e-13) << t->name << " slope " << i;
    }
  }
}

TEST(Tableau, StabilityLimitsOnTheNegativeAxis) {
  EXPECT_NEAR(real_stability_limit(euler()), 2, 1e-9);
  EXPECT_NEAR(real_stability_limit(heun()), 2, 1e-9);
  EXPECT_NEAR(real_stability_limit(ssp_rk3()), 2.5127453266, 1e-8);
  EXPECT_NEAR(real_stability_limit(petsc_rk3()), 2.5127453266, 1e-8);
  EXPECT_NEAR(real_stability_limit(rk4()), 2.7852935634, 1e-8);
  EXPECT_NEAR(real_stability_limit(dopri5()), 3.3065678, 1e-5);
}

}  // namespace
}  // namespace mg::pde
