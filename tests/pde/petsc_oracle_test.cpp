#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "pde/explicit_rk.hpp"
#include "pde/fixed_models.hpp"
#include "tests/pde/pde_solve.hpp"
#include "tests/support/config.hpp"

namespace mg::pde {
namespace {

using test::Vec;

constexpr int kSize = 64;

/// v = sin^2(w pi x) sin^2(w pi y) / 4 on [1, 1.5]^2, u = 1 - 2 v; periodic on [0, 2.5]^2.
Vec start_of(double waves) {
  Vec x(2 * kSize * kSize);
  for (int i = 0; i < kSize; ++i)
    for (int j = 0; j < kSize; ++j) {
      const double a = 2.5 * i / kSize, b = 2.5 * j / kSize;
      const bool inside = a >= 1 && a <= 1.5 && b >= 1 && b <= 1.5;
      const auto square = [&](double s) { return std::pow(std::sin(waves * std::numbers::pi * s), 2); };
      const double v = inside ? square(a) * square(b) / 4 : 0;
      x[std::size_t(i * kSize + j)] = 1 - 2 * v;
      x[std::size_t(kSize * kSize + i * kSize + j)] = v;
    }
  return x;
}

TEST(ExplicitRkOracle, GradientOfPetscEx5optIc) {
  Registry<Rhs<double>> registry;
  register_fixed_models(registry);
  const Schema schema = Schema("test", "").variant("model", registry.variants(), std::nullopt, "model");
  PdeSystem<double> system(registry.create(test::configure(schema, R"({"model": {"type": "gray_scott", "smoothing": 0,
      "dx": 0.0390625, "params": {"DA": 8e-5, "DB": 4e-5, "alpha": 0.024, "gamma": 0.06}}})")
                                               .at("model")),
                           std::make_unique<ExplicitRk<double>>(petsc_rk3(), Stepping{.dt = 0.5}));
  test::PdeSolve<double> solve{system, {kSize, kSize}};
  Vec params(system.param_layout().size());
  system.initialise(0, params);
  const Vec truth = start_of(4), guess = start_of(2);
  const TimeGrid times = solve.time_grid(params, guess, 0, {2.5});
  ASSERT_EQ(times.steps.size(), 5U);
  const Vec target = solve.forward(params, truth, times);
  std::vector<Vec> states;
  Vec bar = solve.forward(params, guess, times, &states);
  double f = 0, squares = 0;
  for (std::size_t i = 0; i < bar.size(); ++i) {
    const double misfit = bar[i] - target[i];
    f += misfit * misfit;
    bar[i] = 2 * misfit;
  }
  for (const double g : solve.backward(params, states, times, bar).first) squares += g * g;
  EXPECT_NEAR(f, 8.48202, 5e-6);
  EXPECT_NEAR(std::sqrt(squares), 7.02449, 5e-6);
}

}  // namespace
}  // namespace mg::pde
