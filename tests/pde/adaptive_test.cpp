#include "pde/adaptive.hpp"

#include <cmath>

#include "core/error.hpp"
#include "pde/explicit_rk.hpp"
#include "tests/pde/pde_solve.hpp"
#include "tests/support/brusselator_rhs.hpp"

namespace mg::pde {
namespace {

using test::BrusselatorRhs;
using test::Vec;

const Tableau* const kAdaptive[] = {&heun(), &ssp_rk3(), &bosh3(), &dopri5(), &tsit5(), &dopri8()};
const Vec kParams{1, 3, 0.02}, kStart{1.5, 1.2, 1.7, 3, 2.7, 2.2};

Stepping adaptive(double tolerance, double dt) {
  Stepping s{.dt = dt, .adaptive = true};
  s.control.rtol = s.control.atol = tolerance;
  return s;
}

std::unique_ptr<System<double>> brusselator(const Tableau& tableau, const Stepping& stepping) {
  return std::make_unique<PdeSystem<double>>(std::make_unique<BrusselatorRhs<double>>(1, 3, 0.02, 0.3),
                                             std::make_unique<ExplicitRk<double>>(tableau, stepping));
}

TEST(Adaptive, AdjointsAreExactOnTheRecordedGrid) {
  for (const Tableau* tableau : kAdaptive) {
    SCOPED_TRACE(tableau->name);
    const auto system = brusselator(*tableau, adaptive(1e-4, 0.05));
    test::PdeSolve<double> solve{*system, {1, 3}};
    const TimeGrid times = solve.time_grid(kParams, kStart, 0, {0.31, 0.7, 0.71, 2});
    EXPECT_EQ(times.statistics.accepted, (long long)(times.steps.size()));
    test::expect_solve_taylor(*system, {1, 3}, 1, kParams, kStart, times);
  }
}

TEST(Adaptive, TheErrorFollowsTheTolerance) {
  const auto end = [](const Tableau& tableau, const Stepping& stepping) {
    const auto system = brusselator(tableau, stepping);
    test::PdeSolve<double> solve{*system, {1, 3}};
    return solve.forward(kParams, kStart, solve.time_grid(kParams, kStart, 0, {4}));
  };
  const Vec exact = end(dopri8(), adaptive(1e-13, 0.01));
  for (const Tableau* tableau : kAdaptive)
    for (const double dt0 : {0., 0.5}) {  // estimated, and far too long
      const Vec got = end(*tableau, adaptive(1e-5, dt0));
      double error = 0;
      for (std::size_t i = 0; i < got.size(); ++i) error = std::max(error, std::abs(got[i] - exact[i]));
      EXPECT_LT(error, 2e-3) << tableau->name;
      EXPECT_GT(error, 1e-12) << tableau->name;
    }
}

TEST(Adaptive, AStepThatIsNotFiniteIsRejectedAndTheSolveGoesOn) {
  const auto system = brusselator(dopri5(), adaptive(1e-5, 1e6));
  test::PdeSolve<double> solve{*system, {1, 3}};
  const TimeGrid times = solve.time_grid(kParams, kStart, 0, {1});
  EXPECT_GT(times.statistics.rejected, 0);
  for (const double y : solve.forward(kParams, kStart, times)) EXPECT_TRUE(std::isfinite(y));
}

TEST(Adaptive, ReusesTheLastSlope) {
  auto rhs = std::make_unique<BrusselatorRhs<double>>(1, 3, 0.02, 0.3);
  PdeSystem<double> system(std::move(rhs), std::make_unique<ExplicitRk<double>>(tsit5(), adaptive(1e-5, 0.1)));
  test::PdeSolve<double> solve{system, {1, 3}};
  const auto s = solve.time_grid(kParams, kStart, 0, {2}).statistics;
  EXPECT_EQ(s.evaluations, 1 + 6 * (s.accepted + s.rejected));
}

TEST(Adaptive, StepsEndOnSaveTimesWhenAsked) {
  auto stepping = adaptive(1e-5, 0.1);
  stepping.step_to_saves = true;
  const auto system = brusselator(dopri8(), stepping);
  test::PdeSolve<double> solve{*system, {1, 3}};
  const TimeGrid times = solve.time_grid(kParams, kStart, 0.5, {0.5, 0.6, 1.1, 1.1, 3});
  for (const SavePoint& save : times.saves) EXPECT_TRUE(save.exact);
  EXPECT_EQ(times.saves[0].step, -1);
  EXPECT_EQ(times.saves[2].step, times.saves[3].step);
  EXPECT_DOUBLE_EQ(times.steps.back().t + times.steps.back().h, 3);
}

std::string failure(const Tableau& tableau, const Stepping& stepping, const Vec& start) {
  const auto system = brusselator(tableau, stepping);
  test::PdeSolve<double> solve{*system, {1, 3}};
  try {
    solve.time_grid(kParams, start, 0, {5});
  } catch (const DivergedError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Adaptive, SaysWhereAndWhyItGivesUp) {
  auto few = adaptive(1e-9, 0.01);
  few.max_steps = 7;
  EXPECT_NE(failure(heun(), few, kStart).find("max_steps = 7 steps tried at t = "), std::string::npos);
  auto coarse = adaptive(1e-9, 0.1);
  coarse.control.dtmin = 0.05;
  coarse.control.force_dtmin = false;
  const auto below = failure(heun(), coarse, kStart);
  EXPECT_NE(below.find("the step falls below dtmin = 0.05 at t = 0,"), std::string::npos) << below;
  EXPECT_NE(below.find("times the tolerance, most of it in channel"), std::string::npos) << below;
  Vec start = kStart;
  start[4] = NAN;
  const auto nan = failure(tsit5(), adaptive(1e-3, 0.1), start);
  EXPECT_NE(nan.find("no step is short enough at t = 0, "), std::string::npos) << nan;
  EXPECT_NE(nan.find("sample 0, fields[1, 0, 1] is nan"), std::string::npos) << nan;
}

TEST(ErrorNorm, RmsMaxAndTolerancesPerChannel) {
  const Vec y{1, -2, 3, 4}, y1{-2, 1, NAN, 5}, err{0.1, 0.2, 0.3, -0.4};
  Workspace workspace;
  StepControl control{.rtol = 0.1, .atol = 0.1};
  const Shape shape{1, 2, 1, 2};
  const double ratios[] = {0.1 / 0.3, 0.2 / 0.3, 0.3 / 0.4, 0.4 / 0.6};
  const auto norm = [&] { return error_norm<double>({}, control, shape, err.data(), y.data(), y1.data(), workspace); };
  double squares = 0;
  for (const double r : ratios) squares += r * r;
  EXPECT_NEAR(norm().norm, std::sqrt(squares / 4), 1e-14);
  EXPECT_EQ(norm().channel, 1);
  control.norm = ErrorNorm::max;
  EXPECT_NEAR(norm().norm, 0.75, 1e-14);
  control.channel_atol = {0, 1000};
  EXPECT_NEAR(norm().norm, 1, 1e-14);
  EXPECT_EQ(norm().channel, 0);
  control.channel_atol = {1, 2, 3};
  EXPECT_THROW(norm(), std::invalid_argument);
}

}  // namespace
}  // namespace mg::pde
