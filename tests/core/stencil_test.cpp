#include "core/stencil.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "tests/core/stencil_cases.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg {
namespace {

using test::StencilCase;
using test::StencilRunner;

constexpr Padding kPaddings[] = {Padding::zeros, Padding::reflect, Padding::replicate, Padding::circular};

std::vector<double> row(const std::vector<double>& field, int y, int w) {
  return {field.begin() + y * w, field.begin() + (y + 1) * w};
}
void expect_row(const std::vector<double>& got, const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-14) << "column " << i;
}

/// One stencil applied to one plane.
std::vector<double> apply(Padding padding, StencilKind kind, std::vector<double> x, int h, int w, int scale = 1,
                          bool original = false) {
  const auto set = make_stencils<double>(padding, scale, 1, 1, original);
  std::vector<double> out(x.size());
  correlate<double>({}, set, kind, {x.data(), {1, 1, h, w}}, {out.data(), {1, 1, h, w}});
  return out;
}

const std::vector<double> kFour = {1, 2, 4, 7, 3, 0, 5, 1, 2, 6, 8, 3, 9, 4, 0, 2};

struct Published {
  Padding padding;
  std::vector<double> grad0, grad1, lap0, lap3;
};

TEST(Stencil, AgreesWithThePublishedTable) {
  const Published table[] = {
      {Padding::zeros,
       {.5, 1, 1.375, -1.625},
       {.75, 1, 1.375, .875},
       {-.5, -1.5, -4.75, -17.25},
       {-22.5, -2, 9.25, -2.5}},
      {Padding::reflect, {0, 1.25, 1.5, 0}, {0, 0, 0, 0}, {2, .5, -2, -11}, {-15, 3.5, 15.5, 5}},
      {Padding::replicate,
       {0, 1.375, 2, .625},
       {.5, -.125, -.75, -2.125},
       {2, .75, -.5, -7.25},
       {-9.75, 2.25, 10.75, .75}},
      {Padding::circular,
       {-1.125, -.125, 1.125, .125},
       {-2.125, -1.125, .625, -.375},
       {9.25, 2.75, -3.25, -12.75},
       {-18, .25, 13.5, 7.25}},
  };
  for (const Published& p : table) {
    SCOPED_TRACE(kPaddingNames[int(p.padding)]);
    const auto grad0 = apply(p.padding, StencilKind::grad0, kFour, 4, 4);
    const auto grad1 = apply(p.padding, StencilKind::grad1, kFour, 4, 4);
    const auto lap = apply(p.padding, StencilKind::lap, kFour, 4, 4);
    expect_row(row(grad0, 0, 4), p.grad0);
    expect_row(row(grad1, 0, 4), p.grad1);
    expect_row(row(lap, 0, 4), p.lap0);
    expect_row(row(lap, 3, 4), p.lap3);
    EXPECT_NEAR(grad0[5], 1.625, 1e-14);
    EXPECT_NEAR(grad0[6], .5, 1e-14);
    EXPECT_NEAR(grad1[5], 1.625, 1e-14);
    EXPECT_NEAR(grad1[6], 1, 1e-14);
    EXPECT_NEAR(lap[5], 11.75, 1e-14);
    EXPECT_NEAR(lap[10], -15.25, 1e-14);
    EXPECT_NEAR(apply(p.padding, StencilKind::average, kFour, 4, 4)[5], 1.511268, 5e-7);
  }
}

TEST(Stencil, ScaledKernelsHaveUnitGainAndTheRightSign) {
  for (int scale = 1; scale <= kMaxStencilScale; ++scale) {
    SCOPED_TRACE(scale);
    const int n = 2 * scale + 1, centre = scale * n + scale;
    std::vector<double> along0(std::size_t(n) * n), along1(along0), bowl(along0);
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < n; ++j) {
        along0[i * n + j] = i;
        along1[i * n + j] = j;
        bowl[i * n + j] = ((i - scale) * (i - scale) + (j - scale) * (j - scale)) / 4.0;
      }
    const auto at = [&](StencilKind kind, const std::vector<double>& x) {
      return apply(Padding::zeros, kind, x, n, n, scale)[centre];
    };
    EXPECT_NEAR(at(StencilKind::grad0, along1), 1, 1e-12);
    EXPECT_NEAR(at(StencilKind::grad0, along0), 0, 1e-12);
    EXPECT_NEAR(at(StencilKind::grad1, along0), 1, 1e-12);
    EXPECT_NEAR(at(StencilKind::grad1, along1), 0, 1e-12);
    EXPECT_NEAR(at(StencilKind::lap, bowl), 1, 1e-12);
    EXPECT_NEAR(at(StencilKind::lap, std::vector<double>(bowl.size(), 3.0)), 0, 1e-12);
    EXPECT_NEAR(at(StencilKind::average, std::vector<double>(bowl.size(), 3.0)), 3, 1e-12);
  }
}

TEST(Stencil, OriginalScaledKernelsRespondAsMeasured) {
  const struct {
    int scale;
    double grad, lap;
  } measured[] = {{2, -1.308562, -0.311829}, {3, -1.805452, -0.345863}};
  for (const auto& m : measured) {
    const int s = m.scale, n = 2 * s + 1, centre = s * n + s;
    std::vector<double> ramp(std::size_t(n) * n), bowl(ramp);
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < n; ++j) {
        ramp[i * n + j] = i;
        bowl[i * n + j] = ((i - s) * (i - s) + (j - s) * (j - s)) / 4.0;
      }
    EXPECT_NEAR(apply(Padding::zeros, StencilKind::grad0, ramp, n, n, s, true)[centre], m.grad, 5e-7);
    EXPECT_NEAR(apply(Padding::zeros, StencilKind::lap, bowl, n, n, s, true)[centre], m.lap, 5e-7);
  }
}

TEST(Stencil, OriginalScaleTwoTaps) {
  const auto set = make_stencils<double>(Padding::zeros, 2, 1, 1, true);
  const double grad0[] = {.008407, .037676, .062117, .037676, .008407, .018838, .084425, .139193, .084425, .018838};
  const double lap[] = {-.074662, -.001351, .033420, -.001351, -.074662, -.001351, .073714, .017866,
                        .073714,  -.001351, .033420, .017866,  -.190546, .017866,  .033420};
  const double average[] = {.002969, .013306, .021938, .013306, .002969, .013306, .059634, .098320,
                            .059634, .013306, .021938, .098320, .162103, .098320, .021938};
  for (int i = 0; i < 10; ++i) {
    EXPECT_NEAR(set.grad0[i], grad0[i], 5e-7);
    EXPECT_NEAR(set.grad0[24 - i], -grad0[i], 5e-7);
  }
  for (int i = 0; i < 15; ++i) {
    EXPECT_NEAR(set.lap[i], lap[i], 5e-7);
    EXPECT_NEAR(set.average[i], average[i], 5e-7);
  }
}

// Sizes smaller than the stencil fold every border into the others.
TEST(Stencil, EveryAdjointOnEveryPaddingAndSize) {
  const Shape shapes[] = {{1, 1, 1, 1}, {1, 1, 1, 5}, {2, 1, 4, 1}, {1, 2, 2, 3}, {2, 3, 5, 7}, {1, 1, 11, 9}};
  for (const StencilCase<double>& op : test::stencil_cases<double>())
    for (Padding padding : kPaddings)
      for (const Shape& shape : shapes)
        for (int scale : {1, 2, 3}) {
          if (padding == Padding::reflect && (shape.h < 2 || shape.w < 2)) continue;
          SCOPED_TRACE(op.name + " " + std::string(kPaddingNames[int(padding)]) + " " + std::to_string(shape.h) + "x" +
                       std::to_string(shape.w) + " scale " + std::to_string(scale));
          const auto set = make_stencils<double>(padding, scale, scale == 1 ? shape.h % 2 : 1, 0.7, shape.n == 2);
          const StencilRunner<double> run(Backend::host, op, set, shape);
          if (op.linear) {
            test::expect_adjoint([&](const auto& x) { return run.forward(x); },
                                 [&](const auto& y) { return run.adjoint(std::vector<double>(run.in_size()), y); },
                                 run.in_size(), run.out_size());
          } else if (shape.h * shape.w > 1 && (op.name != "GradNorm" || padding != Padding::reflect)) {
            const auto x = test::random_vec(run.in_size(), 5);
            const auto c = test::random_vec(run.out_size(), 3), t = test::random_vec(run.in_size(), 4);
            // Central difference: these are polynomials of degree 2, or norms away from 0.
            const auto at = [&](double e) {
              auto xe = x;
              for (std::size_t i = 0; i < xe.size(); ++i) xe[i] += e * t[i];
              return test::dot(run.forward(xe), c);
            };
            const double slope = test::dot(run.adjoint(x, c), t), e = 1e-6;
            EXPECT_NEAR((at(e) - at(-e)) / (2 * e), slope, 2e-6 * (1 + std::abs(slope)));
          }
        }
}

TEST(Stencil, TaylorRatesOfTheNonlinearOperators) {
  for (const StencilCase<double>& op : test::stencil_cases<double>()) {
    if (op.linear) continue;
    for (Padding padding : kPaddings) {
      SCOPED_TRACE(op.name + " " + std::string(kPaddingNames[int(padding)]));
      const auto set = make_stencils<double>(padding, 1, 1, 0.7);
      const StencilRunner<double> run(Backend::host, op, set, {2, 2, 7, 9});
      std::vector<double> x = test::random_vec(run.in_size(), 5);
      if (op.name == "GradNorm")  // steep enough that no norm comes near its kink
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.1 * x[i] + 4.0 * double(i % 9) + 2.0 * double(i / 9 % 7);
      test::expect_taylor_rate([&](const auto& v) { return run.forward(v); },
                               [&](const auto& v, const auto& bar) { return run.adjoint(v, bar); }, x);
    }
  }
}

TEST(Stencil, GradNormHasDerivativeZeroAtZero) {
  const auto set = make_stencils<double>(Padding::reflect);
  const auto cases = test::stencil_cases<double>();
  for (const auto& op : cases)
    if (op.name == "GradNorm") {
      const StencilRunner<double> run(Backend::host, op, set, {1, 1, 6, 5});
      const std::vector<double> flat(30, 2.5);
      EXPECT_EQ(run.adjoint(flat, test::random_vec(30, 3)), std::vector<double>(30, 0.0));
      // On a REFLECT corner the norm is 0 to the last bit whatever the field.
      EXPECT_EQ(run.forward(test::random_vec(30, 1))[0], 0.0);
      EXPECT_EQ(run.forward(test::random_vec(30, 1))[29], 0.0);
    }
}

TEST(Stencil, RefusesWhatDoesNotFit) {
  EXPECT_THROW(make_stencils<float>(Padding::zeros, 0), std::invalid_argument);
  EXPECT_THROW(make_stencils<float>(Padding::zeros, kMaxStencilScale + 1), std::invalid_argument);
  EXPECT_THROW(make_stencils<float>(Padding::zeros, 1, 2), std::invalid_argument);
  EXPECT_THROW(make_stencils<float>(Padding::zeros, 1, 1, 0.0), std::invalid_argument);
  std::vector<float> a(16), b(32);
  const auto reflect = make_stencils<float>(Padding::reflect), zeros = make_stencils<float>(Padding::zeros);
  EXPECT_THROW(laplacian<float>({}, reflect, {a.data(), {1, 1, 1, 4}}, {b.data(), {1, 1, 1, 4}}),
               std::invalid_argument);
  EXPECT_THROW(laplacian<float>({}, zeros, {a.data(), {1, 1, 4, 4}}, {b.data(), {1, 1, 2, 8}}), std::invalid_argument);
  EXPECT_THROW(grad<float>({}, zeros, {a.data(), {1, 1, 4, 4}}, {b.data(), {1, 1, 4, 4}}), std::invalid_argument);
  EXPECT_THROW(div<float>({}, zeros, {a.data(), {1, 3, 2, 2}}, {b.data(), {1, 1, 2, 2}}), std::invalid_argument);
}

}  // namespace
}  // namespace mg
