#include "train/trajectory_objective.hpp"

#include <gtest/gtest.h>

#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"
#include "tests/train/loss_support.hpp"

namespace mg::train {
namespace {

using test::Vec;

Padding padding_of(const std::string& name) {
  return name == "CIRCULAR"  ? Padding::circular
         : name == "REFLECT" ? Padding::reflect
         : name == "ZEROS"   ? Padding::zeros
                             : Padding::replicate;
}

std::string our_name(const std::string& loss) { return loss == "spectral_weighted" ? "spectral_full" : loss; }

/// A trajectory of `saves` states of batch n, judged save by save.
template <class T>
struct Judge {
  Judge(const Exec& where, TrajectoryModel model, const TrajectoryObjectiveOptions& options, Shape one, int count)
      : exec(where), objective(model, options), frame(one), saves(count) {
    layout.add("fields", {one.c, one.h, one.w});
  }
  void bind(const Vec& y, double weight) {
    target = test::to_backend<T>(exec, y);
    Shape s = frame;
    s.n *= saves;
    objective.bind(exec, {{}, {target.data(), s}, weight, 1, saves});
  }
  /// Sum over the given saves (1-based) of their terms, weighted as in the total.
  double total(const Vec& x, const std::vector<int>& which) {
    const auto xs = test::to_backend<T>(exec, x);
    objective.begin(exec, {.seed = 3, .iteration = 7}, saves);
    for (int m : which)
      objective.value(exec, m, saves, {xs.data() + std::size_t(m - 1) * frame.size(), &layout, frame.n});
    Buffer<T> out(exec, objective.terms().size());
    objective.totals(exec, out.data());
    double sum = 0;
    for (std::size_t k = 0; k < out.size(); ++k) sum += objective.term_weights()[k] * double(out.to_vector()[k]);
    return sum;
  }
  Vec adjoint(const Vec& x, const std::vector<int>& which) {
    const auto xs = test::to_backend<T>(exec, x);
    Buffer<T> bar(exec, x.size());
    bar.zero();
    for (int m : which) {
      const std::size_t at = std::size_t(m - 1) * frame.size();
      objective.adjoint(exec, m, saves, {xs.data() + at, &layout, frame.n}, {bar.data() + at, &layout, frame.n});
    }
    return test::from_backend(bar);
  }
  std::vector<int> observed() const {
    std::vector<int> which;
    for (int m = 1; m <= saves; ++m)
      if (objective.observes(m, saves)) which.push_back(m);
    return which;
  }
  Exec exec;
  TrajectoryObjective<T> objective;
  Shape frame;
  int saves;
  Layout layout;
  Buffer<T> target;
};

Shape shape_of(const test::Golden& g, const std::string& name) {
  const auto s = g.shape(name);
  return {int(s.at(0)), int(s.at(1)), int(s.at(2)), int(s.at(3))};
}

TEST(PdeLossGolden, ValuesAndPullBacksOfEveryLoss) {
  bool skipped = false;
  for (const auto& path : test::golden_files("pde", "loss_")) {
    if (path.stem().string().starts_with("loss_trainer_")) continue;
    const test::Golden g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    std::string name = our_name(g.name.substr(5));
    const Shape s = shape_of(g, "in.x");
    Vec mask;
    if (name == "random_sampled_euclidean") {
      name = "euclidean";
      mask.assign(s.size(), 0);
      for (double place : g.values("sample.index"))
        for (int t = 0; t < s.n; ++t) mask[std::size_t(t) * s.size() / std::size_t(s.n) + std::size_t(place)] = 1;
    }
    if (!test::can_run(name)) {
      skipped = true;
      continue;
    }
    const auto loss = make_loss<double>(name, true);
    const Vec x = g.values("in.x"), y = g.values("in.y"), bar = g.values("cot.loss");
    const auto run = test::run_loss<double>({}, *loss, s, x, y, mask, bar);
    MG_EXPECT_CLOSE(run.losses, g.values("out.loss"), 1e-12);
    MG_EXPECT_CLOSE(run.x_bar, g.values("vjp.x"), 1e-11);
    MG_EXPECT_CLOSE(test::run_loss<double>({}, *loss, s, y, x, mask, bar).x_bar, g.values("vjp.y"), 1e-11);
  }
  if (skipped) MG_SKIP_WITHOUT_FFT();
}

TEST(PdeLossGolden, LossOfTheTrainerWithItsDerivatives) {
  bool skipped = false;
  for (const auto& path : test::golden_files("pde", "loss_trainer_")) {
    const test::Golden g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    const auto& p = g.params();
    TrajectoryObjectiveOptions o;
    o.loss = our_name(p.at("LOSS_FUNC").get<std::string>());
    o.loss_options = o.loss == "spectral_full";
    o.grad_weight = p.at("GRAD_LOSS").get<bool>() ? 0.1 : 0;
    o.all_times = p.at("LOSS_TRAJECTORY_FULL").get<bool>();
    o.sampling = p.at("LOSS_SAMPLING").get<int>();
    if (!test::can_run(o.loss)) {
      skipped = true;
      continue;
    }
    Shape s = shape_of(g, "in.x");
    const int saves = s.n;
    s.n = 1;
    Judge<double> run({}, {p.at("OBS_CHANNELS").get<int>(), padding_of(p.at("PADDING")), p.at("dx").get<double>()}, o,
                      s, saves);
    const Vec x = g.values("in.x"), y = g.values("in.y"), cotangent = g.values("cot.loss");
    const auto which = run.observed();
    ASSERT_EQ(which.size(), cotangent.size());
    Vec losses, bar(x.size());
    for (std::size_t u = 0; u < which.size(); ++u) {
      run.bind(y, double(which.size()));
      losses.push_back(run.total(x, {which[u]}));
      run.bind(y, double(which.size()) * cotangent[u]);
      const Vec one = run.adjoint(x, {which[u]});
      for (std::size_t i = 0; i < bar.size(); ++i) bar[i] += one[i];
    }
    MG_EXPECT_CLOSE(losses, g.values("out.loss"), 1e-12);
    MG_EXPECT_CLOSE(bar, g.values("vjp.x"), 1e-11);
  }
  if (skipped) MG_SKIP_WITHOUT_FFT();
}

TEST(TrajectoryObjective, LooksAtTheSavesAsked) {
  const auto seen = [](bool all, int skip, int sampling) {
    TrajectoryObjectiveOptions o;
    o.all_times = all, o.skip = skip, o.sampling = sampling;
    return Judge<double>({}, {1}, o, {1, 1, 3, 3}, 5).observed();
  };
  EXPECT_EQ(seen(true, 0, 1), (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_EQ(seen(true, 0, 2), (std::vector<int>{1, 3, 5}));
  EXPECT_EQ(seen(true, 1, 2), (std::vector<int>{2, 4}));
  EXPECT_EQ(seen(false, 0, 2), (std::vector<int>{5}));
  TrajectoryObjectiveOptions o;
  o.loss = "cosine", o.loss_options = true;
  EXPECT_THROW(TrajectoryObjective<double>({1}, o), std::invalid_argument);
  o = {.loss = "spectral", .random_samples = 4};
  EXPECT_THROW(TrajectoryObjective<double>({1}, o), std::invalid_argument);
}

class TrajectoryObjectiveBackends : public test::OnEachBackend {
 protected:
  Exec exec_{GetParam()};
};
MG_INSTANTIATE_BACKENDS(TrajectoryObjectiveBackends);

TEST_P(TrajectoryObjectiveBackends, AdjointPassesTheTaylorTest) {
  for (int samples : {0, 7})
    for (const char* loss : {"l2", "euclidean"}) {
      TrajectoryObjectiveOptions o;
      o.loss = loss, o.sampling = 2, o.random_samples = samples;
      Judge<double> run(exec_, {2, Padding::replicate, 0.5}, o, {2, 3, 4, 5}, 3);
      run.bind(test::random_vec(3 * run.frame.size(), 8), 0.5);
      const auto which = run.observed();
      test::expect_taylor_rate([&](const Vec& x) { return Vec{run.total(x, which)}; },
                               [&](const Vec& x, const Vec& c) {
                                 Vec bar = run.adjoint(x, which);
                                 for (double& b : bar) b *= c[0];
                                 return bar;
                               },
                               test::random_vec(3 * run.frame.size(), 9));
    }
}

TEST_P(TrajectoryObjectiveBackends, RandomSamplesAreSoManyAndTheSameForAll) {
  TrajectoryObjectiveOptions o;
  o.loss = "l1", o.random_samples = 5, o.grad_weight = 0;
  Judge<double> run(exec_, {2}, o, {2, 3, 4, 5}, 2);
  run.bind(Vec(2 * run.frame.size()), 1);
  const Vec x(2 * run.frame.size(), 2.0);
  EXPECT_DOUBLE_EQ(run.total(x, {1, 2}), 4.0);
  const Vec bar = run.adjoint(x, {1, 2});
  int counted = 0;
  for (std::size_t i = 0; i < bar.size(); ++i) {
    counted += bar[i] != 0;
    EXPECT_EQ(bar[i], bar[i % (run.frame.size() / 2)]);
  }
  EXPECT_EQ(counted, 2 * 2 * 5);
}

}  // namespace
}  // namespace mg::train
