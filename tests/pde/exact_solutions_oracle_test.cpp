#include <gtest/gtest.h>

#include <cmath>

#include "pde/explicit_rk.hpp"
#include "pde/pde_system.hpp"
#include "pde/spectral_radius.hpp"
#include "pde/tableau.hpp"
#include "tests/pde/pde_solve.hpp"
#include "tests/pde/rhs_runner.hpp"
#include "tests/support/golden.hpp"

namespace mg::pde {
namespace {

using test::Vec;

PdeSystem<double> heun_system(const std::string& model, double dt) {
  Stepping s;
  s.dt = dt;
  s.stability = Stepping::Advice::off;
  return {test::fixed_model<double>(model), std::make_unique<ExplicitRk<double>>(heun(), s)};
}
Vec solved(const PdeSystem<double>& system, Grid grid, const Vec& start, double end) {
  Vec params(system.param_layout().size());
  system.initialise(0, params);
  test::PdeSolve<double> solve{system, grid};
  return solve.forward(params, start, solve.time_grid(params, start, 0, {end}));
}

/// u = (1 - r^2 / (16 sqrt(tau)))_+ / sqrt(tau) of du/dtau = lap u^2 in two dimensions.
double barenblatt(double y, double x, double tau) {
  return std::max(0.0, 1 - (y * y + x * x) / (16 * std::sqrt(tau))) / std::sqrt(tau);
}

TEST(ExactSolutionsOracle, BarenblattOfThePorousMedium) {
  constexpr double kDx = 0.25;
  const Grid grid{52, 52};
  const auto profile = [&](double tau) {
    Vec u;
    for (int i = 0; i < grid.h; ++i)
      for (int j = 0; j < grid.w; ++j) u.push_back(barenblatt((i - 25.5) * kDx, (j - 25.5) * kDx, tau));
    return u;
  };
  // D div(u grad u) = D/2 lap u^2: tau = D t / 2. The signal neither attracts nor is attracted.
  const auto system = heun_system(
      R"({"type": "hillen_painter", "scheme": "flux", "dx": 0.25, "padding": "REPLICATE",
          "params": {"logistic_growth_rate": 0, "chi": 0, "D": 1}})",
      0.01);
  Vec start = profile(1);
  start.resize(2 * start.size());
  Vec got = solved(system, grid, start, 6);  // tau = 4: the support grows from 4 to 5.66
  const Vec want = profile(4);
  double mass = 0, first = 0;
  for (std::size_t i = 0; i < want.size(); ++i) mass += got[i], first += start[i];
  EXPECT_NEAR(mass, first, 1e-11 * first);
  got.resize(want.size());
  EXPECT_LT(test::relative_l2(got, want), 0.02);
  for (int i = 0; i < grid.h; ++i)
    for (int j = 0; j < grid.w; ++j) {
      const double r = std::hypot((i - 25.5) * kDx, (j - 25.5) * kDx), u = got[std::size_t(i * grid.w + j)];
      EXPECT_GE(u, -1e-14);
      if (r > 4 * std::sqrt(2.0) + 3 * kDx) {
        EXPECT_LT(u, 1e-3) << r;
      }
    }
}

TEST(ExactSolutionsOracle, SwiftHohenbergStripesHaveTheAmplitudeOfTheOnset) {
  // The wave of 8 cells is the critical one on this lattice: k = -L(q) = 2 (1 - cos q).
  const double r = 0.02, q = std::acos(-1.0) / 4, k = 2 * (1 - std::cos(q));
  char model[160];
  std::snprintf(model, sizeof model, R"({"type": "swift_hohenberg", "params": {"r": %.17g, "k": %.17g, "g": 0}})", r,
                k);
  const auto system = heun_system(model, 0.1);
  const Grid grid{3, 8};
  Vec start;
  for (int i = 0; i < grid.h; ++i)
    for (int j = 0; j < grid.w; ++j) start.push_back(0.1 * std::cos(q * j));
  const Vec u = solved(system, grid, start, 600);
  double amplitude = 0;
  for (int j = 0; j < grid.w; ++j) amplitude += u[std::size_t(j)] * std::cos(q * j) / 4;
  EXPECT_NEAR(amplitude, 2 * std::sqrt(r / 3), 0.01 * 2 * std::sqrt(r / 3));
}

std::string limiting(const std::string& model, double h, double mean, double spread) {
  const auto rhs = test::fixed_model<double>(model);
  Vec params(rhs->param_layout().size()), x = test::random_vec(std::size_t(rhs->channels()) * 64, 3);
  rhs->initialise(0, params);
  for (double& v : x) v = mean + spread * v;
  Workspace workspace;
  const RhsContext<double> at{{}, 0, params.data(), {}, &workspace};
  return stability_complaint<double>(*rhs, at, {x.data(), {1, rhs->channels(), 8, 8}}, "heun", h, 2);
}

TEST(StabilityAdvice, NamesTheTermThatLimitsTheStep) {
  const auto has = [](const std::string& text, const char* term) { return text.find(term) != std::string::npos; };
  EXPECT_TRUE(has(limiting(R"({"type": "gray_scott", "params": {"DA": 1}})", 1, 0.4, 0.1), "limited by diffusion"))
      << limiting(R"({"type": "gray_scott", "params": {"DA": 1}})", 1, 0.4, 0.1);
  const std::string fast = R"({"type": "fisher_kpp", "params": {"D": 0.01, "rate": 50}})";
  EXPECT_TRUE(has(limiting(fast, 1, 1, 0.01), "limited by the reaction")) << limiting(fast, 1, 1, 0.01);
  const std::string wind = R"({"type": "advection_diffusion", "limiter": "central", "params": {"D": 0.001, "v0": 5}})";
  EXPECT_TRUE(has(limiting(wind, 1, 1, 0.5), "limited by transport")) << limiting(wind, 1, 1, 0.5);
  EXPECT_EQ(limiting(R"({"type": "gray_scott"})", 1, 0.4, 0.1), "");
}

}  // namespace
}  // namespace mg::pde
