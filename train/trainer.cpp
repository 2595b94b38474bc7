#include "train/trainer.hpp"

#include <cmath>
#include <stdexcept>

#include "core/error.hpp"
#include "core/reduce.hpp"
#include "train/free_memory.hpp"
#include "train/samples.hpp"

namespace mg::train {

template <class T>
Trainer<T>::Trainer(const Exec& exec, const System<T>& system, Augmenter<T>& augmenter,
                    std::vector<std::unique_ptr<Objective<T>>> objectives, Optimiser<T>& optimiser,
                    TrainerOptions options, std::uint64_t seed, const std::vector<T>& params, Communicator* comm)
    : exec_(exec),
      system_(system),
      augmenter_(augmenter),
      objectives_(std::move(objectives)),
      optimiser_(optimiser),
      comm_(comm != nullptr && comm->size() > 1 ? comm : nullptr),
      options_(std::move(options)),
      seed_(seed) {
  auto& groups = augmenter_.groups();
  if (objectives_.size() != groups.size() || groups.empty())
    throw std::invalid_argument("Trainer: " + std::to_string(objectives_.size()) + " objectives for " +
                                std::to_string(groups.size()) + " groups");
  if (params.size() != system.param_layout().size())
    throw std::invalid_argument("Trainer: " + std::to_string(params.size()) + " parameters, the system has " +
                                std::to_string(system.param_layout().size()));
  for (auto& group : groups) {
    // The state may have more blocks than the augmenter feeds.
    rollouts_.emplace_back(exec_, system_, system_.state_layout(group.grid), group.count);
    state_bytes_ += rollouts_.back().bytes_of_state();
  }
  samples_ = augmenter_.total_samples();
  plans_.resize(groups.size());
  start_bars_.resize(groups.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    rollouts_[g].keep_saves(augmenter_.wants_saves());
    if (augmenter_.wants_start_bar()) start_bars_[g] = Buffer<T>(exec_, rollouts_[g].bytes_of_state() / sizeof(T));
  }
  if (options_.memory == "auto" && options_.memory_budget == 0)
    options_.memory_budget = std::size_t(0.8 / options_.memory_sharers * double(free_memory(exec_)));
  params_ = uploaded(exec_, params);
  best_params_ = uploaded(exec_, params);
  weights_ = objectives_.front()->term_weights();
  gradient_ = Buffer<T>(exec_, params.size() + 2 + weights_.size());
  for (const auto& name : objectives_.front()->terms()) report_.terms.emplace_back(name, 0.0);
  scalars_ = Buffer<T>(exec_, 1 + groups.size() * (1 + weights_.size()));
  host_scalars_.resize(scalars_.size());
}

template <class T>
const MemoryPlan& Trainer<T>::plan(std::size_t group, int steps, int held) {
  auto& known = plans_.at(group);
  if (const auto it = known.find({steps, held}); it != known.end()) return it->second;
  const std::size_t bytes = rollouts_[group].bytes_of_state();
  const double share = double(bytes) / double(state_bytes_);
  const auto budget = std::size_t(double(options_.memory_budget) * share);
  try {
    const auto plan = plan_rollout(steps, bytes, budget, options_.memory, options_.memory_slots, held);
    return known.emplace(std::pair{steps, held}, plan).first->second;
  } catch (const std::invalid_argument& error) {
    throw ConfigError(std::string("train.memory: ") + error.what());
  }
}

template <class T>
const MemoryPlan& Trainer<T>::first_plan(std::size_t g) {
  augmenter_.begin(exec_, iteration_);
  const auto& group = augmenter_.groups()[g];
  if (group.save_times.empty()) return plan(g, augmenter_.steps(iteration_));
  return plan_of(g, grid_of(g, base_of(g)));
}

template <class T>
StepIndex Trainer<T>::base_of(std::size_t g) const {
  StepIndex base;
  base.seed = seed_ + std::uint64_t(stream_) * 0x9E3779B97F4A7C15ULL;
  base.iteration = iteration_;
  base.sample0 = augmenter_.groups()[g].sample0;
  base.t = augmenter_.groups()[g].t0;
  return base;
}

template <class T>
TimeGrid Trainer<T>::grid_of(std::size_t g, const StepIndex& base) {
  auto& group = augmenter_.groups()[g];
  return rollouts_[g].time_grid(params_.data(), group.condition_view(), group.start_view(), base, group.save_times);
}

template <class T>
const MemoryPlan& Trainer<T>::plan_of(std::size_t g, const TimeGrid& grid) {
  return plan(g, int(grid.steps.size()), held_states(grid, augmenter_.wants_saves()));
}

template <class T>
void Trainer<T>::read_back() {
  const std::size_t groups = rollouts_.size(), count = weights_.size();
  T* const scalars =
      scalars_.data();  // [1 + groups] squares of the gradient and the final states, [groups][count] terms
  const auto gradient_squares = [&] {
    reduce<T>(exec_, Reduction::sum_squares, gradient_.data(), 1, params_.size(), scalars, workspace_);
  };
  if (comm_ == nullptr) gradient_squares();
  for (std::size_t g = 0; g < groups; ++g) {
    const auto x = rollouts_[g].final_state();
    reduce<T>(exec_, Reduction::sum_squares, x.data, 1, x.size(), scalars + 1 + g, workspace_);
    objectives_[g]->totals(exec_, scalars + 1 + groups + g * count);
  }
  scalars_.download(host_scalars_);
  Measured& m = measured_;
  m.gradient_squares = double(host_scalars_[0]);
  m.state_squares = 0;
  for (std::size_t g = 0; g < groups; ++g) m.state_squares += double(host_scalars_[1 + g]);
  m.terms.assign(count, 0.0);
  for (std::size_t k = 0; k < groups * count; ++k) m.terms[k % count] += double(host_scalars_[1 + groups + k]);
  report_.stop_votes = stop_vote_;
  if (comm_ == nullptr) return;
  sum_over_ranks();
  gradient_squares();
  T squares{};
  copy_bytes(exec_, &squares, Backend::host, scalars, exec_.backend, sizeof squares);
  synchronise(exec_);
  m.gradient_squares = double(squares);
}

/// One sum of the gradient and the measured numbers.
template <class T>
void Trainer<T>::sum_over_ranks() {
  Measured& m = measured_;
  std::vector<T> tail{T(stop_vote_), T(m.state_squares)};
  for (double term : m.terms) tail.push_back(T(term));
  T* const at = gradient_.data() + params_.size();
  const std::size_t bytes = tail.size() * sizeof(T);
  copy_bytes(exec_, at, exec_.backend, tail.data(), Backend::host, bytes);
  synchronise(exec_);
  comm_->all_reduce(exec_, gradient_.data(), gradient_.size());
  copy_bytes(exec_, tail.data(), Backend::host, at, exec_.backend, bytes);
  synchronise(exec_);
  report_.stop_votes = int(tail[0]);
  m.state_squares = double(tail[1]);
  for (std::size_t k = 0; k < m.terms.size(); ++k) m.terms[k] = double(tail[2 + k]);
}

/// Why the iteration cannot be used; empty when it can.
template <class T>
const char* Trainer<T>::problem(double total) const {
  if (!std::isfinite(total)) return "the loss is not finite";
  if (total > options_.loss_threshold) return "the loss passed train.loss_threshold";
  if (options_.nan_loss_is_zero) return "";
  if (!std::isfinite(measured_.state_squares)) return "the state is not finite";
  if (!std::isfinite(measured_.gradient_squares)) return "the gradient is not finite";
  return "";
}

template <class T>
void Trainer<T>::keep_best(double total) {
  best_ = total;
  best_iteration_ = iteration_;
  copy_bytes(exec_, best_params_.data(), exec_.backend, params_.data(), exec_.backend, params_.size() * sizeof(T));
}

template <class T>
void Trainer<T>::run_forward(std::size_t g, const StepIndex& base) {
  auto& group = augmenter_.groups()[g];
  Rollout<T>& rollout = rollouts_[g];
  Objective<T>* objective = objectives_[g].get();
  if (group.save_times.empty()) {
    const int steps = augmenter_.steps(iteration_);
    rollout.forward(params_.data(), group.condition_view(), group.start_view(), base, plan(g, steps), objective);
    return;
  }
  const TimeGrid grid = grid_of(g, base);
  rollout.forward(params_.data(), group.condition_view(), group.start_view(), base, grid, plan_of(g, grid), objective);
}

/// The predicted states and the gradients of the starts, to the augmenter.
template <class T>
void Trainer<T>::hand_back() {
  if (!augmenter_.wants_saves() && !augmenter_.wants_start_bar()) return;
  auto& groups = augmenter_.groups();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    RolloutYield<T> yield;
    if (augmenter_.wants_saves())
      for (std::size_t m = 0; m < groups[g].save_times.size(); ++m) yield.saves.push_back(rollouts_[g].saved_state(m));
    if (start_bars_[g].size() > 0) yield.start_bar = start_bar(g);
    augmenter_.learn(exec_, g, yield);
  }
}

template <class T>
StateView<T> Trainer<T>::start_bar(std::size_t g) const {
  if (start_bars_[g].size() == 0) return {};
  const auto x = rollouts_[g].final_state();
  return {start_bars_[g].data(), x.layout, x.batch};
}

/// All groups forwards and backwards: gradient_, finals_, sample_losses_.
template <class T>
void Trainer<T>::run_rollouts() {
  auto& groups = augmenter_.groups();
  gradient_.zero();
  finals_.clear();
  sample_losses_.clear();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    auto& group = groups[g];
    auto& objective = *objectives_[g];
    objective.bind(
        exec_, {group.condition_view(), group.target_view(), 1.0 / double(samples_), group.per_batch, group.saves()});
    run_forward(g, base_of(g));
    rollouts_[g].backward(params_.data(), group.condition_view(), objective, gradient_.data(), start_bar(g));
    finals_.push_back(rollouts_[g].final_state());
    sample_losses_.push_back(objective.sample_losses());
  }
}

/// Goes past an iteration with a problem. @throws DivergedError when the options allow no more of them
template <class T>
void Trainer<T>::throw_away() {
  augmenter_.finish(exec_, iteration_, finals_, sample_losses_, false);
  ++iteration_;
  const bool patient = options_.on_divergence == OnDivergence::rollback ||
                       (options_.on_divergence == OnDivergence::skip && ++skips_ <= options_.max_skips);
  if (!patient)
    throw DivergedError("iteration " + std::to_string(report_.iteration) + ": " + report_.problem + " (loss " +
                        std::to_string(report_.total) + ", gradient norm " + std::to_string(report_.gradient_norm) +
                        ")");
}

template <class T>
const StepReport& Trainer<T>::step() {
  augmenter_.begin(exec_, iteration_);
  run_rollouts();
  read_back();

  StepReport& report = report_;
  report.iteration = iteration_;
  report.total = 0;
  for (std::size_t k = 0; k < weights_.size(); ++k) {
    report.terms[k].second = measured_.terms[k];
    report.total += weights_[k] * measured_.terms[k];
  }
  report.loss = measured_.terms.front();
  report.gradient_norm = std::sqrt(measured_.gradient_squares);
  report.learning_rate = optimiser_.learning_rate();
  report.accepted = report.best = false;
  report.problem = problem(report.total);
  if (!report.problem.empty()) {
    throw_away();
    return report;
  }
  skips_ = 0;
  report.accepted = options_.accept_always || augmenter_.always_moves_on() || iteration_ < options_.warmup ||
                    report.total - best_ < options_.accept_margin;
  report.best = iteration_ > options_.warmup && report.total < best_;
  if (report.best && !options_.best_after_update) keep_best(report.total);
  optimiser_.step(exec_, params_.data(), gradient_.data());
  if (report.best && options_.best_after_update) keep_best(report.total);
  if (report.accepted) hand_back();
  augmenter_.finish(exec_, iteration_, finals_, sample_losses_, report.accepted);
  ++iteration_;
  return report;
}

template <class T>
void Trainer<T>::save(TensorFile& file) const {
  const std::int64_t counters[] = {iteration_, best_iteration_, stream_, skips_};
  file.add("trainer/counters", {4}, counters);
  file.add("trainer/best", {}, &best_);
  file.add("trainer/rate_scale", {}, &rate_scale_);
  file.add("trainer/params", {params_.size()}, params_.to_vector().data());
  file.add("trainer/best_params", {best_params_.size()}, best_params_.to_vector().data());
  const auto saved = optimiser_.save();
  for (const auto& [name, values] : saved.arrays) file.add("optimiser/" + name, {values.size()}, values.data());
  for (const auto& [name, value] : saved.counters) {
    const auto v = std::int64_t(value);
    file.add("optimiser_counter/" + name, {}, &v);
  }
  augmenter_.save(file);
}

template <class T>
void Trainer<T>::restore(const TensorFile& file) {
  const auto counters = file.at("trainer/counters").as_double();
  if (counters.size() != 4) throw CheckpointError("trainer/counters: expected 4 values");
  restore_buffer(file.at("trainer/params"), "trainer/params", params_);
  restore_buffer(file.at("trainer/best_params"), "trainer/best_params", best_params_);
  auto saved = optimiser_.save();  // for the names and sizes that this configuration has
  for (auto& [name, values] : saved.arrays) {
    const Tensor& t = file.at("optimiser/" + name);
    if (t.size() != values.size() || t.bytes.size() != values.size() * sizeof(T))
      throw CheckpointError("optimiser/" + name + ": another size than this configuration needs");
    std::memcpy(values.data(), t.bytes.data(), t.bytes.size());
  }
  for (auto& [name, value] : saved.counters)
    value = static_cast<long long>(file.at("optimiser_counter/" + name).as_double().at(0));
  optimiser_.restore(saved);
  augmenter_.restore(exec_, file);
  iteration_ = std::int64_t(counters[0]);
  best_iteration_ = std::int64_t(counters[1]);
  stream_ = std::int64_t(counters[2]);
  skips_ = std::int64_t(counters[3]);
  best_ = file.at("trainer/best").as_double().at(0);
  rate_scale_ = file.at("trainer/rate_scale").as_double().at(0);
  optimiser_.scale_rate(rate_scale_);
}

template <class T>
void Trainer<T>::retry(std::int64_t attempt, double factor) {
  stream_ = attempt;
  rate_scale_ = std::pow(factor, double(attempt));
  optimiser_.scale_rate(rate_scale_);
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace mg::train
