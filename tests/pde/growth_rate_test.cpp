#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>

#include "tests/pde/rhs_runner.hpp"

// Linear stability of homogeneous states on the discrete stencil: a small Fourier mode of the perturbation grows as the
// symbols of the operators say.
namespace mg {
namespace {

using test::Vec;
constexpr int kSide = 16;

/// Symbol of the 9-point Laplacian at the wave numbers (2 pi a / n, 2 pi b / n), dx = 1.
double laplacian_symbol(int a, int b) {
  const double t = 2 * std::numbers::pi / kSide;
  return (1 + std::cos(t * a)) * (1 + std::cos(t * b)) - 4;
}

/// Applies the Jacobian at the homogeneous `state` to the mode (a, b) of every field in turn: column f is the response.
/// Checks that the response is a multiple of the mode; returns the matrix [to][from].
std::vector<Vec> jacobian_of_mode(const pde::Rhs<double>& rhs, const Vec& state, int a, int b) {
  const int fields = int(state.size());
  const Shape shape{1, fields, kSide, kSide};
  Vec x(shape.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = state[i / shape.plane()];
  Vec mode(shape.plane());
  for (int i = 0; i < kSide; ++i)
    for (int j = 0; j < kSide; ++j)
      mode[std::size_t(i * kSide + j)] = std::cos(2 * std::numbers::pi * (a * i + b * j) / kSide);
  std::vector<Vec> matrix(state.size(), Vec(state.size()));
  const test::RhsRunner<double> run(rhs, shape);
  for (int from = 0; from < fields; ++from) {
    Vec dot(x.size(), 0);
    std::copy(mode.begin(), mode.end(), dot.begin() + std::ptrdiff_t(shape.plane()) * from);
    const Vec response = run.tangent(x, dot);
    for (int to = 0; to < fields; ++to) {
      const double gain = response[shape.plane() * std::size_t(to)];
      matrix[std::size_t(to)][std::size_t(from)] = gain;
      for (std::size_t i = 0; i < mode.size(); ++i)
        EXPECT_NEAR(response[shape.plane() * std::size_t(to) + i], gain * mode[i], 1e-12);
    }
  }
  return matrix;
}

/// Largest real part of the eigenvalues of a matrix of 1 or 2 rows.
double growth(const std::vector<Vec>& m) {
  if (m.size() == 1) return m[0][0];
  const double trace = m[0][0] + m[1][1], det = m[0][0] * m[1][1] - m[0][1] * m[1][0];
  return (trace / 2 + std::sqrt(std::complex<double>(trace * trace / 4 - det))).real();
}

struct Case {
  const char* json;
  Vec state;          ///< homogeneous steady state
  double want[2][2];  ///< reaction part of the Jacobian
  double diffusion[2];
};

class GrowthRate : public ::testing::TestWithParam<Case> {};

// d/dt = J + D lambda(k) for every preset; the state is a fixed point.
TEST_P(GrowthRate, IsTheDispersionRelation) {
  const Case& c = GetParam();
  const auto rhs = test::fixed_model<double>(c.json);
  const std::size_t fields = c.state.size();
  Vec x;
  for (double v : c.state) x.insert(x.end(), 4, v);
  for (double v : test::RhsRunner<double>(*rhs, {1, int(fields), 2, 2}).value(x)) EXPECT_NEAR(v, 0, 1e-13);
  for (const auto& [a, b] : {std::pair{0, 1}, {2, 1}, {5, 3}, {8, 8}}) {
    std::vector<Vec> want(fields, Vec(fields));
    for (std::size_t i = 0; i < fields; ++i)
      for (std::size_t j = 0; j < fields; ++j)
        want[i][j] = c.want[i][j] + (i == j ? c.diffusion[i] * laplacian_symbol(a, b) : 0);
    EXPECT_NEAR(growth(jacobian_of_mode(*rhs, c.state, a, b)), growth(want), 1e-11) << a << ' ' << b;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Presets, GrowthRate,
    ::testing::Values(
        Case{R"({"type": "gray_scott"})", {1, 0}, {{-0.0623, 0}, {0, -0.12498}}, {0.1, 0.05}},
        Case{R"({"type": "chhabra"})", {0, 0}, {{-0.001, 0}, {0, -0.008}}, {0.0025, 0.4}},
        // a = rho_a mu_h / (rho_h mu_a) = 1, h = rho_h a^2 / mu_h = 1
        Case{R"({"type": "gierer_meinhardt"})", {1, 1}, {{0.01, -0.01}, {0.04, -0.02}}, {0.005, 0.2}},
        // u = a + b, v = b / (a + b)^2
        Case{R"({"type": "schnakenberg"})", {1, 0.9}, {{0.8, 1}, {-1.8, -1}}, {1, 10}},
        Case{R"({"type": "brusselator"})", {1, 3}, {{2, 1}, {-3, -1}}, {0.05, 0.005}},
        Case{R"({"type": "fitzhugh_nagumo", "params": {"a0": 0}})", {0, 0}, {{1, -1}, {0.05, -0.1}}, {1, 4}},
        Case{R"({"type": "allen_cahn"})", {0}, {{1}}, {1}}, Case{R"({"type": "allen_cahn"})", {1}, {{-2}}, {1}},
        Case{R"({"type": "fisher_kpp"})", {0}, {{1}}, {1}}));

TEST(GrowthRates, FourthOrderModels) {
  for (const auto& [a, b] : {std::pair{0, 1}, {2, 1}, {5, 3}}) {
    const double l = laplacian_symbol(a, b);
    const auto rate = [&](const char* json) {
      return growth(jacobian_of_mode(*test::fixed_model<double>(json), {0}, a, b));
    };
    EXPECT_NEAR(rate(R"({"type": "cahn_hilliard"})"), 0.1 * l * (-1 - l), 1e-12);
    EXPECT_NEAR(rate(R"({"type": "swift_hohenberg"})"), 0.1 - (1 + l) * (1 + l), 1e-12);
    EXPECT_NEAR(rate(R"({"type": "kuramoto_sivashinsky"})"), -l - l * l, 1e-12);
  }
}

// n = (sqrt(1 + 4 eps) - 1) / (2 eps), s = n / alpha; the chemotaxis is -t L s there.
TEST(GrowthRates, KellerSegel) {
  const double eps = 0.01, n = (std::sqrt(1 + 4 * eps) - 1) / (2 * eps), t = 3 * n / (1 + n * n);
  const auto rhs = test::fixed_model<double>(R"({"type": "keller_segel"})");
  for (const auto& [a, b] : {std::pair{0, 1}, {2, 1}, {5, 3}}) {
    const double l = laplacian_symbol(a, b);
    const std::vector<Vec> want = {{l + 1 - 2 * n - 3 * eps * n * n, -t * l}, {1, l - 0.01}};
    EXPECT_NEAR(growth(jacobian_of_mode(*rhs, {n, n / 0.01}, a, b)), growth(want), 1e-11);
  }
}

// c = 1, s = 1 / (1 + phi): D c L c - m L s.
TEST(GrowthRates, HillenPainter) {
  const double s = 1 / 1.8, m = 5 * 0.9 / ((1 + 0.5 * s) * (1 + 0.5 * s));
  const auto rhs = test::fixed_model<double>(R"({"type": "hillen_painter"})");
  for (const auto& [a, b] : {std::pair{0, 1}, {2, 1}, {5, 3}}) {
    const double l = laplacian_symbol(a, b);
    const std::vector<Vec> want = {{0.1 * l - 0.1, -m * l}, {s * s, l - 1}};
    EXPECT_NEAR(growth(jacobian_of_mode(*rhs, {1, s}, a, b)), growth(want), 1e-11);
  }
}

}  // namespace
}  // namespace mg
