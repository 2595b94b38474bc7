#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.hpp"
#include "apps/data.hpp"
#include "apps/experiment.hpp"
#include "apps/registries.hpp"
#include "apps/run_swarm.hpp"
#include "apps/series_media.hpp"
#include "apps/simulation.hpp"
#include "train/cloud_loss.hpp"
#include "train/feature_loss.hpp"
#include "train/rollout.hpp"
#include "train/samples.hpp"
#include "train/swarm_augmenter.hpp"
#include "train/swarm_objective.hpp"

namespace mg::apps {

namespace {

using json = nlohmann::ordered_json;

struct EvalOptions {
  std::string model, config;
  int samples = 4, sample = 0, steps = 0, until = 1000, recovery = 200;
  std::string damage = "lower";
};

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / double(values.size());
}

/// The measure of training: the data loss of the configuration's objective, without regularisers.
template <class T>
std::unique_ptr<train::Loss<T>> training_loss(const Config& experiment, int observed) {
  const auto model = image_model(experiment.at("model"), observed);
  const auto options = train::objective_options(experiment.at("objective"), model);
  return std::make_unique<train::FeatureLoss<T>>(train::make_loss<T>(options.loss, options.loss_options), observed,
                                                 options.grad_loss ? std::optional(model.perception) : std::nullopt,
                                                 options.grad_weight);
}

/// Compares a simulation with one frame.
template <class T>
struct Judge {
  const train::Loss<T>& loss;
  const std::vector<float>& target;
  int observed;

  double mse(Simulation<T>& simulation) const { return mean(simulation.distances(target, observed)); }
  json row(int t, Simulation<T>& simulation) const {
    const auto distances = simulation.distances(target, observed);
    return {{"t", t},
            {"loss", mean(simulation.losses(loss, target, observed))},
            {"mse", mean(distances)},
            {"mse_min", *std::min_element(distances.begin(), distances.end())},
            {"mse_max", *std::max_element(distances.begin(), distances.end())}};
  }
};

double mean_square(const std::vector<float>& frame) {
  double sum = 0;
  for (const float value : frame) sum += double(value) * value;
  return sum / double(frame.size());
}

/// Steps between two frames, as training has them.
template <class T>
int training_steps(const ModelSource& source, const System<T>& system, const train::Trajectory& data) {
  const train::AugmenterInputs<T> inputs{{}, &system, {data}, source.seed};
  return registries<T>().augmenters.create(source.experiment->at("augment"), inputs)->steps(0);
}

/// Times at which persistence is measured: doubling from `first` to `until`, and `until`.
std::vector<int> doubling(int first, int until) {
  std::vector<int> times;
  for (long long t = first; t < until; t *= 2) times.push_back(int(t));
  times.push_back(std::max(first, until));
  return times;
}

template <class T>
json persistence(Simulation<T>& simulation, const Judge<T>& judge, int first, int until) {
  json table = json::array();
  for (const int t : doubling(first, until)) {
    simulation.advance(t - simulation.step());
    table.push_back(judge.row(t, simulation));
  }
  return table;
}

template <class T>
json recovery(Simulation<T>& simulation, const EvalOptions& options, const Judge<T>& judge) {
  const double before = judge.mse(simulation);
  simulation.damage(options.damage);
  const int start = simulation.step();
  const double after = judge.mse(simulation), lost = after - before;
  json table = json::array({judge.row(0, simulation)}), regrown = nullptr;
  constexpr int kStride = 10, kRow = 50;
  double last = after;
  for (int t = kStride; t <= options.recovery; t += kStride) {
    simulation.advance(start + t - simulation.step());
    last = judge.mse(simulation);
    if (regrown.is_null() && last <= 2 * before) regrown = t;
    if (t % kRow == 0 || t + kStride > options.recovery) table.push_back(judge.row(t, simulation));
  }
  return {{"kind", options.damage},
          {"at", start},
          {"mse_before", before},
          {"mse_after", after},
          {"score", lost > 0 ? json(std::clamp((after - last) / lost, 0.0, 1.0)) : json(nullptr)},
          {"steps_to_twice_before", regrown},
          {"trace", table}};
}

template <class T>
int evaluate(const EvalOptions& options, const GlobalOptions& global, const ModelSource& source) {
  const auto model = build_model<T>(source, global);
  const Start<T> start = make_start(source, *model.system, {}, options.sample);
  const train::Trajectory& data = *start.data;
  const int steps = options.steps > 0 ? options.steps : training_steps(source, *model.system, data);
  const int frames = int(data.frames.size());
  const auto& target = data.frames.back();
  const int grown = steps * std::max(1, frames - 1), until = std::max(options.until, grown);
  json report{{"model", options.model},
              {"samples", options.samples},
              {"grid", {start.grid.h, start.grid.w}},
              {"frames", frames},
              {"steps_per_frame", steps},
              {"seed", source.seed},
              {"trained", source.weights.has_value()},
              {"empty_mse", mean_square(target)}};
  if (global.dry_run) {
    std::cout << report.dump(2) << "\n";
    return 0;
  }
  const Exec exec = make_exec(global);

  const auto loss = training_loss<T>(*source.experiment, start.observed);
  const Judge<T> judge{*loss, target, start.observed};
  Simulation<T> growth(exec, model, start, options.samples, source.seed);
  report["growth"] = json::array();
  for (int frame = 1; frame < frames; ++frame) {
    growth.advance(steps);
    const Judge<T> of_frame{*loss, data.frames[std::size_t(frame)], start.observed};
    report["growth"].push_back(of_frame.row(growth.step(), growth));
  }
  report["persistence"] = persistence(growth, judge, grown, until);
  const double first = report["persistence"].front()["mse"], end = report["persistence"].back()["mse"];
  const double empty = report["empty_mse"];
  // 1: as near to the target at the end as when just grown; 0: as far as an empty lattice
  report["persistence_score"] =
      empty > first ? json(std::clamp((empty - end) / (empty - first), 0.0, 1.0)) : json(nullptr);

  Simulation<T> damaged(exec, model, start, options.samples, source.seed);
  damaged.advance(2 * grown);
  report["damage"] = recovery(damaged, options, judge);
  std::cout << report.dump(2) << "\n";
  return 0;
}

/// A time series: how far the model is from every trajectory of the data when it starts on their first frames.
template <class T>
int evaluate_series(const EvalOptions& options, const GlobalOptions& global, const ModelSource& source) {
  const auto model = build_model<T>(source, global);
  const Exec exec = make_exec(global);
  auto data = load_data(source.experiment->at("data"), exec);
  train::observed_channels(*model.system, data);
  if (!has_solver(source.model.type()) && source.experiment->at("augment").type() != "trajectory") {
    const int steps = options.steps > 0 ? options.steps : training_steps(source, *model.system, data.front());
    for (auto& trajectory : data) trajectory = in_steps(std::move(trajectory), steps);
  }
  json report{{"model", options.model}, {"trained", source.weights.has_value()}, {"trajectories", json::array()}};
  double squares = 0, spread = 0;
  std::size_t frames = 0;
  std::string problem;
  for (std::size_t n = 0; n < data.size() && !global.dry_run; ++n) {
    const auto error = series_error(exec, *model.system, model.params, data[n], source.seed, std::int64_t(n));
    double own = 0, own_spread = 0;
    for (std::size_t k = 0; k < error.rms.size(); ++k) {
      own += error.rms[k] * error.rms[k];
      own_spread += error.target_rms[k] * error.target_rms[k];
    }
    json row{{"name", data[n].name}, {"times", error.times}, {"rms", error.rms}, {"relative", nullptr}};
    if (own_spread > 0) row["relative"] = std::sqrt(own / own_spread);
    if (!error.problem.empty()) row["problem"] = problem = error.problem;
    report["trajectories"].push_back(std::move(row));
    squares += own, spread += own_spread;
    frames += error.rms.size();
  }
  if (frames > 0) report["rms"] = std::sqrt(squares / double(frames));
  if (spread > 0) report["relative"] = std::sqrt(squares / spread);
  std::cout << report.dump(2) << "\n";
  if (!problem.empty()) throw DivergedError("a prediction ends early: " + problem);
  return 0;
}

constexpr int kMostAssigned = 2000;  ///< agents of an exact assignment, which takes their cube in time

/// Mean squared distance of the exact assignment of the agents to as many points spread over the ink of their target,
/// averaged over the swarms of a batch, in boxes of side 1.
template <class T>
double assignment_of(const Exec& exec, ConstStateView<T> state, const train::SampleGroup<T>& group,
                     train::CloudMetric metric, std::uint64_t seed) {
  const Grid grid = group.grid;
  const int agents = state.layout->at("x").dims[0];
  const std::size_t each = 2 * std::size_t(agents), plane = std::size_t(grid.h) * std::size_t(grid.w);
  std::vector<T> x(each * std::size_t(state.batch));
  copy_bytes(exec, x.data(), Backend::host, state.block(0), exec.backend, x.size() * sizeof(T));
  synchronise(exec);
  for (const T v : x)
    if (!std::isfinite(v)) return std::nan("");  // a diverged swarm
  const auto target = group.target.to_vector();
  double sum = 0;
  for (std::size_t b = 0; b < std::size_t(state.batch); ++b) {
    const std::vector<float> ink(target.begin() + std::ptrdiff_t(b * plane),
                                 target.begin() + std::ptrdiff_t((b + 1) * plane));
    std::vector<double> from(x.begin() + std::ptrdiff_t(b * each), x.begin() + std::ptrdiff_t((b + 1) * each)),
        to(each), headings(each);
    train::scatter_agents(ink, grid, {seed, RandomPurpose::run, 0, 0, std::uint32_t(b)}, agents, to.data(),
                          headings.data());
    for (std::size_t i = 0; i < each; ++i)
      for (std::vector<double>* cloud : {&from, &to}) (*cloud)[i] /= i % 2 == 0 ? grid.h : grid.w;
    const double length[2] = {1, 1};
    std::vector<int> match;
    sum += train::exact_assignment(metric, length, agents, from.data(), to.data(), match) / state.batch;
  }
  return sum;
}

/// A swarm: what the objective says of where it starts and of where it ends, over the batch of the configuration.
template <class T>
int evaluate_swarm(const EvalOptions& options, const GlobalOptions& global, const ModelSource& source) {
  const auto model = build_model<T>(source, global);
  const Exec exec = make_exec(global);
  Experiment<T> e(*source.experiment, exec, false);
  e.augmenter->begin(exec, 0);
  auto& group = e.augmenter->groups().front();
  const int steps = options.steps > 0 ? options.steps : e.augmenter->steps(0);
  json report{{"model", options.model},
              {"trained", source.weights.has_value()},
              {"samples", group.count},
              {"grid", {group.grid.h, group.grid.w}},
              {"steps", steps}};
  if (!global.dry_run) {
    const auto objective = make_objective<T>(*source.experiment, e.data.front().channels);
    objective->bind(exec, {group.condition_view(), group.target_view(), 1.0 / group.count, group.per_batch});
    const auto metric = train::swarm_objective_options(source.experiment->at("objective")).sinkhorn.metric;
    const auto terms = [&](ConstStateView<T> state) {
      const Buffer<T> totals(exec, objective->terms().size());
      objective->totals(exec, totals.data());
      const auto values = totals.to_vector();
      json row;
      for (std::size_t k = 0; k < values.size(); ++k) row[objective->terms()[k]] = values[k];
      if (state.layout->at("x").dims[0] <= kMostAssigned)
        row["assignment"] = assignment_of<T>(exec, state, group, metric, source.seed);
      return row;
    };
    objective->begin(exec, {}, 1);
    objective->value(exec, 1, 1, group.start_view());
    report["start"] = terms(group.start_view());
    Buffer<T> params(exec, model.params.size());
    params.upload(model.params);
    train::Rollout<T> rollout(exec, *e.system, group.state_layout, group.count);
    StepIndex base;
    base.seed = source.seed;
    rollout.forward(params.data(), group.condition_view(), group.start_view(), base,
                    train::plan_rollout(steps, rollout.bytes_of_state(), 0, "sqrt"), objective.get());
    report["end"] = terms(rollout.final_state());
  }
  std::cout << report.dump(2) << "\n";
  return 0;
}

}  // namespace

void add_eval(Command& program, GlobalOptions& global) {
  Command command = program.subcommand(
      "eval", "Measure a model: distance to its targets, over long times, and after damage; one JSON object on stdout");
  auto o = std::make_shared<EvalOptions>();
  command.option("MODEL", o->model, "Run directory, checkpoint, model file or configuration").required();
  command.option("--config", o->config, "Configuration that names the targets, for a bare model file");
  command.option("--samples", o->samples, "Runs with different random numbers (default 4)").type("N");
  command.option("--sample", o->sample, "Which trajectory of the data (default 0)").type("N");
  command.option("--steps", o->steps, "Steps between frames (default: as in training)").type("N");
  command.option("--until", o->until, "How long persistence is followed (default 1000)").type("N");
  command.option("--recovery", o->recovery, "Steps after the damage (default 200)").type("N");
  command.option("--damage", o->damage, "What is erased: disc, lower, upper, left, right (default lower)").type("KIND");
  command.action([o, &global] {
    if (o->samples < 1 || o->samples > 4096 || o->sample < 0 || o->steps < 0 || o->until < 1 || o->recovery < 10 ||
        o->until > 1000000 || o->recovery > 1000000)
      throw Error(ExitCode::usage,
                  "--samples 1 to 4096, --sample and --steps at least 0, --until 1 to 1000000, "
                  "--recovery 10 to 1000000");
    o->damage = parse_damage("0:" + o->damage).kind;
    const ModelSource source = find_model(o->model, o->config, global);
    if (!source.experiment || !source.experiment->has("data"))
      throw Error(ExitCode::usage,
                  o->model + ": no targets are named; give a configuration that has \"data\" with --config");
    const bool f64 = source.precision == "f64";
    if (runs_swarm(source))
      return f64 ? evaluate_swarm<double>(*o, global, source) : evaluate_swarm<float>(*o, global, source);
    if (source.experiment->at("data").type() != "images" || has_solver(source.model.type()))
      return f64 ? evaluate_series<double>(*o, global, source) : evaluate_series<float>(*o, global, source);
    return f64 ? evaluate<double>(*o, global, source) : evaluate<float>(*o, global, source);
  });
}

}  // namespace mg::apps
