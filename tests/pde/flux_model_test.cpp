#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "core/padding.hpp"
#include "tests/pde/rhs_runner.hpp"

namespace mg {
namespace {

using test::Vec;

struct Model {
  const char *type, *rest;
  int fields;
};
constexpr Model kModels[] = {{"keller_segel", R"(, "scheme": "flux", "params": {"c": 3})", 2},
                             {"hillen_painter", R"(, "scheme": "flux", "params": {"D": 0.3})", 2},
                             {"hillen_painter", R"(, "scheme": "flux", "diffusion": "linear")", 2},
                             {"advection_diffusion", R"(, "params": {"D": 0.2, "v0": 0.7, "v1": -0.4})", 1}};

std::string json(const Model& m, const std::string& padding, const std::string& limiter, const std::string& more = "") {
  return std::string(R"({"type": ")") + m.type + R"(", "padding": ")" + padding + R"(", "dx": 0.8, "limiter": ")" +
         limiter + "\"" + m.rest + more + "}";
}

Vec state(std::size_t n) {
  Vec x = test::random_vec(n, 11);
  for (double& v : x) v = 0.6 + 0.2 * v;
  return x;
}

TEST(FluxModel, Adjoint) {
  for (const Model& m : kModels)
    for (const auto padding : kPaddingNames)
      for (const std::string limiter : {"upwind", "minmod", "van_leer", "central"}) {
        SCOPED_TRACE(json(m, std::string(padding), limiter));
        const Shape shape{2, m.fields, 4, 5};
        test::expect_rhs_adjoint(*test::fixed_model<double>(json(m, std::string(padding), limiter)), shape,
                                 state(shape.size()));
      }
}

TEST(FluxModel, AdjointWithBoundaryAndObstacles) {
  const std::string walls = R"(, "boundary": [{"sides": ["top"], "value": 0.7},
    {"sides": ["left", "right"], "kind": "robin", "a": 0.5, "b": 1.5, "value": -0.3}])";
  for (const Model& m : kModels) {
    const Shape shape{2, m.fields, 4, 5};
    test::expect_rhs_adjoint(*test::fixed_model<double>(json(m, "ZEROS", "van_leer", walls)), shape,
                             state(shape.size()));
    Vec mask(shape.cells(), 0);
    for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = i % 7 == 3;
    for (const std::string kind : {"hold", "no_flux"})
      test::expect_rhs_adjoint(
          *test::fixed_model<double>(json(m, "REPLICATE", "minmod", ", \"obstacles\": \"" + kind + "\"")), shape,
          state(shape.size()), mask);
  }
  const auto trainable = json(kModels[0], "ZEROS", "minmod", R"(, "boundary": [{"trainable": true}])");
  EXPECT_NE(test::config_error([&] { test::fixed_model<double>(trainable); }).find("/model/boundary"),
            std::string::npos);
}

// Without reaction the mass of the cells stays to rounding, and first-order or limited transport keeps them positive.
TEST(FluxModel, MassAndPositivity) {
  for (const auto padding : {"CIRCULAR", "REPLICATE"})
    for (const std::string limiter : {"upwind", "minmod", "van_leer"}) {
      const auto rhs = test::fixed_model<double>(json(
          {"hillen_painter", R"(, "scheme": "flux", "params": {"logistic_growth_rate": 0})", 2}, padding, limiter));
      const Shape shape{1, 2, 9, 12};
      Vec x(shape.size());
      const Vec noise = test::random_vec(x.size(), 5);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % 5 == 0 ? std::abs(noise[i]) : 0;
      const auto mass = [&] { return std::accumulate(x.begin(), x.begin() + long(shape.plane()), 0.0); };
      const double before = mass();
      const test::RhsRunner<double> run(*rhs, shape);
      for (int k = 0; k < 100; ++k) {
        const Vec f = run.value(x);
        for (std::size_t i = 0; i < x.size(); ++i) x[i] += 0.01 * f[i];
      }
      EXPECT_NEAR(mass(), before, 1e-12 * before);
      for (std::size_t i = 0; i < shape.plane(); ++i) EXPECT_GE(x[i], 0);
    }
}

// A Fourier mode under central transport: the symbols of the scheme are -i v sin(k) / dx - 4 D sin^2(k / 2) / dx^2.
TEST(FluxModel, AdvectionDiffusionOfAMode) {
  const int n = 16;
  const double dx = 0.8, k = 2 * std::numbers::pi * 3 / n;
  const Shape shape{1, 1, 5, n};
  Vec x(shape.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::cos(k * double(i % n));
  const Vec f =
      test::RhsRunner<double>(*test::fixed_model<double>(json(kModels[3], "CIRCULAR", "central")), shape).value(x);
  const double damping = 0.2 * 4 * std::pow(std::sin(k / 2) / dx, 2);
  for (std::size_t i = 0; i < x.size(); ++i)
    EXPECT_NEAR(f[i], 0.7 * std::sin(k) / dx * std::sin(k * double(i % n)) - damping * x[i], 1e-12);
}

}  // namespace
}  // namespace mg
