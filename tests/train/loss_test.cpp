#include "train/loss.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"
#include "tests/train/loss_support.hpp"

namespace mg::train {
namespace {

using test::run_loss;
using test::Vec;

struct Kind {
  std::string name;
  bool compat;
  bool spectral() const { return name.starts_with("spectral"); }
};
const Kind kKinds[] = {{"l1", false},    {"l2", false},       {"euclidean", false},     {"cosine", false},
                       {"cosine", true}, {"spectral", false}, {"spectral_full", false}, {"spectral_full", true}};

/// Those that this build can work out.
std::vector<Kind> kinds() {
  std::vector<Kind> can;
  for (const Kind& kind : kKinds)
    if (test::can_run(kind.name)) can.push_back(kind);
  return can;
}

class LossBackends : public test::OnEachBackend {
 protected:
  Exec exec_{GetParam()};
};
MG_INSTANTIATE_BACKENDS(LossBackends);

/// 0/1, with the last sample (channel masks) or the first one (cell masks) excluded entirely.
Vec random_mask(Shape s, bool per_cell, unsigned seed) {
  Vec mask = test::random_vec(per_cell ? s.size() : std::size_t(s.n * s.c), seed);
  const std::size_t per_sample = mask.size() / std::size_t(s.n), skip = per_cell ? 0 : std::size_t(s.n - 1);
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = mask[i] > -0.5 && i / per_sample != skip;
  return mask;
}

/// The published example: two states of 2 channels on 4 x 4.
const Shape kSmall{1, 2, 4, 4};
const Vec kX = {0, 1, 2, 3, 1, 0, 1, 2, 3, 1, 0, 1, 2, 2, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1};
const Vec kY = {1, 1, 2, 2, 1, 1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0};

TEST_P(LossBackends, GivePublishedValues) {
  const std::vector<std::pair<Kind, double>> want = {{{"l2", false}, .5},
                                                     {{"l1", false}, .5},
                                                     {{"euclidean", false}, .70710678},
                                                     {{"cosine", true}, -.02556},
                                                     {{"spectral", false}, 6.764355},
                                                     {{"spectral_full", true}, 5.587685},
                                                     {{"spectral_full", false}, 7.0}};
  for (const auto& [kind, value] : want) {
    if (!test::can_run(kind.name)) continue;
    const auto loss = make_loss<double>(kind.name, kind.compat);
    EXPECT_NEAR(run_loss(exec_, *loss, kSmall, kX, kY, {}, {1}).losses[0], value, 1e-6) << kind.name;
  }
  MG_SKIP_WITHOUT_FFT();
}

TEST_P(LossBackends, AdjointPassesTheTaylorTest) {
  const Shape s{3, 2, 5, 6};
  const Vec x = test::random_vec(s.size(), 25), y = test::random_vec(s.size(), 27);
  for (const Kind& kind : kinds())
    for (int masked = 0; masked < (kind.spectral() ? 2 : 3); ++masked) {
      SCOPED_TRACE(kind.name + (kind.compat ? " compat" : "") + ", mask " + std::to_string(masked));
      Vec target = y;
      if (kind.name == "l1")  // piecewise linear: away from its kinks nothing of second order is left
        for (std::size_t i = 0; i < x.size(); ++i) target[i] = x[i] + std::copysign(0.1 + std::abs(y[i]), y[i]);
      const Vec mask = masked == 0 ? Vec{} : random_mask(s, masked == 2, 23);
      const auto loss = make_loss<double>(kind.name, kind.compat);
      test::expect_taylor_rate(
          [&](const Vec& v) { return run_loss(exec_, *loss, s, v, target, mask, Vec(3)).losses; },
          [&](const Vec& v, const Vec& bar) { return run_loss(exec_, *loss, s, v, target, mask, bar).x_bar; }, x);
    }
  MG_SKIP_WITHOUT_FFT();
}

TEST_P(LossBackends, DeviceTwinAgreesWithTheHost) {
  for (const Shape& s : {Shape{2, 3, 7, 9}, Shape{1, 1, 1, 1}, Shape{1, 2, 50, 50}}) {
    Vec x = test::random_vec(s.size(), 31), y = test::random_vec(s.size(), 32);
    const Vec bar = test::random_vec(std::size_t(s.n), 33);
    for (const Kind& kind : kinds())
      for (int masked = 0; masked < (kind.spectral() ? 2 : 3); ++masked) {
        SCOPED_TRACE(kind.name + ", mask " + std::to_string(masked));
        const Vec mask = masked == 0 ? Vec{} : random_mask(s, masked == 2, 34);
        const auto loss = make_loss<float>(kind.name, kind.compat);
        const auto want = run_loss({}, *loss, s, x, y, mask, bar), got = run_loss(exec_, *loss, s, x, y, mask, bar);
        MG_EXPECT_CLOSE(got.losses, want.losses, 2e-6);
        MG_EXPECT_CLOSE(got.x_bar, want.x_bar, 1e-5);
        const auto again = run_loss(exec_, *loss, s, x, y, mask, bar);
        EXPECT_EQ(got.losses, again.losses);
        EXPECT_EQ(got.x_bar, again.x_bar);
      }
  }
  MG_SKIP_WITHOUT_FFT();
}

TEST_P(LossBackends, EqualOrExcludedSamplesHaveZeroLossAndGradient) {
  const Shape s{2, 2, 3, 4};
  const Vec x = test::random_vec(s.size(), 41), before = test::random_vec(s.size(), 42);
  for (const Kind& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    const auto loss = make_loss<double>(kind.name, kind.compat);
    if (kind.name != "cosine") {
      const auto equal = run_loss(exec_, *loss, s, x, x, {}, {1, -2}, before);
      EXPECT_EQ(equal.losses, Vec(2));
      EXPECT_EQ(equal.x_bar, before);
    }
    const Vec y = test::random_vec(s.size(), 43);
    const auto excluded = run_loss(exec_, *loss, s, x, y, Vec(4), {1, -2}, before);
    EXPECT_EQ(excluded.losses, Vec(2));
    EXPECT_EQ(excluded.x_bar, before);
    const auto zero = run_loss(exec_, *loss, s, Vec(s.size()), Vec(s.size()), {}, {1, -2}, before);
    EXPECT_EQ(zero.losses, Vec(2));
    EXPECT_EQ(zero.x_bar, before);
  }
  MG_SKIP_WITHOUT_FFT();
}

TEST_P(LossBackends, NanCountsAsZeroAndInfinityAsTheLargestNumber) {
  const Shape s{2, 1, 2, 3};
  const Vec y = test::random_vec(s.size(), 51), before = test::random_vec(s.size(), 52);
  for (const Kind& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    const auto loss = make_loss<float>(kind.name, kind.compat);
    Vec x = test::random_vec(s.size(), 53);
    x[2] = std::numeric_limits<double>::quiet_NaN();
    const auto nan = run_loss(exec_, *loss, s, x, y, {}, {1, 1}, before);
    EXPECT_EQ(nan.losses[0], 0);
    for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(nan.x_bar[i], float(before[i]));
    for (double v : nan.x_bar) EXPECT_TRUE(std::isfinite(v));
    if (kind.name == "l2") {
      x[2] = 1e30;
      const auto inf = run_loss(exec_, *loss, s, x, y, {}, {1, 1}, before);
      EXPECT_EQ(inf.losses[0], double(std::numeric_limits<float>::max()));
      EXPECT_EQ(inf.x_bar[0], float(before[0]));
    }
  }
  MG_SKIP_WITHOUT_FFT();
}

TEST(Loss, RefusesWhatDoesNotFit) {
  const auto loss = make_loss<double>("spectral");
  EXPECT_THROW(run_loss<double>({}, *loss, kSmall, kX, kY, Vec(kSmall.size(), 1.0), {1}), std::invalid_argument);
  EXPECT_THROW(make_loss<double>("vgg"), std::invalid_argument);
  Workspace workspace;
  double out[2];
  EXPECT_THROW(loss->value({}, {kX.data(), kSmall}, {kY.data(), {1, 1, 4, 4}}, {}, out, workspace),
               std::invalid_argument);
  EXPECT_THROW(make_loss<double>("l2")->value({}, {kX.data(), kSmall}, {kY.data(), kSmall}, {kX.data(), {1, 1, 4, 4}},
                                              out, workspace),
               std::invalid_argument);
}

template <class T>
void check_goldens(double bound) {
  for (const auto& path : test::golden_files("common", "loss_")) {
    const auto g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    const auto dims = g.shape("x");
    const Shape shape{int(dims[0]), int(dims[1]), int(dims[2]), int(dims[3])};
    const Vec x = g.values("x"), y = g.values("y");
    int cases = 0;
    for (const auto& [tensor, doc] : g.what.at("outputs").items()) {
      if (!tensor.ends_with(".out")) continue;
      const std::string label = tensor.substr(0, tensor.size() - 4);
      SCOPED_TRACE(label);
      if (label == "random_sampled_euclidean") continue;  // no loss of this program
      const bool masked = label.ends_with("_masked");
      const std::string reference = masked ? label.substr(0, label.size() - 7) : label;
      if (!test::can_run(reference)) continue;
      const auto loss = make_loss<T>(reference == "spectral_weighted" ? "spectral_full" : reference, true);
      const Vec mask = masked ? g.values("where") : Vec{}, bar = g.values(label + ".out_bar");
      const auto got = run_loss<T>({}, *loss, shape, x, y, mask, bar);
      MG_EXPECT_CLOSE(got.losses, g.values(label + ".out"), bound);
      MG_EXPECT_CLOSE(got.x_bar, g.values(label + ".x_bar"), bound);
      // Every loss is symmetric in x and y.
      MG_EXPECT_CLOSE((run_loss<T>({}, *loss, shape, y, x, mask, bar).x_bar), g.values(label + ".y_bar"), bound);
      ++cases;
    }
    EXPECT_GE(cases, host_fft_library().empty() ? 6 : 10);
  }
}

TEST(LossGolden, DoubleAgrees) {
  check_goldens<double>(1e-12);
  MG_SKIP_WITHOUT_FFT();
}
TEST(LossGolden, FloatAgrees) {
  check_goldens<float>(1e-6);
  MG_SKIP_WITHOUT_FFT();
}

}  // namespace
}  // namespace mg::train
