#include "pde/explicit_rk.hpp"

#include <cmath>

#include "tests/pde/pde_solve.hpp"
#include "tests/support/brusselator_rhs.hpp"

namespace mg::pde {
namespace {

using test::BrusselatorRhs;
using test::Vec;

const Tableau* const kAll[] = {&euler(), &heun(),   &ssp_rk3(), &petsc_rk3(), &bosh3(),
                               &rk4(),   &dopri5(), &tsit5(),   &dopri8()};

std::unique_ptr<System<double>> brusselator(const Tableau& tableau, Stepping stepping, double forcing = 0) {
  return std::make_unique<PdeSystem<double>>(std::make_unique<BrusselatorRhs<double>>(1, 3, 0.02, forcing),
                                             std::make_unique<ExplicitRk<double>>(tableau, std::move(stepping)));
}

/// y at t = 20 from (1.5, 3) in steps of h. @source Hairer, Norsett, Wanner; reference values of a tight solve
double error_at_20(const Tableau& tableau, double h) {
  const auto system =
      std::make_unique<PdeSystem<double>>(std::make_unique<BrusselatorRhs<double>>(1, 3, 0, 0),
                                          std::make_unique<ExplicitRk<double>>(tableau, Stepping{.dt = h}));
  test::PdeSolve<double> solve{*system, {1, 1}};
  const Vec params{1, 3, 0}, start{1.5, 3};
  const Vec end = solve.forward(params, start, solve.time_grid(params, start, 0, {20}));
  return std::max(std::abs(end[0] - 0.49863707126834783), std::abs(end[1] - 4.596780349452011));
}

TEST(ExplicitRkOracle, FixedStepErrorsOfTheBrusselator) {
  // published: cpmech/russell, russell_ode
  const double h[] = {0.2, 0.1, 0.05, 0.01}, dopri[] = {1.87e-3, 6.10e-5, 7.26e-7, 4.67e-11},
               mid[] = {4.09e-2, 7.15e-3, 2.00e-3, 8.98e-5};
  for (int k = 0; k < 4; ++k) {
    EXPECT_NEAR(error_at_20(dopri5(), h[k]) / dopri[k], 1, 0.01) << h[k];
    EXPECT_NEAR(error_at_20(heun(), h[k]) / mid[k], 1, 0.01) << h[k];
  }
}

TEST(ExplicitRk, AdjointsAreExactWithStatesBetweenSteps) {
  Vec start = test::random_vec(2 * 2 * 5, 7);
  for (double& x : start) x = 1.5 + 0.3 * x;
  for (const Tableau* tableau : kAll) {
    SCOPED_TRACE(tableau->name);
    const auto system = brusselator(*tableau, {.dt = 0.07}, 0.5);
    test::PdeSolve<double> solve{*system, {1, 5}, 2};
    const Vec params{1, 3, 0.02};
    const TimeGrid times = solve.time_grid(params, start, 0.3, {0.3, 0.33, 0.35, 0.5, 0.5, 0.7 + 0.3, 1.31});
    EXPECT_EQ(times.steps.size(), 15U);
    test::expect_solve_taylor(*system, {1, 5}, 2, params, start, times);
  }
}

TEST(ExplicitRk, ConvergesWithItsOrderAlsoBetweenSteps) {
  const Vec params{1, 3, 0.02}, start{1.5, 1.2, 1.7, 3, 2.7, 2.2};
  const auto at = [&](const Tableau& tableau, double h, double time) {
    const auto system = brusselator(tableau, {.dt = h}, 0.5);
    test::PdeSolve<double> solve{*system, {1, 3}};
    const auto times = solve.time_grid(params, start, 0, {time, 1.6});
    const Vec all = solve.forward(params, start, times);
    return Vec(all.begin(), all.begin() + 6);
  };
  const auto distance = [](const Vec& a, const Vec& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return std::sqrt(sum);
  };
  for (const Tableau* t : kAll) {
    const double h = t->order >= 8 ? 0.1 : t->order >= 4 ? 0.05 : 0.025;
    const auto rate = [&](double time, double dh) {
      const Vec exact = at(dopri8(), 0.01, time);
      return std::log2(distance(at(*t, dh, time), exact) / distance(at(*t, dh / 2, time), exact));
    };
    EXPECT_NEAR(rate(1.6, h), t->order, t->order >= 5 ? 0.8 : 0.35) << t->name;
    const int dense = t->dense == Tableau::Dense::linear ? 1 : t->dense == Tableau::Dense::quadratic ? 2 : 3;
    const double between = std::log2(distance(at(*t, h, 1.6 - h / 2), at(dopri8(), 0.01, 1.6 - h / 2)) /
                                     distance(at(*t, h / 4, 1.6 - h / 8), at(dopri8(), 0.01, 1.6 - h / 8))) /
                           2;
    EXPECT_GE(between, std::min(dense, t->order) - 0.25) << t->name;
  }
}

TEST(ExplicitRk, NothingIsEvaluatedThatNobodyReads) {
  for (const Tableau* tableau : {&euler(), &heun(), &dopri5(), &tsit5(), &dopri8()}) {
    auto rhs = std::make_unique<BrusselatorRhs<double>>();
    const auto& count = rhs->evaluations;
    PdeSystem<double> system(std::move(rhs), std::make_unique<ExplicitRk<double>>(*tableau, Stepping{.dt = 0.1}));
    test::PdeSolve<double> solve{system, {1, 1}};
    const Vec params{1, 3, 0}, start{1.5, 3};
    TimeGrid times = solve.time_grid(params, start, 0, {1});
    times.saves.clear();
    solve.forward(params, start, times);
    EXPECT_EQ(count, 10 * tableau->stages_of_next()) << tableau->name;
  }
}

TEST(Stepping, GridsOfTheFixedRules) {
  Stepping s{.dt = 0.3};
  const double t1[] = {10};
  EXPECT_EQ(fixed_grid(s, 0, t1, true).steps.size(), 34U);
  EXPECT_DOUBLE_EQ(fixed_grid(s, 0, t1, true).steps[5].h, 10 / 34.);
  s.rule = GridRule::diffrax_072;
  const auto diffrax = fixed_grid(s, 0, t1, true).steps;
  EXPECT_EQ(diffrax.size(), 34U);
  EXPECT_EQ(diffrax[0].h, 0.3);
  EXPECT_DOUBLE_EQ(diffrax[1].h, 20 / 34. - 0.3);
  s.rule = GridRule::accumulate;
  const auto summed = fixed_grid(s, 0, t1, true).steps;
  EXPECT_EQ(summed.size(), 34U);
  EXPECT_NEAR(summed.back().h, 0.1, 1e-12);
  struct Case {
    double t1, dt;
    std::size_t steps;
  };
  for (const Case c :
       {Case{10000, 0.2, 49975}, {10000, 0.1, 100015}, {5000, 0.1, 49975}, {64, 0.1, 641}, {20000, 0.5, 40000}}) {
    Stepping f{.dt = c.dt, .rule = GridRule::accumulate, .float32_times = true};
    const double end[] = {c.t1};
    EXPECT_EQ(fixed_grid(f, 0, end, true).steps.size(), c.steps) << c.t1 << " " << c.dt;
    f.rule = GridRule::diffrax_072;
    EXPECT_EQ(fixed_grid(f, 0, end, true).steps.size(), std::size_t(std::llround(c.t1 / c.dt))) << c.t1 << " " << c.dt;
    f.rule = GridRule::equal;
    EXPECT_EQ(fixed_grid(f, 0, end, true).steps.size(), std::size_t(std::llround(c.t1 / c.dt))) << c.t1 << " " << c.dt;
  }
}

TEST(Stepping, StepsEndOnSaveTimesWhenAsked) {
  const Stepping s{.dt = 0.3, .step_to_saves = true};
  const double saves[] = {1, 1, 1.7, 4};
  const TimeGrid grid = fixed_grid(s, 0.5, saves, true);
  ASSERT_EQ(grid.steps.size(), 2U + 3U + 8U);
  for (const SavePoint& save : grid.saves) EXPECT_TRUE(save.exact);
  EXPECT_EQ(grid.saves[1].step, 1);
  EXPECT_EQ(grid.saves[2].step, 4);
  EXPECT_EQ(grid.saves[3].step, 12);
}

TEST(Stepping, RefusesTimesThatCannotBeReached) {
  const auto error = [](const Stepping& s, std::vector<double> saves) -> std::string {
    try {
      fixed_grid(s, 1, saves, true);
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(error({}, {2, 1.5}), "save times: 1.5 comes after 2");
  EXPECT_EQ(error({}, {0.5}), "save times: 0.5 comes after 1");
  EXPECT_EQ(error({}, {1}), "save times: none is later than the start at 1");
  EXPECT_EQ(error({}, {NAN}), "save times: nan is not finite");
  EXPECT_EQ(error({.dt = 0.1, .max_steps = 7}, {2}), "time grid: 10 steps of dt = 0.1, but max_steps is 7");
  EXPECT_EQ(error({.dt = 0.1, .rule = GridRule::accumulate, .max_steps = 7}, {2}),
            "time grid: 10 steps of dt = 0.1, but max_steps is 7");
  Stepping prescribed{.rule = GridRule::prescribed};
  prescribed.times = {1, 1.5};
  EXPECT_EQ(error(prescribed, {2}), "time grid: the prescribed times do not reach from 1 to 2");
  EXPECT_THROW(ExplicitRk<double>(euler(), {.adaptive = true}), std::invalid_argument);
}

}  // namespace
}  // namespace mg::pde
