#include "train/feature_loss.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <sstream>
#include <string>

#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"
#include "tests/train/loss_support.hpp"

namespace mg::train {
namespace {

using test::Vec;

PerceptionSpec spec_of(const std::string& kernels, Padding padding) {
  PerceptionSpec p;
  p.id = p.lap = false;
  p.padding = padding;
  std::stringstream names(kernels);
  for (std::string name; std::getline(names, name, '-');) {
    bool& flag = name == "ID" ? p.id : name == "DIFF" ? p.diff : name == "GRAD" ? p.grad : name == "AV" ? p.av : p.lap;
    EXPECT_TRUE(flag || name == "ID" || name == "DIFF" || name == "GRAD" || name == "AV" || name == "LAP") << name;
    flag = true;
  }
  return p;
}

template <class T>
FeatureLoss<T> feature_loss(const std::string& loss, int observed, std::optional<PerceptionSpec> p) {
  return FeatureLoss<T>(make_loss<T>(loss, true), observed, p);
}

/// x and y of (n, channels, h, w); the mask is of the observed channels, (n, observed, 1, 1).
template <class T>
test::LossRun run(const Exec& exec, const FeatureLoss<T>& loss, Shape shape, int observed, const Vec& x, const Vec& y,
                  const Vec& mask, const Vec& bar) {
  Workspace workspace;
  const auto xs = test::to_backend<T>(exec, x), ys = test::to_backend<T>(exec, y), ms = test::to_backend<T>(exec, mask),
             bars = test::to_backend<T>(exec, bar);
  Buffer<T> losses(exec, std::size_t(shape.n)), x_bar(exec, x.size());
  x_bar.zero();
  const ConstView<T> xv{xs.data(), shape}, yv{ys.data(), shape}, mv{ms.data(), {shape.n, observed, 1, 1}};
  loss.value(exec, xv, yv, mv, losses.data(), workspace);
  loss.adjoint(exec, xv, yv, mv, bars.data(), {x_bar.data(), shape}, workspace);
  return {test::from_backend(losses), test::from_backend(x_bar)};
}

class FeatureLossBackends : public test::OnEachBackend {
 protected:
  Exec exec_{GetParam()};
};
MG_INSTANTIATE_BACKENDS(FeatureLossBackends);

TEST_P(FeatureLossBackends, GivesPublishedValues) {
  const Shape s{1, 2, 4, 4};
  const Vec x = {0, 1, 2, 3, 1, 0, 1, 2, 3, 1, 0, 1, 2, 2, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1};
  const Vec y = {1, 1, 2, 2, 1, 1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0};
  const struct {
    const char* kernels;
    double euclidean, l2;
  } want[] = {{"ID-LAP", .527301503, .278046875},
              {"ID-GRAD-LAP", .373434231, .139453125},
              {"ID-LAP-DIFF", .431105856, .185852259},
              {"ID-DIFF-GRAD-AV-LAP", .305723262, .093466713}};
  for (const auto& w : want) {
    const auto p = spec_of(w.kernels, Padding::circular);
    EXPECT_NEAR(run(exec_, feature_loss<double>("euclidean", 2, p), s, 2, x, y, {}, {1}).losses[0], w.euclidean, 1e-9);
    EXPECT_NEAR(run(exec_, feature_loss<double>("l2", 2, p), s, 2, x, y, {}, {1}).losses[0], w.l2, 1e-9);
  }
}

TEST_P(FeatureLossBackends, AdjointPassesTheTaylorTest) {
  const Shape s{2, 4, 5, 6};
  const Vec x = test::random_vec(s.size(), 61), y = test::random_vec(s.size(), 62), mask = {1, 0, 1, 1};
  for (const char* kernels : {"ID-GRAD-LAP", "DIFF-AV", "ID-DIFF-GRAD-AV-LAP"})
    for (Padding padding : {Padding::circular, Padding::replicate}) {
      SCOPED_TRACE(kernels);
      const auto loss = feature_loss<double>("euclidean", 2, spec_of(kernels, padding));
      test::expect_taylor_rate(
          [&](const Vec& v) { return run(exec_, loss, s, 2, v, y, mask, Vec(2)).losses; },
          [&](const Vec& v, const Vec& bar) { return run(exec_, loss, s, 2, v, y, mask, bar).x_bar; }, x);
    }
}

TEST_P(FeatureLossBackends, DeviceTwinAgreesWithTheHost) {
  const Shape s{2, 5, 9, 7};
  const Vec x = test::random_vec(s.size(), 71), y = test::random_vec(s.size(), 72), bar = {0.7, -1.2};
  for (const char* name : {"l1", "l2", "euclidean", "spectral"}) {
    SCOPED_TRACE(name);
    if (!test::can_run(name)) continue;
    const auto loss = feature_loss<float>(name, 3, spec_of("ID-DIFF-GRAD-AV-LAP", Padding::zeros));
    const auto want = run({}, loss, s, 3, x, y, {}, bar), got = run(exec_, loss, s, 3, x, y, {}, bar);
    MG_EXPECT_CLOSE(got.losses, want.losses, 2e-6);
    MG_EXPECT_CLOSE(got.x_bar, want.x_bar, 1e-5);
  }
  MG_SKIP_WITHOUT_FFT();
}

TEST(FeatureLoss, RefusesWhatDoesNotFit) {
  const Shape s{1, 2, 4, 4};
  const auto loss = feature_loss<double>("l2", 3, spec_of("ID", Padding::zeros));
  EXPECT_THROW(run({}, loss, s, 3, Vec(s.size()), Vec(s.size()), {}, {1}), std::invalid_argument);
  EXPECT_THROW(run({}, feature_loss<double>("l2", 2, {}), s, 1, Vec(s.size()), Vec(s.size()), {1}, {1}),
               std::invalid_argument);
  EXPECT_THROW(feature_loss<double>("l2", 0, {}), std::invalid_argument);
}

template <class T>
void check_goldens(double bound) {
  for (const auto& path : test::golden_files("nca", "trainer_loss")) {
    const auto g = test::load_golden(path);
    const auto dims = g.shape("x");
    const Shape shape{int(dims[0]), int(dims[1]), int(dims[2]), int(dims[3])};
    const int observed = g.params().at("OBS_CHANNELS").get<int>();
    const auto padding_name = g.params().at("PADDING").get<std::string>();
    const auto padding = Padding(std::find(std::begin(kPaddingNames), std::end(kPaddingNames), padding_name) -
                                 std::begin(kPaddingNames));
    const Vec x = g.values("x"), y = g.values("y");
    int cases = 0;
    for (const auto& [tensor, doc] : g.what.at("outputs").items()) {
      if (!tensor.ends_with(".out")) continue;
      const std::string label = tensor.substr(0, tensor.size() - 4);
      SCOPED_TRACE(g.name + " " + label);
      if (label.find("hNCA") != std::string::npos) continue;  // perceives polynomials of the channels: another model
      const auto dot = label.find('.'), last = label.rfind('.');
      std::optional<PerceptionSpec> perception;
      if (dot != last) perception = spec_of(label.substr(dot + 1, last - dot - 1), padding);
      if (!test::can_run(label)) continue;
      const auto loss = feature_loss<T>(label.substr(0, dot), observed, perception);
      const Vec mask = label.ends_with("masked") ? g.values("time_channel_mask") : Vec{};
      const Vec bar = g.values(label + ".out_bar");
      const auto got = run(Exec{}, loss, shape, observed, x, y, mask, bar);
      MG_EXPECT_CLOSE(got.losses, g.values(label + ".out"), bound);
      MG_EXPECT_CLOSE(got.x_bar, g.values(label + ".x_bar"), bound);
      MG_EXPECT_CLOSE(run(Exec{}, loss, shape, observed, y, x, mask, bar).x_bar, g.values(label + ".y_bar"), bound);
      ++cases;
    }
    EXPECT_GE(cases, host_fft_library().empty() ? 12 : 19);
  }
}

TEST(FeatureLossGolden, DoubleAgrees) {
  check_goldens<double>(1e-12);
  MG_SKIP_WITHOUT_FFT();
}
TEST(FeatureLossGolden, FloatAgrees) {
  check_goldens<float>(2e-6);
  MG_SKIP_WITHOUT_FFT();
}

}  // namespace
}  // namespace mg::train
