#include "train/image_objective.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"
#include "tests/train/loss_support.hpp"

namespace mg::train {
namespace {

using test::Vec;
using Boundary = ImageModel::Boundary;
using Options = ImageObjectiveOptions;

/// Values and gradient of one observed state.
struct Judged {
  Vec totals, sample_losses, x_bar;
};

struct Scene {
  Shape shape;  // of the state
  ImageModel model;
  Options options;
  Vec target, masks;  // (n, observed, h, w), (n, rows, h, w)
  double weight = 1;
  int per_batch = 1;
};

/// Shows state x_k of a rollout of `steps` steps to a fresh objective.
template <class T>
Judged judge(const Exec& exec, const Scene& s, const Vec& x, int k, int steps, const StepIndex& base = {}) {
  const Layout layout = Layout().add("cells", {s.shape.c, s.shape.h, s.shape.w});
  const Layout condition = Layout().add("boundary", {s.model.boundary_rows, s.shape.h, s.shape.w});
  const auto xs = test::to_backend<T>(exec, x), target = test::to_backend<T>(exec, s.target),
             masks = test::to_backend<T>(exec, s.masks);
  Buffer<T> x_bar(exec, x.size()), totals(exec, 3);
  x_bar.zero();
  ImageObjective<T> objective(s.model, s.options);
  objective.bind(exec, {{masks.data(), &condition, s.shape.n},
                        {target.data(), {s.shape.n, s.model.observed, s.shape.h, s.shape.w}},
                        s.weight,
                        s.per_batch});
  objective.begin(exec, base, steps);
  if (objective.observes(k, steps)) {
    objective.value(exec, k, steps, {xs.data(), &layout, s.shape.n});
    objective.adjoint(exec, k, steps, {xs.data(), &layout, s.shape.n}, {x_bar.data(), &layout, s.shape.n});
  }
  objective.totals(exec, totals.data());
  std::vector<T> losses(std::size_t(s.shape.n));
  copy_bytes(exec, losses.data(), Backend::host, objective.sample_losses(), exec.backend, losses.size() * sizeof(T));
  synchronise(exec);
  return {test::from_backend(totals), Vec(losses.begin(), losses.end()), test::from_backend(x_bar)};
}

Scene small_scene(Shape shape = {4, 3, 4, 5}, int observed = 2) {
  Scene s;
  s.shape = shape;
  s.model = {shape.c, observed, {}, Boundary::none, 0};
  s.options.loss = "l2";
  s.options.grad_loss = false;
  s.target = test::random_vec(std::size_t(shape.n * observed) * shape.plane(), 81);
  s.weight = 1.0 / shape.n;
  s.per_batch = 2;
  return s;
}

class ImageObjectiveBackends : public test::OnEachBackend {
 protected:
  Exec exec_{GetParam()};
};
MG_INSTANTIATE_BACKENDS(ImageObjectiveBackends);

TEST_P(ImageObjectiveBackends, RegularisesAsPublished) {
  const Shape shape{1, 2, 4, 4};
  Scene s = small_scene(shape);
  s.per_batch = 1;
  const Vec x = {0, 1, 2, 3, 1, 0, 1, 2, 3, 1, 0, 1, 2, 2, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1};
  // mean over both channels of |x| + |x - 1| - 1
  EXPECT_NEAR(judge<double>(exec_, s, x, 1, 1).totals[1], .5, 1e-12);
  EXPECT_NEAR(judge<double>(exec_, s, x, 3, 8).totals[1], .5 / 8, 1e-12);
}

TEST_P(ImageObjectiveBackends, WeighsTermsAndStepsAsWritten) {
  Scene s = small_scene();
  s.options.state_reg = 0.3;
  const Vec x = test::random_vec(s.shape.size(), 82);
  const Judged early = judge<double>(exec_, s, x, 2, 5), last = judge<double>(exec_, s, x, 5, 5);
  EXPECT_EQ(early.totals[0], 0);
  EXPECT_GT(last.totals[0], 0);
  EXPECT_NEAR(early.totals[1], last.totals[1], 1e-15);
  double mean = 0;
  for (double l : last.sample_losses) mean += l / s.shape.n;
  EXPECT_NEAR(last.totals[0], mean, 1e-14);
  // Slope of the total in a direction that crosses no corner.
  auto total = [&](double e, const Vec& t) {
    Vec moved = x;
    for (std::size_t i = 0; i < x.size(); ++i) moved[i] += e * t[i];
    const auto j = judge<double>(exec_, s, moved, 5, 5);
    return j.totals[0] + 0.3 * j.totals[1];
  };
  const Vec t = test::random_vec(x.size(), 83);
  EXPECT_NEAR((total(1e-6, t) - total(-1e-6, t)) / 2e-6, test::dot(last.x_bar, t), 1e-8);
}

TEST_P(ImageObjectiveBackends, LooksAtTheChosenStates) {
  Scene s = small_scene();
  s.options.state_reg = 0;
  const Vec x = test::random_vec(s.shape.size(), 84);
  const double loss = judge<double>(exec_, s, x, 6, 6).totals[0];
  s.options.at = Options::At::mean;
  s.options.window = 3;
  for (int k = 1; k <= 6; ++k)
    EXPECT_NEAR(judge<double>(exec_, s, x, k, 6).totals[0], k > 3 ? loss / 3 : 0, 1e-14) << k;
  s.options.at = Options::At::random;
  int seen[7] = {};
  for (int iteration = 0; iteration < 60; ++iteration) {
    int chosen = 0;
    for (int k = 1; k <= 6; ++k)
      if (judge<double>({}, s, x, k, 6, {.seed = 7, .iteration = iteration}).totals[0] > 0) ++chosen, ++seen[k];
    EXPECT_EQ(chosen, 1);
  }
  EXPECT_EQ(seen[1] + seen[2] + seen[3], 0);
  for (int k : {4, 5, 6}) EXPECT_GT(seen[k], 8) << k;
}

TEST_P(ImageObjectiveBackends, TheTimeChannelMaskFollowsThePairsOfABatch) {
  Scene s = small_scene();
  s.options.time_channel_mask = {{1, 0}, {0, 0}};
  const Vec x = test::random_vec(s.shape.size(), 85);
  const Judged j = judge<double>(exec_, s, x, 1, 1);
  for (int n : {0, 2}) EXPECT_GT(j.sample_losses[std::size_t(n)], 0);
  for (int n : {1, 3}) EXPECT_EQ(j.sample_losses[std::size_t(n)], 0);
}

TEST_P(ImageObjectiveBackends, StateRangeAndChannelsAreOptions) {
  Scene s = small_scene();
  s.options.state_reg_begin = 1;
  s.options.state_reg_end = 3;
  s.options.state_reg_low = -1;
  Vec x(s.shape.size(), 0.5);
  EXPECT_EQ(judge<double>(exec_, s, x, 1, 2).totals[1], 0);
  x[0] = 9;  // channel 0 is not looked at
  EXPECT_EQ(judge<double>(exec_, s, x, 1, 2).totals[1], 0);
  x[s.shape.plane()] = -1.5;  // 0.5 below the range counts twice
  const Judged j = judge<double>(exec_, s, x, 1, 2);
  EXPECT_NEAR(j.totals[1], 1.0 / (4 * 2 * 20) / 2, 1e-15);
  EXPECT_NEAR(j.x_bar[s.shape.plane()], -2.0 / (4 * 2 * 20) / 2, 1e-15);
  EXPECT_EQ(j.x_bar[0], 0);
}

TEST_P(ImageObjectiveBackends, DeviceTwinAgreesWithTheHost) {
  for (Boundary boundary : {Boundary::none, Boundary::soft, Boundary::hard})
    for (auto on : {Options::BoundaryOn::reference, Options::BoundaryOn::post_boundary}) {
      Scene s = small_scene({4, 3, 7, 9});
      s.options.boundary_on = on;
      s.model.boundary = boundary;
      s.model.boundary_rows = boundary == Boundary::none ? 0 : 1;
      s.masks = test::random_vec(std::size_t(4 * s.model.boundary_rows) * s.shape.plane(), 86);
      const Vec x = test::random_vec(s.shape.size(), 87);
      for (int k : {1, 3}) {
        const Judged want = judge<float>({}, s, x, k, 3), got = judge<float>(exec_, s, x, k, 3);
        MG_EXPECT_CLOSE(got.totals, want.totals, 1e-6);
        MG_EXPECT_CLOSE(got.sample_losses, want.sample_losses, 1e-6);
        MG_EXPECT_CLOSE(got.x_bar, want.x_bar, 1e-6);
      }
    }
}

TEST(ImageObjective, RefusesContradictions) {
  Scene s = small_scene();
  auto refuses = [&](auto change) {
    Scene t = s;
    change(t);
    EXPECT_THROW(judge<double>({}, t, Vec(t.shape.size()), 1, 1), std::invalid_argument);
  };
  refuses([](Scene& t) { t.model.observed = 9; });
  refuses([](Scene& t) { t.options.state_reg_end = 9; });
  refuses([](Scene& t) { t.options.loss = "l3"; });
  refuses([](Scene& t) { t.options.time_channel_mask = {{1, 1}}; });
  refuses([](Scene& t) { t.options.time_channel_mask = {{1}, {1}}; });
  refuses([](Scene& t) { t.per_batch = 3; });
  refuses([](Scene& t) {
    t.model.boundary = Boundary::soft;
    t.model.boundary_rows = 2;
    t.masks = Vec(4 * 2 * 20);
  });
  refuses([](Scene& t) {
    t.model.boundary = Boundary::hard;
    t.model.boundary_rows = 1;
    t.masks = Vec(4 * 20);
    t.options.boundary_on = Options::BoundaryOn::pre_boundary;
  });
}

/// Both regularisers by themselves: the state before the last one has no data loss.
template <class T>
void check_goldens(double bound) {
  for (const auto& path : test::golden_files("nca", "regularisers")) {
    const auto g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    int cases = 0;
    for (int b = 0; g.what.at("outputs").contains("x" + std::to_string(b)); ++b) {
      const std::string name = "x" + std::to_string(b);
      const auto dims = g.shape(name);
      Scene s = small_scene({int(dims[0]), int(dims[1]), int(dims[2]), int(dims[3])},
                            g.params().at("OBS_CHANNELS").get<int>());
      s.per_batch = s.shape.n;
      s.options.state_reg = s.options.boundary_reg = 2;  // of two steps: factor 1
      const Vec x = g.values(name);
      for (const std::string channels : {"all", "observable"}) {
        SCOPED_TRACE(channels);
        s.options.state_reg_end = channels == "all" ? 0 : s.model.observed;
        const Judged j = judge<T>({}, s, x, 1, 2);
        MG_EXPECT_CLOSE(Vec{2 * j.totals[1]}, g.values("state." + channels + "." + name), bound);
        MG_EXPECT_CLOSE(j.x_bar, g.values("state." + channels + "." + name + "_bar"), bound);
        ++cases;
      }
      s.options.state_reg = 0;
      for (const std::string kind : {"soft", "hard"}) {
        SCOPED_TRACE(kind);
        s.model.boundary = kind == "soft" ? Boundary::soft : Boundary::hard;
        s.model.boundary_rows = 1;
        const Vec mask = g.values(kind + "_mask" + std::to_string(b));
        s.masks.clear();
        for (int n = 0; n < s.shape.n; ++n) s.masks.insert(s.masks.end(), mask.begin(), mask.end());
        s.weight = 1.0 / s.shape.n;
        const Judged j = judge<T>({}, s, x, 1, 2);
        MG_EXPECT_CLOSE(Vec{2 * j.totals[2]}, Vec{g.values("boundary." + kind + ".out")[std::size_t(b)]}, bound);
        s.weight *= g.values("boundary." + kind + ".out_bar")[std::size_t(b)];
        MG_EXPECT_CLOSE(judge<T>({}, s, x, 1, 2).x_bar, g.values("boundary." + kind + "." + name + "_bar"), bound);
        ++cases;
      }
    }
    EXPECT_GE(cases, 8);
  }
}

TEST(RegulariserGolden, DoubleAgrees) { check_goldens<double>(1e-12); }
TEST(RegulariserGolden, FloatAgrees) { check_goldens<float>(1e-6); }

}  // namespace
}  // namespace mg::train
