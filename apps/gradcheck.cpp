#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iostream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <numbers>
#include <optional>

#include "apps/commands.hpp"
#include "apps/experiment.hpp"
#include "apps/root_schema.hpp"
#include "core/log.hpp"
#include "core/philox.hpp"
#include "train/rollout.hpp"

namespace mg::apps {

namespace {

using json = nlohmann::ordered_json;
using Vec = std::vector<double>;

Vec normals(std::size_t size, std::uint64_t seed, std::uint32_t which) {
  const RandomStream stream{.seed = seed, .purpose = RandomPurpose::test, .iteration = which};
  Vec values(size);
  for (std::size_t k = 0; k < size; ++k) {
    const Philox4 w = stream.words(std::uint32_t(k));
    const double radius = std::sqrt(-2 * std::log1p(-uniform01<double>(w.v[0])));
    values[k] = radius * std::cos(2 * std::numbers::pi * uniform01<double>(w.v[1]));
  }
  return values;
}

double dot(const Vec& a, const Vec& b) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
  return sum;
}

Vec moved(const Vec& from, double step, const Vec& along) {
  Vec out = from;
  for (std::size_t k = 0; k < out.size(); ++k) out[k] += step * along[k];
  return out;
}

/// Training's own total as a function of parameters and of the start states of one group, in double on the host.
class Loss {
 public:
  Loss(const Config& config, int steps) : experiment_(config, {}, false) {
    const auto& e = experiment_;
    system_ = e.rollout_system ? e.rollout_system.get() : e.system.get();
    e.augmenter->begin({}, 0);
    group_ = &e.augmenter->groups().front();
    layout_ = system_->state_layout(group_->grid);
    objective_ = make_objective<double>(config, e.data.front().channels);
    objective_->bind(
        {}, {group_->condition_view(), group_->target_view(), 1.0 / group_->count, group_->per_batch, group_->saves()});
    base_ = {.seed = e.seed, .iteration = 0, .step = 0, .sample0 = group_->sample0, .t = group_->t0, .h = 1};
    rollout_ = std::make_unique<train::Rollout<double>>(Exec{}, *system_, layout_, group_->count);
    if (group_->save_times.empty()) {
      steps_ = steps > 0 ? steps : e.augmenter->steps(0);
      for (int k = 0; k < steps_; ++k) grid_.steps.push_back({double(k), 1}), grid_.saves.push_back({k, 1, true});
    } else {  // recorded at the initial parameters and kept: the gradient is that of the steps taken
      Vec params(system_->param_layout().size());
      system_->initialise(e.seed, params);
      grid_ =
          rollout_->time_grid(params.data(), group_->condition_view(), group_->start_view(), base_, group_->save_times);
      base_.h = grid_.steps.front().h;
      base_.stages = grid_.steps.front().stages;
      steps_ = int(grid_.steps.size());
    }
    plan_ = train::plan_rollout(steps_, size() * sizeof(double), 0, "store_all");
  }

  const System<double>& system() const { return *system_; }
  /// Cells from the data; blocks that the system keeps besides start as zeros.
  Vec start() const {
    Vec values = group_->start.to_vector();
    values.resize(size());
    return values;
  }
  int steps() const { return steps_; }
  int samples() const { return group_->count; }
  Grid grid() const { return group_->grid; }

  double value(const Vec& params, const Vec& start) {
    rollout_->forward(params.data(), group_->condition_view(), view(start), base_, grid_, plan_, objective_.get());
    Vec terms(objective_->terms().size());
    objective_->totals({}, terms.data());
    return dot(terms, objective_->term_weights());
  }
  /// Gradients by parameters and start states.
  std::pair<Vec, Vec> gradient(const Vec& params, const Vec& start) {
    value(params, start);
    Vec params_bar(params.size()), start_bar(start.size());
    rollout_->backward(params.data(), group_->condition_view(), *objective_, params_bar.data(),
                       {start_bar.data(), &layout_, group_->count});
    return {params_bar, start_bar};
  }
  Vec step(const Vec& params, const Vec& state) {
    Vec next(state.size());
    system_->step({}, base_, params.data(), group_->condition_view(), view(state),
                  {next.data(), &layout_, group_->count}, workspace_);
    return next;
  }
  std::pair<Vec, Vec> step_adjoint(const Vec& params, const Vec& state, const Vec& next_bar) {
    Vec params_bar(params.size()), state_bar(state.size());
    system_->step_adjoint({}, base_, params.data(), group_->condition_view(), view(state), view(next_bar),
                          {state_bar.data(), &layout_, group_->count}, params_bar.data(), workspace_);
    return {params_bar, state_bar};
  }

 private:
  std::size_t size() const { return layout_.size() * std::size_t(group_->count); }
  ConstStateView<double> view(const Vec& v) const { return {v.data(), &layout_, group_->count}; }

  Experiment<double> experiment_;
  const System<double>* system_ = nullptr;
  Layout layout_;
  std::unique_ptr<train::Objective<double>> objective_;
  std::unique_ptr<train::Rollout<double>> rollout_;
  train::SampleGroup<double>* group_ = nullptr;
  StepIndex base_;
  TimeGrid grid_;
  train::MemoryPlan plan_;
  Workspace workspace_;
  int steps_ = 0;
};

/// Remainders |J(x + e t) - J(x) - e <grad, t>| for e = 1e-4 / 2^k. They fall with rate 2 when the gradient is right and
/// with rate 1 when it is not. Kinks (relu, |x|) scatter the rates, jumps (alive masking) and rounding disturb single
/// ones, so the median decides.
json taylor(const std::string& name, const std::function<double(double)>& along, double slope) {
  constexpr int kLevels = 11;
  constexpr double kFirst = 1e-4, kLeast = 1.6;
  const double at = along(0), noise = 3e-14 * (std::abs(at) + 1e-3);
  json rows = json::array();
  std::vector<double> rates;
  double previous = 0, first = 0;
  for (int k = 0; k < kLevels; ++k) {
    const double e = std::ldexp(kFirst, -k), remainder = std::abs(along(e) - at - e * slope);
    const bool usable = previous > noise && remainder > noise;
    const double rate = usable ? std::log2(previous / remainder) : 0;
    rows.push_back({{"e", e}, {"remainder", remainder}, {"rate", usable ? json(rate) : json(nullptr)}});
    if (k == 0) first = remainder;
    if (usable) rates.push_back(rate);
    previous = remainder;
  }
  const bool linear = first <= noise || rates.empty();  // nothing above rounding is left
  std::sort(rates.begin(), rates.end());
  const double median = linear ? 0 : (rates[rates.size() / 2] + rates[(rates.size() - 1) / 2]) / 2;
  return {{"test", "taylor"},
          {"by", name},
          {"slope", slope},
          {"rate", linear ? json(nullptr) : json(median)},
          {"ok", linear || median >= kLeast},
          {"rows", rows}};
}

/// <c, D step t> against <D step* c, t>, with the derivative on the left by central differences: the best of several
/// widths, since a jump may lie inside one of them.
json dot_product(const std::string& name, const std::function<Vec(double)>& along, const Vec& c, double right) {
  constexpr double kAllowed = 1e-6;
  double left = 0, difference = std::numeric_limits<double>::infinity();
  for (const double h : {1e-5, 1e-6, 1e-7, 1e-8}) {
    const double slope = (dot(along(h), c) - dot(along(-h), c)) / (2 * h);
    const double off = std::abs(slope - right) / std::max({std::abs(slope), std::abs(right), 1e-12});
    if (off < difference) left = slope, difference = off;
  }
  return {{"test", "dot product"},       {"by", name}, {"left", left}, {"right", right}, {"difference", difference},
          {"ok", difference <= kAllowed}};
}

void print(const json& report) {
  for (const auto& test : report["tests"]) {
    const std::string title = test["test"].get<std::string>() + " by " + test["by"].get<std::string>();
    const char* verdict = test["ok"].get<bool>() ? "ok" : "WRONG";
    if (test.contains("difference")) {
      std::printf("%-28s relative difference %.1e  %s\n", title.c_str(), test["difference"].get<double>(), verdict);
      continue;
    }
    if (test["rate"].is_null())
      std::printf("%-28s linear  %s\n", title.c_str(), verdict);
    else
      std::printf("%-28s rate %.3f  %s\n", title.c_str(), test["rate"].get<double>(), verdict);
    for (const auto& row : test["rows"]) {
      std::printf("    e %.2e  remainder %.3e", row["e"].get<double>(), row["remainder"].get<double>());
      if (!row["rate"].is_null()) std::printf("  rate %.3f", row["rate"].get<double>());
      std::printf("\n");
    }
  }
  std::fflush(stdout);
}

/// The gradient of a swarm's objective is exact where the Sinkhorn iterations have converged, and there its value does not
/// depend on what was evaluated before: with a wide blur that takes few of them.
Config checked_config(const std::string& file, GlobalOptions global) {
  Config config = load_root_config(file, global);
  if (config.at("objective").type() != "swarm") return config;
  for (const char* text : {"objective.epsilon=0.5", "objective.iterations=5000", "objective.threshold=1e-12",
                           "objective.annealing=0", "objective.warm_start=false"})
    global.sets.emplace_back(text);
  return load_root_config(file, global);
}

/// A gradient is right or wrong on any lattice: pictures are thinned until a sample has about kCells cells, and one copy
/// of a trajectory does. nullopt when they are small already.
std::optional<Config> smaller_config(const std::string& file, const Config& config, const Loss& loss,
                                     GlobalOptions global) {
  constexpr double kCells = 40 * 40;
  const double cells = double(loss.grid().h) * loss.grid().w;
  const Config data = config.at("data");
  if (data.type() != "images" || cells * loss.samples() <= 4 * kCells) return std::nullopt;
  const int thinner = std::max(1, int(std::lround(std::sqrt(cells / kCells))));
  global.sets.push_back("data.downsample=" + std::to_string(thinner * data.get<int>("downsample")));
  if (config.at("augment").type() == "morph") global.sets.emplace_back("augment.duplicate=1");
  return load_root_config(file, global);
}

int gradcheck(const std::string& file, int steps, bool full, bool as_json, const GlobalOptions& global) {
  Config config = checked_config(file, global);
  auto loss_of = std::make_unique<Loss>(config, steps);
  if (const auto smaller = full ? std::nullopt : smaller_config(file, config, *loss_of, global)) {
    const Grid grid = loss_of->grid();
    const int samples = loss_of->samples();
    config = *smaller;
    loss_of = std::make_unique<Loss>(config, steps);
    log::info("checking {} samples of {}x{} in place of {} of {}x{}; --full takes them as they are", loss_of->samples(),
              loss_of->grid().h, loss_of->grid().w, samples, grid.h, grid.w);
  }
  Loss& loss = *loss_of;
  const auto seed = config.get<std::uint64_t>("seed");
  // Away from the initial point: zero weights and empty cells sit on kinks and hide mistakes.
  Vec params(loss.system().param_layout().size());
  loss.system().initialise(seed, params);
  params = moved(params, 0.05, normals(params.size(), seed, 1));
  const Vec start = moved(loss.start(), 0.1, normals(loss.start().size(), seed, 2));
  json report{{"config", file},
              {"parameters", params.size()},
              {"grid", {loss.grid().h, loss.grid().w}},
              {"samples", loss.samples()},
              {"steps", loss.steps()},
              {"tests", json::array()}};
  if (!global.dry_run) {
    const Vec t_params = normals(params.size(), seed, 3), t_start = normals(start.size(), seed, 4);
    const Vec c = normals(start.size(), seed, 5);
    const auto [step_params, step_state] = loss.step_adjoint(params, start, c);
    const auto [by_params, by_start] = loss.gradient(params, start);
    auto& tests = report["tests"];
    tests.push_back(dot_product(
        "state, one step", [&](double e) { return loss.step(params, moved(start, e, t_start)); }, c,
        dot(step_state, t_start)));
    tests.push_back(dot_product(
        "parameters, one step", [&](double e) { return loss.step(moved(params, e, t_params), start); }, c,
        dot(step_params, t_params)));
    tests.push_back(taylor(
        "parameters", [&](double e) { return loss.value(moved(params, e, t_params), start); },
        dot(by_params, t_params)));
    tests.push_back(taylor(
        "start state", [&](double e) { return loss.value(params, moved(start, e, t_start)); }, dot(by_start, t_start)));
  }
  bool ok = true;
  for (const auto& test : report["tests"]) ok = ok && test["ok"].get<bool>();
  report["ok"] = ok;
  if (as_json)
    std::cout << report.dump(2) << "\n";
  else
    print(report);
  return ok ? int(ExitCode::ok) : int(ExitCode::internal);
}

}  // namespace

void add_gradcheck(Command& program, GlobalOptions& global) {
  Command command = program.subcommand(
      "gradcheck",
      "Check the gradients of a configuration's model and objective in double precision; exit code 1 when wrong");
  auto file = std::make_shared<std::string>();
  auto steps = std::make_shared<int>(4);
  auto as_json = std::make_shared<bool>(false);
  auto full = std::make_shared<bool>(false);
  command.option("CONFIG", *file, "Configuration").required();
  command.option("--steps", *steps, "Steps of the rollout (default 4; 0: as in training)").type("N");
  command.flag("--full", *full, "Pictures as large and as many as in training, which may take minutes");
  command.flag("--json", *as_json, "As one JSON object");
  command.action([=, &global] {
    if (*steps < 0 || *steps > 100000) throw Error(ExitCode::usage, "--steps: expected 0 to 100000");
    return gradcheck(*file, *steps, *full, *as_json, global);
  });
}

}  // namespace mg::apps
