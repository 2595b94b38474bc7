#include "pde/stabilised.hpp"

#include <cmath>

#include "core/error.hpp"
#include "pde/explicit_rk.hpp"
#include "pde/fixed_models.hpp"
#include "pde/spectral_radius.hpp"
#include "tests/pde/pde_solve.hpp"
#include "tests/support/brusselator_rhs.hpp"
#include "tests/support/config.hpp"

namespace mg::pde {
namespace {

using test::BrusselatorRhs;
using test::Vec;

constexpr StabilisedFamily kFamilies[] = {StabilisedFamily::rkc2, StabilisedFamily::rkl2};
const Vec kStart{1.5, 1.2, 1.7, 1.1, 3, 2.7, 2.2, 2.9};

/// R(z) of y' = z y.
double response(const StabilisedScheme& s, double z) {
  double before = 1 + s.gain[1] * z, before2 = 1;
  for (int j = 2; j <= s.stages; ++j) {
    const double y =
        1 - s.mu[j] - s.nu[j] + s.mu[j] * before + s.nu[j] * before2 + s.gain[j] * z * before + s.first[j] * z;
    before2 = before;
    before = y;
  }
  return before;
}

TEST(Stabilised, SchemesAreOfOrderTwoAndStableUpToTheirRate) {
  for (const auto family : kFamilies)
    for (const int stages : {3, 5, 9, 31, 99}) {
      const StabilisedScheme s = stabilised_scheme(family, stages);
      const double z = 1e-3;
      EXPECT_NEAR((response(s, z) - 1 - z) / (z * z), 0.5, 1e-3) << stages;
      EXPECT_NEAR(s.mu[stages] * s.c[stages - 1] + s.nu[stages] * s.c[stages - 2] + s.gain[stages] + s.first[stages], 1,
                  1e-12);
      double bears = 0;
      while (stabilised_stages(family, bears * 1.01 + 0.01) <= stages) bears = bears * 1.01 + 0.01;
      EXPECT_GT(bears, 0.4 * stages * stages - 2) << stages;
      for (int k = 1; k <= 2000; ++k)
        EXPECT_LE(std::abs(response(s, -bears * k / 2000)), 1 + 1e-12) << stages << " at " << bears * k / 2000;
    }
  EXPECT_THROW(stabilised_scheme(StabilisedFamily::rkl2, 4), std::invalid_argument);
  EXPECT_THROW(stabilised_scheme(StabilisedFamily::rkc2, 1), std::invalid_argument);
}

std::unique_ptr<System<double>> brusselator(StabilisedFamily family, const Stepping& stepping) {
  StabilisedSpec spec;
  spec.stepping = stepping;
  return std::make_unique<PdeSystem<double>>(std::make_unique<BrusselatorRhs<double>>(1, 3, 30, 0.4),
                                             std::make_unique<Stabilised<double>>(family, spec));
}

TEST(Stabilised, AdjointsAreExactFixedAndAdaptiveWithStatesBetweenSteps) {
  const Vec params{1, 3, 30};
  for (const auto family : kFamilies)
    for (const bool adaptive : {false, true}) {
      Stepping stepping{.dt = adaptive ? 0 : 0.1, .adaptive = adaptive};
      const auto system = brusselator(family, stepping);
      test::PdeSolve<double> solve{*system, {1, 4}};
      const TimeGrid times = solve.time_grid(params, kStart, 0.2, {0.2, 0.25, 0.3, 0.55, 0.7});
      EXPECT_GT(times.steps.back().stages, adaptive ? 1 : 3);
      test::expect_solve_taylor(*system, {1, 4}, 1, params, kStart, times);
    }
}

TEST(Stabilised, ConvergesWithOrderTwoFarBeyondTheLimitOfEuler) {
  const Vec params{1, 3, 30};
  const auto end = [&](const System<double>& system) {
    test::PdeSolve<double> solve{system, {1, 4}};
    return solve.forward(params, kStart, solve.time_grid(params, kStart, 0, {1}));
  };
  PdeSystem<double> fine(std::make_unique<BrusselatorRhs<double>>(1, 3, 30, 0.4),
                         std::make_unique<ExplicitRk<double>>(rk4(), Stepping{.dt = 1e-3}));
  const Vec exact = end(fine);
  for (const auto family : kFamilies) {
    const auto error = [&](double dt) {
      const auto system = brusselator(family, {.dt = dt});
      const Vec got = end(*system);
      double sum = 0;
      for (std::size_t i = 0; i < got.size(); ++i) sum += (got[i] - exact[i]) * (got[i] - exact[i]);
      return std::sqrt(sum);
    };
    EXPECT_NEAR(std::log2(error(0.02) / error(0.01)), 2, 0.4);
  }
}

TEST(SpectralRadius, OfADiffusionAndWhatItNames) {
  Registry<Rhs<double>> registry;
  register_fixed_models(registry);
  const Schema schema = Schema("test", "").variant("model", registry.variants(), std::nullopt, "model");
  const auto rhs = registry.create(
      test::configure(schema, R"({"model": {"type": "gray_scott", "smoothing": 0, "dx": 0.5}})").at("model"));
  Vec params(rhs->param_layout().size());
  rhs->initialise(0, params);
  Vec x(2 * 16 * 16, 1);
  std::fill(x.begin() + 256, x.end(), 0);
  Workspace workspace;
  const RhsContext<double> at{{}, 0, params.data(), {}, &workspace};
  const Shape shape{1, 2, 16, 16};
  const auto estimate = spectral_radius<double>(*rhs, at, {x.data(), shape}, 40);
  const double exact =
      params[rhs->param_layout().at("DA").offset] * 8 / 0.25 + params[rhs->param_layout().at("alpha").offset];
  EXPECT_LE(estimate.radius, exact * (1 + 1e-12));
  EXPECT_GE(estimate.radius, exact * 0.93);
  EXPECT_EQ(estimate.channel, 0);
  EXPECT_LT(estimate.correlation, -0.5);
  const auto again = spectral_radius<double>(*rhs, at, {x.data(), shape}, 40);
  EXPECT_EQ(estimate.radius, again.radius);
  EXPECT_EQ(stability_complaint<double>(*rhs, at, {x.data(), shape}, "heun", 1.9 / exact, 2), "");
  const auto complaint = stability_complaint<double>(*rhs, at, {x.data(), shape}, "heun", 3 / exact, 2);
  EXPECT_NE(complaint.find("too long for heun"), std::string::npos) << complaint;
  EXPECT_NE(complaint.find("pattern of single cells in channel 0"), std::string::npos) << complaint;
}

TEST(SpectralRadius, UnstableStepsAreRefusedWhenAsked) {
  PdeSystem<double> system(
      std::make_unique<BrusselatorRhs<double>>(1, 3, 30, 0),
      std::make_unique<ExplicitRk<double>>(heun(), Stepping{.dt = 0.1, .stability = Stepping::Advice::error}));
  test::PdeSolve<double> solve{system, {1, 4}};
  EXPECT_THROW(solve.time_grid({1, 3, 30}, kStart, 0, {1}), ConfigError);
  EXPECT_NO_THROW(solve.time_grid({1, 3, 0.1}, kStart, 0, {1}));
}

}  // namespace
}  // namespace mg::pde
