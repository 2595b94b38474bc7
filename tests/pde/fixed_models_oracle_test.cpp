#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "tests/pde/rhs_runner.hpp"

// Right-hand sides and adjoints at a given state, against independent evaluations.
namespace mg {
namespace {

using test::Vec;

struct Row {
  const char *model, *padding;
  double want[6];  ///< sum F, sum F^2, F[0], <F, g>, sum x_bar, sum x_bar^2
  std::map<std::string, double> params_bar;
};

const Row kRows[] = {
    {"gray_scott",
     "ZEROS",
     {-7.7142919972, 4.92461670899, -0.705246334697, -2.15285571774, -2.98005616431, 16.8379584322},
     {}},
    {"gray_scott",
     "CIRCULAR",
     {-0.949165932923, 2.82256442034, -0.471424074965, -1.75147993948, -1.19151707937, 20.3317043688},
     {{"DA", -17.8897745595}, {"DB", 10.5481157815}, {"alpha", -1.40993619287}, {"gamma", 2.63121232992}}},
    {"gray_scott",
     "REPLICATE",
     {-0.949165932923, 1.93555193592, -0.251035344246, -0.728857057513, -1.19151707937, 10.0105269339},
     {}},
    {"gray_scott",
     "REFLECT",
     {-1.37563145711, 2.49985569698, -0.16286546933, -0.55252441816, -1.19151707937, 14.5533015923},
     {}},
    {"chhabra",
     "ZEROS",
     {-16.5163077427, 35.6995330415, -0.00695412635617, 1.28321148353, -3.43167249473, 89.9302572909},
     {}},
    {"chhabra",
     "CIRCULAR",
     {0.0260351971831, 19.6485287416, -0.00110856986289, 4.21682693537, 0.0375570583129, 126.865559494},
     {{"DA", -17.8897745595},
      {"DI", 10.5481157815},
      {"SA", 0.804692071444},
      {"SI", 1.35028376701},
      {"KdA", -0.294397850612},
      {"KdI", 2.63121232992},
      {"KI", -0.00547442121262}}},
    {"chhabra",
     "REPLICATE",
     {0.0260351971831, 11.2741541561, 0.0044011484051, 3.63961262141, 0.0375570583129, 35.375422862},
     {}},
    {"chhabra",
     "REFLECT",
     {0.169970408384, 21.5022455758, 0.00660539527799, 1.48595544167, 0.0375570583129, 76.56012401},
     {}},
    {"hillen_painter",
     "ZEROS",
     {-11.6555282937, 666.103807479, 9.55263228293, 14.7507666077, 21.0242641105, 2364.90553916},
     {}},
    {"hillen_painter",
     "CIRCULAR",
     {-24.1923632362, 609.290312608, 5.47352469079, 6.95257597345, -3.60907394497, 4559.80732601},
     {{"D", -10.4509113509},
      {"chi", -1.06295933471},
      {"gamma", -0.0470124213257},
      {"alpha", 0.39095598589},
      {"logistic_growth_rate", -0.898614386807},
      {"phi", -0.389285336527}}},
    {"hillen_painter",
     "REPLICATE",
     {-14.8016323608, 348.155693724, 4.16610047613, 11.9247690975, 0.639161713926, 1153.42989018},
     {}},
    {"hillen_painter",
     "REFLECT",
     {-24.6356036194, 712.720849552, 7.30709640799, 3.82677286419, 1.70321129266, 3405.05580895},
     {}},
    {"keller_segel",
     "ZEROS",
     {-33.6662334745, 517.71404188, 6.27209572115, -8.12042885179, -12.3433524198, 1153.00759237},
     {}},
    {"keller_segel",
     "CIRCULAR",
     {16.4306441344, 519.779388864, 4.24710282804, -9.62000443937, -10.5459850313, 1820.0196734},
     {{"c", -0.736980450574}, {"epsilon", -1.28324116059}, {"D", 10.5481157815}, {"alpha", 2.63121232992}}},
    {"keller_segel",
     "REPLICATE",
     {18.4260026548, 295.155886324, 4.7930866843, 2.39618894746, -7.47229302289, 536.483873061},
     {}},
    {"keller_segel",
     "REFLECT",
     {12.3946537052, 550.065001652, 8.97146247845, 1.82459922978, -7.27668712468, 1196.47042721},
     {}},
    {"cahn_hilliard",
     "ZEROS",
     {-22.2467260256, 183.786926392, -1.98018274407, -14.0012162551, -22.5375319712, 461.55049938},
     {}},
    {"cahn_hilliard",
     "CIRCULAR",
     {0, 156.461788174, -1.36420731198, -15.0489592751, -5.71581140952, 1119.59018534},
     {{"D", -150.489592751}, {"gamma", -15.1768994544}}},
    {"cahn_hilliard",
     "REPLICATE",
     {0, 56.6577954717, 1.65405731286, -2.59407507336, -2.34500503353, 82.6382845165},
     {}},
    {"cahn_hilliard",
     "REFLECT",
     {-1.26712182614, 150.895545685, 4.15297592693, 7.33042300004, -0.963811544525, 1000.20910491},
     {}},
};

// x[c, i, j] = 0.5 + 0.3 sin(0.7 i + 1.3 j + 2.1 c) + 0.1 cos(1.9 i - 0.4 j + c), g = cos(0.9 i + 0.5 j - c) on 6 x 5, dx = 0.5.
TEST(KnownAnswersOracle, FixedModels) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(std::string(row.model) + " " + row.padding);
    const auto rhs = test::fixed_model<double>("{\"type\": \"" + std::string(row.model) + "\", \"padding\": \"" +
                                               row.padding + "\", \"dx\": 0.5}");
    Vec x, g;
    for (int c = 0; c < rhs->channels(); ++c)
      for (int i = 0; i < 6; ++i)
        for (int j = 0; j < 5; ++j) {
          x.push_back(0.5 + 0.3 * std::sin(0.7 * i + 1.3 * j + 2.1 * c) + 0.1 * std::cos(1.9 * i - 0.4 * j + c));
          g.push_back(std::cos(0.9 * i + 0.5 * j - c));
        }
    const test::RhsRunner<double> run(*rhs, {1, rhs->channels(), 6, 5});
    const Vec f = run.value(x);
    const auto bars = run.adjoint(x, g);
    const Vec ones(x.size(), 1);
    const double got[6] = {test::dot(f, ones),
                           test::dot(f, f),
                           f[0],
                           test::dot(f, g),
                           test::dot(bars.x_bar, ones),
                           test::dot(bars.x_bar, bars.x_bar)};
    for (int k = 0; k < 6; ++k) EXPECT_NEAR(got[k], row.want[k], 1e-10 * (1 + std::abs(row.want[k]))) << k;
    for (const auto& [name, want] : row.params_bar)
      EXPECT_NEAR(bars.params_bar[rhs->param_layout().at(name).offset], want, 1e-10 * (1 + std::abs(want))) << name;
  }
}

/// x after `steps` steps of Heun's method.
Vec solve(const pde::Rhs<double>& rhs, Shape shape, Vec x, double h, int steps) {
  const test::RhsRunner<double> run(rhs, shape);
  for (int k = 0; k < steps; ++k) {
    const Vec k1 = run.value(x);
    Vec y = x;
    for (std::size_t i = 0; i < x.size(); ++i) y[i] += h * k1[i];
    const Vec k2 = run.value(y);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += h / 2 * (k1[i] + k2[i]);
  }
  return x;
}

// E = sum (u^2 - 1)^2 / 4 - gamma u L u / 2 falls and the mass stays under Cahn-Hilliard.
TEST(FixedModelsOracle, CahnHilliardEnergyFalls) {
  const auto rhs = test::fixed_model<double>(R"({"type": "cahn_hilliard", "padding": "REPLICATE"})");
  const auto heat =
      test::fixed_model<double>(R"({"type": "fisher_kpp", "padding": "REPLICATE", "params": {"rate": 0}})");
  const Shape shape{1, 1, 13, 18};
  const test::RhsRunner<double> laplacian(*heat, shape);
  Vec x = test::random_vec(shape.size(), 9);
  for (double& v : x) v *= 0.3;
  const Vec ones(x.size(), 1);
  const double mass = test::dot(x, ones);
  const auto energy = [&](const Vec& u) {
    double sum = -test::dot(u, laplacian.value(u)) / 2;
    for (double v : u) sum += (v * v - 1) * (v * v - 1) / 4;
    return sum;
  };
  double last = energy(x);
  for (int k = 0; k < 20; ++k) {
    x = solve(*rhs, shape, x, 0.2, 10);
    const double now = energy(x);
    EXPECT_LT(now, last);
    last = now;
  }
  EXPECT_NEAR(test::dot(x, ones), mass, 1e-11);
}

/// Where a front that falls along axis 1 passes `level`, in cells.
double position(const Vec& x, int w, double level) {
  for (int j = 0; j + 1 < w; ++j)
    if (x[std::size_t(j)] >= level && x[std::size_t(j) + 1] < level)
      return j + (x[std::size_t(j)] - level) / (x[std::size_t(j)] - x[std::size_t(j) + 1]);
  return -1;
}

// u = (1 + exp(z / sqrt 6))^-2 travels with 5 / sqrt 6.  @source Ablowitz, Zeppetella 1979
TEST(FixedModelsOracle, FisherFront) {
  const double dx = 0.5, h = 0.05;
  const auto rhs = test::fixed_model<double>(R"({"type": "fisher_kpp", "padding": "REPLICATE", "dx": 0.5})");
  const Shape shape{1, 1, 3, 120};
  Vec x(shape.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double e = 1 + std::exp((double(i % 120) * dx - 15) / std::sqrt(6.0));
    x[i] = 1 / (e * e);
  }
  const double before = position(x, 120, 0.25);
  x = solve(*rhs, shape, x, h, 200);
  EXPECT_NEAR((position(x, 120, 0.25) - before) * dx / (200 * h), 5 / std::sqrt(6.0), 0.02);
}

// u = -tanh(z sqrt(rate / (2 D))) travels with -sqrt(2 rate D) bias.
TEST(FixedModelsOracle, NagumoFront) {
  const double dx = 0.4, h = 0.02;
  const auto rhs = test::fixed_model<double>(
      R"({"type": "allen_cahn", "padding": "REPLICATE", "dx": 0.4, "params": {"bias": -0.3}})");
  const Shape shape{1, 1, 3, 100};
  Vec x(shape.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = -std::tanh((double(i % 100) * dx - 15) / std::sqrt(2.0));
  const double before = position(x, 100, 0);
  x = solve(*rhs, shape, x, h, 500);
  EXPECT_NEAR((position(x, 100, 0) - before) * dx / (500 * h), 0.3 * std::sqrt(2.0), 0.01);
}

}  // namespace
}  // namespace mg
