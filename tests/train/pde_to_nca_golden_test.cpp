#include <gtest/gtest.h>

#include "pde/register.hpp"
#include "tests/pde/pde_solve.hpp"
#include "tests/support/config.hpp"
#include "tests/support/golden.hpp"
#include "tests/train/decay_system.hpp"
#include "train/frame_data.hpp"
#include "train/morph_augmenter.hpp"
#include "train/window_augmenter.hpp"

namespace mg::train {
namespace {

using nlohmann::json;
using test::Golden;
using Vec = std::vector<double>;

/// in.data (samples, frames, observed, h, w) as the frames of an automaton with hidden channels.
struct Series {
  explicit Series(const Golden& golden)
      : g(golden),
        shape(g.shape("in.data")),
        hidden(g.params().at("hidden_channels").get<int>()),
        channels(int(shape[2]) + hidden),
        plane(shape[3] * shape[4]),
        system(channels) {
    const Vec values = g.values("in.data");
    const std::size_t size = shape[2] * plane;
    inputs.system = &system;
    for (std::size_t b = 0; b < shape[0]; ++b) {
      Trajectory d;
      d.name = g.name, d.channels = int(shape[2]), d.grid = {int(shape[3]), int(shape[4])};
      for (std::size_t t = 0; t < shape[1]; ++t)
        d.frames.emplace_back(values.begin() + long((b * shape[1] + t) * size),
                              values.begin() + long((b * shape[1] + t + 1) * size));
      inputs.data.push_back(d);
    }
  }
  /// Observed channels of a golden array of whole states, frame by frame.
  Vec observed_of(const std::string& name) const {
    const Vec all = g.values(name);
    Vec out;
    for (std::size_t at = 0; at < all.size(); at += std::size_t(channels) * plane)
      out.insert(out.end(), all.begin() + long(at), all.begin() + long(at + shape[2] * plane));
    return out;
  }

  const Golden& g;
  std::vector<std::size_t> shape;
  int hidden, channels;
  std::size_t plane;
  test::DecaySystem<double> system;
  AugmenterInputs<double> inputs;
};

constexpr double kSingle = 1e-7;  // frames are kept in single precision

TEST(PdeToNcaGolden, WindowsOfPairs) {
  for (const auto& path : test::golden_files("pde", "pde_to_nca_augmenter1")) {
    const Golden g = test::load_golden(path);
    Series s(g);
    WindowOptions o;
    o.frames = g.params().at("MINIBATCHES");
    o.noise = g.params().at("noise");
    WindowAugmenter<double> a(o, s.inputs);
    auto& group = a.groups().front();
    int calls = 0;
    for (; g.file.contains("call" + std::to_string(calls) + ".x"); ++calls) {
      const std::string name = "call" + std::to_string(calls) + ".";
      SCOPED_TRACE(name);
      ASSERT_EQ(g.file.contains(name + "pred"), calls % o.frames != 0);
      const Vec pos = g.values(name + "pos");
      if (calls % o.frames == 0) {
        a.renew({}, calls, {pos.begin(), pos.end()});
      } else {
        const Vec pred = g.values(name + "pred");
        a.move_on({}, {pred.data(), &group.state_layout, group.count});
      }
      MG_EXPECT_CLOSE(group.start.to_vector(), g.values(name + "x"), kSingle);
      MG_EXPECT_CLOSE(group.target.to_vector(), s.observed_of(name + "y"), kSingle);
    }
    EXPECT_GT(calls, o.frames);
  }
}

TEST(PdeToNca, WindowsGoOnBitForBitAndReachTheLastFrame) {
  test::DecaySystem<double> system(2);
  AugmenterInputs<double> inputs;
  inputs.system = &system;
  inputs.seed = 3;
  Trajectory d;
  d.name = "series", d.channels = 1, d.grid = {2, 3};
  for (int t = 0; t < 6; ++t) d.frames.emplace_back(6, float(t));
  inputs.data = {d, d};
  WindowOptions o;
  o.frames = 3;
  WindowAugmenter<double> a(o, inputs), b(o, inputs);
  const auto iterate = [](WindowAugmenter<double>& w, int from, int to) {
    for (int i = from; i < to; ++i) {
      w.begin({}, i);
      Vec finals = w.groups().front().start.to_vector();
      for (double& v : finals) v = 0.9 * v + 0.01;
      w.finish({}, i, {{finals.data(), &w.groups().front().state_layout, 6}}, {}, true);
    }
  };
  iterate(a, 0, 8);
  iterate(b, 0, 4);
  TensorFile file;
  b.save(file);
  WindowAugmenter<double> c(o, inputs);
  c.restore({}, file);
  iterate(c, 4, 8);
  EXPECT_EQ(a.groups().front().start.to_vector(), c.groups().front().start.to_vector());
  EXPECT_EQ(a.groups().front().target.to_vector(), c.groups().front().target.to_vector());
  int last = 0;
  for (int i = 0; i < 60; ++i)
    for (int p : a.drawn_positions(i)) last = std::max(last, p);
  EXPECT_EQ(last, 2);
  o.frames = 6;
  EXPECT_THROW(WindowAugmenter<double>(o, inputs), DataError);
}

/// Recorded noise in place of drawn one.
class RecordedNoise final : public MorphAugmenter<double> {
 public:
  using MorphAugmenter<double>::MorphAugmenter;
  Vec draws;             // of the coming call
  std::size_t size = 0;  // of one batch
  const double* given_noise(std::int64_t, int b) const override {
    return draws.empty() ? nullptr : draws.data() + std::size_t(b) * size;
  }
};

TEST(PdeToNcaGolden, PairsOfAllFrames) {
  for (const auto& path : test::golden_files("pde", "pde_to_nca_augmenter2")) {
    const Golden g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    Series s(g);
    MorphOptions o;
    o.duplicate = 1, o.shift = 0, o.damage_until = 0, o.propagate_on_load = false;
    o.noise = g.params().at("noise");
    RecordedNoise a(o, s.inputs);
    auto& group = a.groups().front();
    const std::size_t state = group.start.size();
    a.size = state / s.shape[0];
    a.draws.assign(state, 0.0);
    a.begin({}, 0);
    if (o.noise == 0) MG_EXPECT_CLOSE(group.start.to_vector(), g.values("split.x"), kSingle);
    MG_EXPECT_CLOSE(group.target.to_vector(), s.observed_of("split.y"), kSingle);
    for (int call = 0; g.file.contains("call" + std::to_string(call) + ".x"); ++call) {
      const std::string name = "call" + std::to_string(call) + ".";
      SCOPED_TRACE(name);
      if (o.noise > 0) a.draws = g.values(name + "draw.noise");
      const Vec pred = g.values(name + "pred");
      a.finish({}, call, {{pred.data(), &group.state_layout, group.count}}, {}, true);
      MG_EXPECT_CLOSE(group.start.to_vector(), g.values(name + "x"), kSingle);
      MG_EXPECT_CLOSE(group.target.to_vector(), s.observed_of(name + "y"), kSingle);
    }
  }
}

TEST(PdeToNcaGolden, FramesOfAnEquation) {
  for (const auto& path : test::golden_files("pde", "pde_to_nca_data")) {
    const Golden g = test::load_golden(path);
    const auto& p = g.params();
    const auto shape = g.shape("in.x0");
    Registry<System<double>> systems;
    pde::register_systems(systems);
    const json model{{"type", p.at("model")},
                     {"padding", p.at("PADDING")},
                     {"dx", p.at("dx")},
                     {"solver", {{"type", p.at("SOLVER")}, {"dt", p.at("dt")}, {"time_grid", "diffrax_072"}}}};
    const auto system =
        systems.create(test::configure(Schema("test", "").variant("model", systems.variants(), std::nullopt, ""),
                                       json{{"model", model}}.dump())
                           .at("model"));
    Vec params(system->param_layout().size());
    system->initialise(0, params);
    // The reference solves the batch as one state; here as one batch.
    test::PdeSolve<double> solve{*system, {int(shape[2]), int(shape[3])}, int(shape[0])};
    const Vec times = g.values("in.ts");
    const TimeGrid grid = solve.time_grid(params, g.values("in.x0"), times.front(), times);
    const Vec states = solve.forward(params, g.values("in.x0"), grid);
    const std::size_t plane = shape[2] * shape[3], sample = shape[1] * plane, save = shape[0] * sample;
    std::vector<Trajectory> data(shape[0]);
    const auto every = p.at("every").get<std::size_t>();
    Vec raw, scaled;
    for (std::size_t b = 0; b < shape[0]; ++b) {
      data[b].name = g.name, data[b].channels = int(shape[1]), data[b].grid = solve.grid;
      for (std::size_t m = 0; m < times.size(); ++m) {
        const auto at = states.begin() + long(m * save + b * sample);
        data[b].frames.emplace_back(at, at + long(sample));
        if (m % every == 0) raw.insert(raw.end(), at, at + long(plane));
      }
    }
    MG_EXPECT_CLOSE(raw, g.values("out.raw_frames"), 1e-12);
    const Schema options = with_frame_options(Schema("test", ""));
    apply_frame_options(
        test::configure(options, json{{"channels", {0}}, {"stride", every}, {"rescale", {{"type", "minmax"}}}}.dump()),
        data);
    for (const auto& d : data)
      for (const auto& frame : d.frames) scaled.insert(scaled.end(), frame.begin(), frame.end());
    MG_EXPECT_CLOSE(scaled, g.values("out.data"), kSingle);
  }
}

}  // namespace
}  // namespace mg::train
