#include "train/trajectory_augmenter.hpp"

#include <gtest/gtest.h>

#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"
#include "tests/train/decay_system.hpp"
#include "train/trainer.hpp"
#include "train/trajectory_objective.hpp"

namespace mg::train {
namespace {

using test::DecaySystem;
using test::Vec;
using Batching = TrajectoryAugmenterOptions::Batching;

Trajectory series(int channels, Grid grid, int frames, unsigned seed = 1) {
  Trajectory d;
  d.name = "series", d.channels = channels, d.grid = grid;
  for (int t = 0; t < frames; ++t) {
    const Vec v = test::random_vec(std::size_t(channels * grid.h * grid.w), seed + unsigned(t));
    d.frames.emplace_back(v.begin(), v.end());
  }
  return d;
}

/// A golden case of the augmenter: the data in double, windows moved by the recorded draws.
class GoldenCase {
 public:
  explicit GoldenCase(const test::Golden& golden)
      : g(golden),
        s(g.shape("in.data")),
        grid{int(s[3]), int(s[4])},
        observed(int(s[2])),
        channels(observed + g.params().at("hidden_channels").get<int>()),
        system(channels) {}

  TrajectoryAugmenter<double> make(Batching batching) {
    const auto& p = g.params();
    TrajectoryAugmenterOptions o;
    o.length = p.at("L");
    o.noise = p.at("NOISE_FRACTION");
    o.random_lengths = p.at("RANDOM_TRAJECTORY_LENGTHS");
    o.overwrite_observed = p.at("OVERWRITE_OBS_CHANNELS");
    o.shifted_hidden = o.skip_last = true;
    o.batching = batching;
    std::vector<Trajectory> data(s[0], series(observed, grid, int(s[1])));
    for (auto& d : data)
      if (batching == Batching::separate) d.times = g.values("in.Ts");  // those are uneven
    TrajectoryAugmenter<double> augmenter(o, AugmenterInputs<double>{{}, &system, data, 1});
    const Vec values = g.values("in.data");
    const std::size_t plane = s[3] * s[4], in = std::size_t(observed) * plane;
    for (std::size_t k = 0; k < s[0] * s[1]; ++k)
      std::copy_n(values.begin() + std::ptrdiff_t(k * in), in,
                  augmenter.memory().data() + k * std::size_t(channels) * plane);
    return augmenter;
  }
  /// The predictions of a call as a rollout hands them over, group by group.
  void learn(TrajectoryAugmenter<double>& augmenter, const std::string& call) {
    const auto shape = g.shape(call + "pred");
    const Vec pred = g.values(call + "pred");
    const std::size_t frame = shape[2] * shape[3] * shape[4];
    const Layout layout = system.state_layout(grid);
    std::size_t first = 0;
    for (std::size_t group = 0; group < augmenter.groups().size(); ++group) {
      const auto count = std::size_t(augmenter.groups()[group].count);
      std::vector<Vec> saves(shape[1]);
      RolloutYield<double> yield;
      for (std::size_t m = 0; m < shape[1]; ++m) {
        for (std::size_t n = first; n < first + count; ++n)
          saves[m].insert(saves[m].end(), pred.begin() + std::ptrdiff_t((n * shape[1] + m) * frame),
                          pred.begin() + std::ptrdiff_t((n * shape[1] + m + 1) * frame));
        yield.saves.push_back({saves[m].data(), &layout, int(count)});
      }
      augmenter.learn({}, group, yield);
      first += count;
    }
  }
  /// Start states, targets and times against the tensors <name>x, <name>y, <name>ts.
  void expect(TrajectoryAugmenter<double>& augmenter, const std::string& name) {
    const auto shape = g.shape(name + "y");  // samples, length, channels, h, w
    const std::size_t plane = shape[3] * shape[4], saves = shape[1];
    const Vec ts = g.values(name + "ts"), y = g.values(name + "y");
    Vec start, target(shape[0] * saves * std::size_t(observed) * plane), want(target.size());
    std::size_t first = 0;
    for (auto& group : augmenter.groups()) {
      const Vec x = group.start.to_vector();
      start.insert(start.end(), x.begin(), x.end());
      const auto view = group.target_view();
      EXPECT_EQ(view.shape.n, group.count * int(saves));
      for (int k = 0; k < group.count; ++k, ++first)
        for (std::size_t m = 0; m < saves; ++m) {
          if (group.count == 1) {
            EXPECT_NEAR(group.save_times.at(m) - group.t0, ts[first * (saves + 1) + m + 1] - ts[first * (saves + 1)],
                        1e-12);
          }
          const std::size_t size = std::size_t(observed) * plane, at = (first * saves + m) * size;
          std::copy_n(view.plane(int(m) * group.count + k, 0), size, target.begin() + std::ptrdiff_t(at));
          std::copy_n(y.begin() + std::ptrdiff_t((first * saves + m) * shape[2] * plane), size,
                      want.begin() + std::ptrdiff_t(at));
        }
    }
    MG_EXPECT_CLOSE(start, g.values(name + "x"), 1e-15);
    MG_EXPECT_CLOSE(target, want, 1e-15);
  }

  const test::Golden& g;
  std::vector<std::size_t> s;  // samples, frames, channels, h, w
  Grid grid;
  int observed, channels;
  DecaySystem<double> system;
};

TEST(TrajectoryAugmenterGolden, WindowsMemoryAndNoise) {
  for (const auto& path : test::golden_files("pde", "augmenter_")) {
    const test::Golden g = test::load_golden(path);
    for (const Batching batching : {Batching::separate, Batching::together}) {
      SCOPED_TRACE(g.name);
      GoldenCase c(g);
      auto augmenter = c.make(batching);
      augmenter.begin({}, 0);
      c.expect(augmenter, "load.");
      for (int call = 0; call < g.params().at("calls").get<int>(); ++call) {
        const std::string name = "call" + std::to_string(call) + ".";
        SCOPED_TRACE(name);
        c.learn(augmenter, name);
        const Vec reset = g.values(name + "draw.reset"), increment = g.values(name + "draw.increment");
        augmenter.move({}, {{reset.begin(), reset.end()}, {increment.begin(), increment.end()}});
        const Vec pos = g.values(name + "pos"), noise = g.values(name + "draw.noise");
        EXPECT_EQ(augmenter.positions(), (std::vector<int>{pos.begin(), pos.end()}));
        augmenter.prepare({}, call + 1, int(g.shape(name + "y")[1]),
                          {noise.data(), {int(c.s[0]), c.channels, c.grid.h, c.grid.w}});
        c.expect(augmenter, name);
        MG_EXPECT_CLOSE(augmenter.memory().to_vector(), g.values(name + "saved"), 1e-15);
      }
    }
  }
}

struct Bench {
  explicit Bench(TrajectoryAugmenterOptions o, int channels = 2, int frames = 5, int samples = 2) : system(channels) {
    std::vector<Trajectory> data;
    for (int n = 0; n < samples; ++n) data.push_back(series(1, {3, 3}, frames, 50 * unsigned(n + 1)));
    augmenter = std::make_unique<TrajectoryAugmenter<double>>(o, AugmenterInputs<double>{{}, &system, data, 9});
    optimiser = std::make_unique<Descent>();
  }
  struct Descent final : Optimiser<double> {
    void step(const Exec&, double* p, double* g) override {
      for (int k = 0; k < 2; ++k) p[k] -= 0.05 * g[k];
    }
    double learning_rate() const override { return 0.05; }
    void scale_rate(double) override {}
    SavedState save() const override { return {}; }
    void restore(const SavedState&) override {}
  };
  std::unique_ptr<Trainer<double>> trainer() {
    std::vector<std::unique_ptr<Objective<double>>> objectives;
    for (std::size_t g = 0; g < augmenter->groups().size(); ++g)
      objectives.push_back(
          std::make_unique<TrajectoryObjective<double>>(TrajectoryModel{1}, TrajectoryObjectiveOptions{}));
    return std::make_unique<Trainer<double>>(Exec{}, system, *augmenter, std::move(objectives), *optimiser,
                                             TrainerOptions{}, 4, Vec{0.3, 0.9});
  }
  DecaySystem<double> system;
  std::unique_ptr<TrajectoryAugmenter<double>> augmenter;
  std::unique_ptr<Descent> optimiser;
};

TEST(TrajectoryAugmenter, ReachesEveryFrameAndKeepsHiddenChannelsWhereTheyWerePredicted) {
  TrajectoryAugmenterOptions o;
  o.length = 2, o.increment_prob = 1, o.reset_prob = 0, o.noise = 0;
  Bench s(o);
  auto trainer = s.trainer();
  std::vector<int> seen;
  for (int i = 0; i < 4; ++i) {
    seen.push_back(s.augmenter->positions()[0]);
    trainer->step();
    // The frames predicted by this iteration hold its hidden channels: sample 0, hidden channel, first cell.
    const Vec memory = s.augmenter->memory().to_vector();
    for (int m = 1; m <= 2; ++m)
      EXPECT_EQ(memory[std::size_t(seen.back() + m) * 18 + 9],
                trainer->rollouts()[0].saved_state(std::size_t(m - 1)).data[9]);
  }
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 0}));  // the window 2, 3, 4 ends with the last frame
}

TEST(TrajectoryAugmenter, OneGridForAllGivesTheNumbersOfOneEach) {
  TrajectoryAugmenterOptions o;
  o.length = 3, o.increment_prob = 0.5, o.random_lengths = true;
  Vec params[2];
  double totals[2][6];
  for (int k = 0; k < 2; ++k) {
    o.batching = k == 0 ? Batching::separate : Batching::together;
    Bench s(o);
    auto trainer = s.trainer();
    for (double& total : totals[k]) total = trainer->step().total;
    params[k] = trainer->params();
  }
  for (int i = 0; i < 6; ++i) EXPECT_NEAR(totals[0][i], totals[1][i], 1e-12);
  MG_EXPECT_CLOSE(params[0], params[1], 1e-12);
}

TEST(TrajectoryAugmenter, ResumedIsBitForBitTheUninterrupted) {
  TrajectoryAugmenterOptions o;
  o.length = 2, o.increment_prob = 0.5, o.reset_prob = 0.1, o.random_lengths = true;
  const auto fit = [](const Layout&) { return std::make_unique<Bench::Descent>(); };
  Bench whole(o), first(o), second(o);
  for (Bench* s : {&whole, &first, &second}) s->augmenter->learn_initial(fit);
  auto a = whole.trainer(), b = first.trainer();
  for (int i = 0; i < 9; ++i) a->step();
  for (int i = 0; i < 4; ++i) b->step();
  TensorFile file;
  b->save(file);
  auto c = second.trainer();
  c->restore(file);
  for (int i = 4; i < 9; ++i) c->step();
  EXPECT_EQ(c->params(), a->params());
  EXPECT_EQ(second.augmenter->memory().to_vector(), whole.augmenter->memory().to_vector());
  EXPECT_EQ(second.augmenter->positions(), whole.augmenter->positions());
}

TEST(TrajectoryAugmenter, RefusesDataThatDoNotFit) {
  TrajectoryAugmenterOptions o;
  o.length = 5;
  EXPECT_THROW(Bench{o}, DataError);  // 5 frames hold no window of 6
  o.length = 2;
  DecaySystem<double> system(2);
  auto refused = [&](const std::function<void(std::vector<Trajectory>&)>& spoil) {
    std::vector<Trajectory> data = {series(1, {3, 3}, 4), series(1, {3, 3}, 4, 9)};
    spoil(data);
    EXPECT_THROW(TrajectoryAugmenter<double>(o, AugmenterInputs<double>{{}, &system, data, 9}), DataError);
  };
  refused([](auto& d) { d[0].times = {0, 1, 1, 2}; });
  refused([](auto& d) { d[1].times = {0, 1, 2}; });
  refused([](auto& d) { d[1].times = {0, 1, 2, 4}; });
  refused([](auto& d) { d[1].frames[2][3] = std::nanf(""); });
  refused([](auto& d) { d[1] = series(1, {3, 4}, 4); });
  o.batching = Batching::together;
  refused([](auto& d) { d[0].times = d[1].times = {0, 1, 2, 4}; });
}

}  // namespace
}  // namespace mg::train
