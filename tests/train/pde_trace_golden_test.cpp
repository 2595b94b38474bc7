#include <gtest/gtest.h>

#include "pde/register.hpp"
#include "tests/pde/neural_case.hpp"
#include "tests/train/optimiser_cases.hpp"
#include "train/trainer.hpp"
#include "train/trajectory_augmenter.hpp"
#include "train/trajectory_objective.hpp"

namespace mg::train {
namespace {

using nlohmann::json;
using test::Golden;
using Vec = std::vector<double>;

std::unique_ptr<System<double>> make_system(const json& model) {
  Registry<System<double>> systems;
  pde::register_systems(systems);
  const Schema schema = Schema("test", "").variant("model", systems.variants(), std::nullopt, "");
  return systems.create(test::configure(schema, json{{"model", model}}.dump()).at("model"));
}

json solver_of(const json& p) {
  json s{{"dt", p.at("dt")}, {"time_grid", "diffrax_072"}};
  s["type"] = p.at("SOLVER");
  if (p.value("ADAPTIVE", false)) s["adaptive"] = json::object();
  return s;
}

bool is_rdc(const Golden& g) { return g.params().at("model").contains("CELL_CHANNELS"); }

json model_of(const Golden& g) {
  json p = g.params().at("model");
  if (is_rdc(g)) p["INIT_SCALE"] = 0.01;
  json model = is_rdc(g) ? test::rdc_json(p) : test::rda_json(p);
  model["type"] = is_rdc(g) ? "rdc" : "rda";
  model["solver"] = solver_of(g.params().contains("solver") ? g.params().at("solver") : g.params());
  return model;
}

std::string start_of(const std::string& term) { return term.substr(0, term.find('_')); }

json optimiser_of(const Golden& g) {
  const json& p = g.params().at("optimiser");
  const auto chain = p.at("chain").get<std::string>();
  const auto rule = [&](const std::string& type, double ratio, const json& transforms) {
    return json{{"type", type},
                {"lr",
                 {{"type", "exponential"},
                  {"initial", p.at("learning_rate").get<double>() * ratio},
                  {"steps", p.at("transition_steps")},
                  {"rate", p.at("decay_rate")},
                  {"float32", true}}},
                {"transforms", transforms}};
  };
  const json norm{{"type", "param_block_norm"}}, finite{{"type", "apply_if_finite"}};
  if (chain == "nadam" || chain == "nadamw") return rule(chain, 1, json::array());
  if (chain == "block_norm, apply_if_finite(nadam, 8)") return rule("nadam", 1, json::array({norm, finite}));
  if (chain == "multi_learnrate nadam") {  // late binding: every group has the ratio of the last term
    json out{{"type", "grouped"}, {"groups", json::array()}};
    const auto terms = p.at("TERMS").get<std::vector<std::string>>();
    const double ratio = p.at("rate_ratios").at(terms.back());
    for (const auto& term : terms)
      out["groups"].push_back({{"params", {start_of(term)}}, {"rule", rule("nadam", ratio, json::array({finite}))}});
    return out;
  }
  EXPECT_EQ(chain, "non_negative_diffusion_chemotaxis (nadamw)");
  return {{"type", "grouped"},
          {"groups",
           {{{"params", {"signal_diffusion"}}, {"rule", rule("nadam", 1, json::array({norm}))}},
            {{"params", {"*"}}, {"rule", rule("nadamw", 1, json::array({norm}))}}}},
          {"bounded_gradient", {"signal_diffusion"}}};
}

/// Tensors <prefix>func.<name> in the order of the layout; of a series, entry `at`.
Vec tensors(const Golden& g, const Layout& layout, const std::string& prefix, std::size_t at = 0) {
  Vec all;
  for (const Block& b : layout.blocks()) {
    const Vec v = g.values(prefix + "func." + test::reference_name(is_rdc(g) ? "rdc" : "rda", b.name));
    all.insert(all.end(), v.begin() + std::ptrdiff_t(at * b.size), v.begin() + std::ptrdiff_t((at + 1) * b.size));
  }
  return all;
}

/// Windows of the reference's augmenter, moved as recorded.
class RecordedWindows final : public Augmenter<double> {
 public:
  RecordedWindows(const Golden& g, const System<double>& system) : positions_(g.values("pos")) {
    const auto s = g.shape("in.data");
    Trajectory d;
    d.name = g.name, d.channels = int(s[2]), d.grid = {int(s[3]), int(s[4])}, d.times = g.values("in.Ts");
    d.frames.assign(s[1], std::vector<float>(s[2] * s[3] * s[4]));
    TrajectoryAugmenterOptions o;
    o.length = g.params().at("SUBTRAJECTORY_LENGTH");
    o.noise = 0, o.shifted_hidden = o.skip_last = true;
    o.batching = TrajectoryAugmenterOptions::Batching::separate;
    inner_ = std::make_unique<TrajectoryAugmenter<double>>(
        o, AugmenterInputs<double>{{}, &system, std::vector<Trajectory>(s[0], d), 1});
    const Vec data = g.values("in.data");
    const std::size_t in = s[2] * s[3] * s[4], out = inner_->memory().size() / (s[0] * s[1]);
    for (std::size_t k = 0; k < s[0] * s[1]; ++k)
      std::copy_n(data.begin() + std::ptrdiff_t(k * in), in, inner_->memory().data() + k * out);
  }
  std::vector<SampleGroup<double>>& groups() override { return inner_->groups(); }
  int steps(std::int64_t i) const override { return inner_->steps(i); }
  void begin(const Exec& exec, std::int64_t i) override { inner_->begin(exec, i); }
  bool always_moves_on() const override { return true; }
  bool wants_saves() const override { return inner_->wants_saves(); }
  void learn(const Exec& exec, std::size_t g, const RolloutYield<double>& y) override { inner_->learn(exec, g, y); }
  void finish(const Exec& exec, std::int64_t i, const std::vector<ConstStateView<double>>&,
              const std::vector<const double*>&, bool) override {
    TrajectoryMoves moves;
    const std::size_t count = inner_->positions().size();
    for (std::size_t n = 0; n < count; ++n) {
      moves.reset.push_back(0);
      moves.increment.push_back(positions_[(std::size_t(i) + 1) * count + n] != inner_->positions()[n]);
    }
    inner_->move(exec, moves);
  }
  void save(TensorFile&) const override {}
  void restore(const Exec&, const TensorFile&) override {}
  Vec memory() { return inner_->memory().to_vector(); }

 private:
  Vec positions_;
  std::unique_ptr<TrajectoryAugmenter<double>> inner_;
};

/// Start states and images as the reference's texture trainer used them.
class RecordedTextures final : public Augmenter<double> {
 public:
  RecordedTextures(const Golden& g, const System<double>& system) : x_(g.values("x")), y_(g.values("y")) {
    const auto s = g.shape("x"), y = g.shape("y");
    saves_ = y[2], channels_ = y[3], plane_ = s[3] * s[4];
    SampleGroup<double> group;
    group.grid = {int(s[3]), int(s[4])};
    group.count = int(s[1]);
    group.state_layout = system.state_layout(group.grid);
    group.start = Buffer<double>({}, s[1] * s[2] * plane_);
    group.target = Buffer<double>({}, s[1] * saves_ * kColours * plane_);
    group.observed = kColours;
    for (std::size_t m = 1; m <= saves_; ++m) group.save_times.push_back(double(m));
    groups_.push_back(std::move(group));
  }
  std::vector<SampleGroup<double>>& groups() override { return groups_; }
  int steps(std::int64_t) const override { return int(saves_); }
  bool always_moves_on() const override { return true; }
  void begin(const Exec&, std::int64_t i) override {
    auto& group = groups_.front();
    const auto count = std::size_t(group.count), at = std::size_t(i);
    std::copy_n(x_.begin() + std::ptrdiff_t(at * group.start.size()), group.start.size(), group.start.data());
    for (std::size_t n = 0; n < count; ++n)
      for (std::size_t m = 0; m < saves_; ++m)
        for (std::size_t k = 0; k < kColours * plane_; ++k)
          group.target.data()[(m * count + n) * kColours * plane_ + k] =
              2 * y_[((at * count + n) * saves_ + m) * channels_ * plane_ + k] - 1;
  }
  void finish(const Exec&, std::int64_t, const std::vector<ConstStateView<double>>&, const std::vector<const double*>&,
              bool) override {}
  void save(TensorFile&) const override {}
  void restore(const Exec&, const TensorFile&) override {}

 private:
  static constexpr std::size_t kColours = 3;
  Vec x_, y_;
  std::size_t saves_ = 0, channels_ = 0, plane_ = 0;
  std::vector<SampleGroup<double>> groups_;
};

void expect_trace(const Golden& g, const System<double>& system, Augmenter<double>& augmenter, int observed,
                  const TrajectoryObjectiveOptions& options, std::int64_t warmup) {
  const Layout& layout = system.param_layout();
  const auto optimiser = make_optimiser<double>(test::optimiser_config(optimiser_of(g).dump()), layout, {});
  std::vector<std::unique_ptr<Objective<double>>> objectives;
  for (std::size_t k = 0; k < augmenter.groups().size(); ++k)
    objectives.push_back(std::make_unique<TrajectoryObjective<double>>(
        TrajectoryModel{observed, Padding::circular, g.params().at("model").at("dx")}, options));
  TrainerOptions training;
  training.warmup = warmup;
  Trainer<double> trainer({}, system, augmenter, std::move(objectives), *optimiser, training, 1,
                          tensors(g, layout, "param."));
  const auto each = g.shape("loss.each");
  const Vec losses = g.values("loss.each");
  const std::size_t count = each[1] * each[2];
  for (std::size_t i = 0; i < each[0]; ++i) {
    double mean = 0;
    for (std::size_t k = 0; k < count; ++k) mean += losses[i * count + k] / double(count);
    const auto& report = trainer.step();
    EXPECT_NEAR(report.total, mean, 1e-10 * mean) << "iteration " << i;
    MG_EXPECT_CLOSE(trainer.params(), tensors(g, layout, "params.", i), 1e-9);
    const Vec gradient = tensors(g, layout, "grad.", i);
    double squares = 0;
    for (double v : gradient) squares += v * v;
    EXPECT_NEAR(report.gradient_norm, std::sqrt(squares), 1e-9 * std::sqrt(squares)) << "iteration " << i;
  }
  const std::string first = "best.func." + test::reference_name(is_rdc(g) ? "rdc" : "rda", layout.blocks()[0].name);
  if (g.file.contains(first)) MG_EXPECT_CLOSE(trainer.best_params(), tensors(g, layout, "best."), 1e-9);
}

TEST(PdeTraceGolden, TrainingOfTheReferenceStepByStep) {
  for (const auto& path : test::golden_files("pde", "trace_rd")) {
    const Golden g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    const auto& loss = g.params().at("loss");
    TrajectoryObjectiveOptions o;
    o.loss = loss.at("LOSS_FUNC");
    o.grad_weight = loss.at("GRAD_LOSS").get<bool>() ? 0.1 : 0;
    o.all_times = loss.at("LOSS_TRAJECTORY_FULL");
    o.sampling = loss.at("LOSS_SAMPLING");
    const auto system = make_system(model_of(g));
    RecordedWindows augmenter(g, *system);
    expect_trace(g, *system, augmenter, int(g.shape("in.data")[2]), o, g.params().at("WARMUP"));
    MG_EXPECT_CLOSE(augmenter.memory(), g.values("saved"), 1e-9);
  }
}

TEST(PdeTraceGolden, TrainingOnTextures) {
  for (const auto& path : test::golden_files("pde", "trace_texture")) {
    const Golden g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    TrajectoryObjectiveOptions o;
    o.loss = "l2", o.grad_weight = 0;
    o.skip = g.params().at("LOSS_TIME_WINDOW");
    o.sampling = g.params().at("LOSS_TIME_SAMPLING");
    const auto system = make_system(model_of(g));
    RecordedTextures augmenter(g, *system);
    expect_trace(g, *system, augmenter, 3, o, 64);
  }
}

}  // namespace
}  // namespace mg::train
