#include "train/sliced_loss.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/philox.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"
#include "tests/train/loss_support.hpp"

namespace mg::train {
namespace {

using test::run_loss;
using test::Vec;

constexpr Shape kShape{2, 3, 4, 6};

Vec value(const SlicedLoss<double>& loss, const Vec& x, const Vec& y, Shape s = kShape) {
  return run_loss<double>({}, loss, s, x, y, {}, Vec(std::size_t(s.n), 1.0)).losses;
}

/// The formula once more, patch by patch, with modulo for the wrap.
double naive(const double* x, const double* y, Shape s, int projections, int patch) {
  const int size = s.c * patch * patch;
  double total = 0;
  for (int k = 0; k < projections; ++k) {
    const RandomStream stream{0, RandomPurpose::loss_samples, 0, 0, std::uint32_t(k)};
    Vec v(std::size_t(size) + 1);
    for (int i = 0; i < size; i += 2) {
      const Philox4 w = stream.words(std::uint32_t(i));
      normal2(w.v[0], w.v[1], &v[std::size_t(i)]);
    }
    v.resize(std::size_t(size));
    const double norm = std::sqrt(test::dot(v, v));
    const auto sorted = [&](const double* f) {
      Vec p;
      for (int r = 0; r < s.h; ++r)
        for (int q = 0; q < s.w; ++q) {
          double sum = 0;
          for (int c = 0, e = 0; c < s.c; ++c)
            for (int a = 0; a < patch; ++a)
              for (int b = 0; b < patch; ++b, ++e)
                sum += v[std::size_t(e)] / norm * f[(c * s.h + (r + a) % s.h) * s.w + (q + b) % s.w];
          p.push_back(sum);
        }
      std::sort(p.begin(), p.end());
      return p;
    };
    const Vec a = sorted(x), b = sorted(y);
    for (std::size_t i = 0; i < a.size(); ++i) total += (a[i] - b[i]) * (a[i] - b[i]) / double(a.size() * projections);
  }
  return total;
}

TEST(SlicedLoss, IsTheFormulaAndSeesNoShift) {
  const Vec x = test::random_vec(kShape.size(), 1), y = test::random_vec(kShape.size(), 2);
  for (int patch : {1, 3, 5}) {  // 5 wraps around twice
    const SlicedLoss<double> loss(7, patch, 1);
    const Vec got = value(loss, x, y);
    for (int n = 0; n < kShape.n; ++n) {
      const std::size_t at = std::size_t(n) * 3 * kShape.plane();
      EXPECT_NEAR(got[std::size_t(n)], naive(&x[at], &y[at], kShape, 7, patch), 1e-12);
    }
    Vec moved = x;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t row = i / 6;
      moved[i] = x[(row / 4 * 4 + (row + 1) % 4) * 6 + (i + 2) % 6];
    }
    for (double v : value(loss, x, moved)) EXPECT_NEAR(v, 0, 1e-24);
  }
}

TEST(SlicedLoss, AdjointPassesTheTaylorTestAtAllLevels) {
  const Vec y = test::random_vec(kShape.size(), 3), x = test::random_vec(kShape.size(), 4);
  constexpr double kScale = 1e-3;  // so short that no two projections change places
  for (int levels : {1, 2}) {
    const SlicedLoss<double> loss(5, 3, levels);
    Vec point = x;
    for (double& v : point) v /= kScale;
    const auto scaled = [&](Vec v) {
      for (double& e : v) e *= kScale;
      return v;
    };
    test::expect_taylor_rate([&](const Vec& v) { return value(loss, scaled(v), y); },
                             [&](const Vec& v, const Vec& bar) {
                               return scaled(run_loss<double>({}, loss, kShape, scaled(v), y, {}, bar).x_bar);
                             },
                             point);
  }
}

TEST(SlicedLoss, FloatAgreesAndRepeats) {
  const Vec x = test::random_vec(kShape.size(), 5), y = test::random_vec(kShape.size(), 6), bar = {0.5, -2};
  const auto want = run_loss<double>({}, SlicedLoss<double>(6, 3, 2), kShape, x, y, {}, bar);
  const auto got = run_loss<float>({}, SlicedLoss<float>(6, 3, 2), kShape, x, y, {}, bar);
  MG_EXPECT_CLOSE(got.losses, want.losses, 1e-5);
  MG_EXPECT_CLOSE(got.x_bar, want.x_bar, 1e-5);
  EXPECT_EQ(got.x_bar, run_loss<float>({}, SlicedLoss<float>(6, 3, 2), kShape, x, y, {}, bar).x_bar);
}

TEST(SlicedLoss, RefusesWhatItCannotDoAndLivesWithNaN) {
  const Vec y = test::random_vec(kShape.size(), 7);
  const SlicedLoss<double> loss(3, 3, 1);
  EXPECT_THROW(value(SlicedLoss<double>(3, 3, 3), y, y), std::invalid_argument);
  EXPECT_THROW(run_loss<double>({}, loss, kShape, y, y, Vec(kShape.size(), 1), {1, 1}), std::invalid_argument);
  Vec x = y;
  x[0] = std::numeric_limits<double>::quiet_NaN();
  const auto run = run_loss<double>({}, loss, kShape, x, test::random_vec(kShape.size(), 8), {}, {1, 1});
  EXPECT_EQ(run.losses[0], 0);
  EXPECT_GT(run.losses[1], 0);
  for (std::size_t i = 0; i < x.size() / 2; ++i) EXPECT_EQ(run.x_bar[i], 0);
}

}  // namespace
}  // namespace mg::train
