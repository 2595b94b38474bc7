#include "train/rollout.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace mg::train {
namespace {

/// Whether the blocks of `first` are the first ones of `all`: then so are the elements of any batch.
bool starts_with(const Layout& all, const Layout& first) {
  if (first.blocks().size() > all.blocks().size()) return false;
  for (std::size_t i = 0; i < first.blocks().size(); ++i)
    if (first.blocks()[i].dims != all.blocks()[i].dims) return false;
  return true;
}

}  // namespace

int held_states(const TimeGrid& grid, bool keep_saves) {
  int held = 0, taps = 0, most = 0, step = -1;
  for (const SavePoint& save : grid.saves) {
    held += keep_saves || !save.exact;
    if (save.step != step) taps = 0, step = save.step;
    taps += !save.exact;
    most = std::max(most, taps);
  }
  return held + most;
}

template <class T>
Rollout<T>::Rollout(const Exec& exec, const System<T>& system, Layout state_layout, int batch)
    : exec_(exec), system_(system), layout_(std::move(state_layout)), batch_(batch) {
  if (batch < 1 || layout_.size() == 0)
    throw std::invalid_argument("Rollout: needs at least one sample and a state, got batch " + std::to_string(batch) +
                                " of " + std::to_string(layout_.size()) + " elements");
}

template <class T>
StepIndex Rollout<T>::index_of(int k) const {
  StepIndex index = base_;
  index.step += k;
  index.t = grid_.steps[std::size_t(k)].t;
  index.h = grid_.steps[std::size_t(k)].h;
  index.stages = grid_.steps[std::size_t(k)].stages;
  return index;
}

template <class T>
void Rollout<T>::prepare(const MemoryPlan& plan) {
  if (program_ == nullptr || plan.kind != plan_.kind || plan.steps != plan_.steps || plan.slots != plan_.slots) {
    constexpr std::size_t kMostPrograms = 256;  // adaptive grids differ in length at every call
    if (programs_.size() >= kMostPrograms) programs_.clear();
    const auto [it, fresh] = programs_.try_emplace({int(plan.kind), plan.steps, plan.slots});
    if (fresh) it->second = rollout_program(plan);
    program_ = &it->second;
  }
  plan_ = plan;
  const std::size_t size = layout_.size() * std::size_t(batch_);
  while (states_.size() < std::size_t(program_->buffers)) states_.emplace_back(exec_, size);
}

/// Sorts the saves by step and decides which of them are kept: what no step end holds, and all that are asked for.
template <class T>
void Rollout<T>::prepare_saves(const Objective<T>* objective) {
  const auto steps = grid_.steps.size();
  if (std::size_t(plan_.steps) != steps)
    throw std::invalid_argument("Rollout: a plan of " + std::to_string(plan_.steps) + " steps for a grid of " +
                                std::to_string(steps));
  first_save_.assign(steps + 2, 0);
  save_buffer_.assign(grid_.saves.size(), -1);
  double previous = 0;
  int kept = 0;
  for (std::size_t m = 0; m < grid_.saves.size(); ++m) {
    const SavePoint& save = grid_.saves[m];
    if (save.step < -1 || save.step >= plan_.steps || !(save.theta >= 0 && save.theta <= 1) ||
        save.step + save.theta < previous)
      throw std::invalid_argument("Rollout: save " + std::to_string(m) + " of the time grid is out of order");
    previous = save.step + save.theta;
    ++first_save_[std::size_t(save.step) + 2];
    const bool observed = objective != nullptr && objective->observes(int(m) + 1, saves());
    if (keep_saves_ || (observed && !save.exact)) save_buffer_[m] = kept++;
  }
  for (std::size_t k = 0; k <= steps; ++k) first_save_[k + 1] += first_save_[k];
  const std::size_t size = layout_.size() * std::size_t(batch_);
  while (save_buffers_.size() < std::size_t(kept)) save_buffers_.emplace_back(exec_, size);
}

template <class T>
void Rollout<T>::run_step(const Op& op, const T* params, ConstStateView<T> conditions) {
  system_.step(exec_, index_of(op.k), params, conditions, state(op.from), state(op.to), workspace_);
}

/// A step of the forward sweep: with its taps, and its saves shown to the objective.
template <class T>
void Rollout<T>::run_first_step(const Op& op, const T* params, ConstStateView<T> conditions, Objective<T>* objective) {
  const std::size_t begin = first_save_[std::size_t(op.k) + 1], end = first_save_[std::size_t(op.k) + 2];
  taps_.clear();
  for (std::size_t m = begin; m < end; ++m)
    if (!grid_.saves[m].exact && save_buffer_[m] >= 0)
      taps_.push_back({grid_.saves[m].theta, {save_buffers_[std::size_t(save_buffer_[m])].data(), &layout_, batch_}});
  const StateView<T> next = state(op.to);
  system_.step_tapped(exec_, index_of(op.k), params, conditions, state(op.from), next, taps_, workspace_);
  show_saves(op.k, next, objective);
}

/// Keeps and shows the saves of step k, which ends at x.
template <class T>
void Rollout<T>::show_saves(int k, ConstStateView<T> x, Objective<T>* objective) {
  for (std::size_t m = first_save_[std::size_t(k + 1)]; m < first_save_[std::size_t(k + 2)]; ++m) {
    const bool exact = grid_.saves[m].exact;
    if (exact && save_buffer_[m] >= 0)
      copy_bytes(exec_, save_buffers_[std::size_t(save_buffer_[m])].data(), exec_.backend, x.data, exec_.backend,
                 x.size() * sizeof(T));
    if (objective != nullptr && objective->observes(int(m) + 1, saves()))
      objective->value(exec_, int(m) + 1, saves(), exact ? x : saved_state(m));
  }
}

template <class T>
void Rollout<T>::forward(const T* params, ConstStateView<T> conditions, ConstStateView<T> start, const StepIndex& base,
                         const MemoryPlan& plan, Objective<T>* objective) {
  grid_.steps.clear();
  grid_.saves.clear();
  for (int k = 0; k < plan.steps; ++k) {
    grid_.steps.push_back({base.t + k * base.h, base.h, base.stages});
    grid_.saves.push_back({k, 1, true});
  }
  run(params, conditions, start, base, plan, objective);
}

template <class T>
void Rollout<T>::forward(const T* params, ConstStateView<T> conditions, ConstStateView<T> start, const StepIndex& base,
                         const TimeGrid& grid, const MemoryPlan& plan, Objective<T>* objective) {
  grid_.steps.assign(grid.steps.begin(), grid.steps.end());
  grid_.saves.assign(grid.saves.begin(), grid.saves.end());
  run(params, conditions, start, base, plan, objective);
}

/// @throws std::invalid_argument when it does not fit
template <class T>
void Rollout<T>::check_start(ConstStateView<T> start) const {
  const std::size_t size = layout_.size() * std::size_t(batch_);
  if (start.data == nullptr || start.layout == nullptr || start.batch != batch_ || start.size() > size ||
      !starts_with(layout_, *start.layout))
    throw std::invalid_argument("Rollout: start has " + std::to_string(start.size()) + " elements in a batch of " +
                                std::to_string(start.batch) + ", expected the first blocks of " + std::to_string(size) +
                                " in " + std::to_string(batch_));
}

/// The start as a whole state.
template <class T>
void Rollout<T>::take_start(ConstStateView<T> start, T* to) const {
  check_start(start);
  const std::size_t size = layout_.size() * std::size_t(batch_);
  copy_bytes(exec_, to, exec_.backend, start.data, exec_.backend, start.size() * sizeof(T));
  zero_bytes(exec_, to + start.size(), (size - start.size()) * sizeof(T));
}

template <class T>
TimeGrid Rollout<T>::time_grid(const T* params, ConstStateView<T> conditions, ConstStateView<T> start,
                               const StepIndex& base, std::span<const double> save_times) {
  const std::size_t size = layout_.size() * std::size_t(batch_);
  if (bars_[0].size() != size) bars_[0] = Buffer<T>(exec_, size);
  take_start(start, bars_[0].data());
  return system_.time_grid(exec_, base, params, conditions, {bars_[0].data(), &layout_, batch_}, save_times,
                           workspace_);
}

template <class T>
void Rollout<T>::run(const T* params, ConstStateView<T> conditions, ConstStateView<T> start, const StepIndex& base,
                     const MemoryPlan& plan, Objective<T>* objective) {
  check_start(start);
  ready_ = false;
  prepare(plan);
  base_ = base;
  if (objective != nullptr) objective->begin(exec_, base_, saves());
  prepare_saves(objective);
  take_start(start, state(0).data);
  show_saves(-1, state(0), objective);
  for (const Op& op : program_->forward) run_first_step(op, params, conditions, objective);
  ready_ = true;
}

/// The objective's cotangents of the taps of step k.
template <class T>
std::span<const Tap<const T>> Rollout<T>::tap_cotangents(int k, Objective<T>& objective) {
  tap_cotangents_.clear();
  const std::size_t size = layout_.size() * std::size_t(batch_);
  for (std::size_t m = first_save_[std::size_t(k + 2)]; m-- > first_save_[std::size_t(k + 1)];) {
    if (grid_.saves[m].exact || !objective.observes(int(m) + 1, saves())) continue;
    const std::size_t at = tap_cotangents_.size();
    if (tap_bars_.size() <= at) tap_bars_.emplace_back(exec_, size);
    tap_bars_[at].zero();
    const StateView<T> bar{tap_bars_[at].data(), &layout_, batch_};
    objective.adjoint(exec_, int(m) + 1, saves(), saved_state(m), bar);
    tap_cotangents_.push_back({grid_.saves[m].theta, bar});
  }
  return tap_cotangents_;
}

/// Adds the objective's cotangents of the saves that are the end x of step k.
template <class T>
void Rollout<T>::add_exact(int k, ConstStateView<T> x, Objective<T>& objective, StateView<T> x_bar) const {
  for (std::size_t m = first_save_[std::size_t(k + 2)]; m-- > first_save_[std::size_t(k + 1)];)
    if (grid_.saves[m].exact && objective.observes(int(m) + 1, saves()))
      objective.adjoint(exec_, int(m) + 1, saves(), x, x_bar);
}

template <class T>
void Rollout<T>::backward(const T* params, ConstStateView<T> conditions, Objective<T>& objective, T* params_bar,
                          StateView<T> start_bar) {
  if (!ready_) throw std::logic_error("Rollout: backward() without a forward() before it");
  ready_ = false;  // the sweep overwrites the kept states
  const std::size_t size = layout_.size() * std::size_t(batch_);
  if (start_bar.data != nullptr && start_bar.size() != size)
    throw std::invalid_argument("Rollout: start_bar has " + std::to_string(start_bar.size()) + " elements, expected " +
                                std::to_string(size));
  for (Buffer<T>& bar : bars_)
    if (bar.size() != size) bar = Buffer<T>(exec_, size);

  StateView<T> next_bar{bars_[0].data(), &layout_, batch_}, bar{bars_[1].data(), &layout_, batch_};
  bars_[0].zero();
  add_exact(plan_.steps - 1, final_state(), objective, next_bar);
  for (const Op& op : program_->backward) {
    if (op.kind == Op::Kind::step) {
      run_step(op, params, conditions);
      continue;
    }
    system_.step_tapped_adjoint(exec_, index_of(op.k), params, conditions, state(op.from), next_bar,
                                tap_cotangents(op.k, objective), bar, params_bar, workspace_);
    add_exact(op.k - 1, state(op.from), objective, bar);
    std::swap(bar, next_bar);
  }
  if (start_bar.data != nullptr)
    copy_bytes(exec_, start_bar.data, exec_.backend, next_bar.data, exec_.backend, size * sizeof(T));
}

template <class T>
ConstStateView<T> Rollout<T>::saved_state(std::size_t m) const {
  if (m >= save_buffer_.size() || save_buffer_[m] < 0)
    throw std::logic_error("Rollout: save " + std::to_string(m) + " was not kept");
  return {save_buffers_[std::size_t(save_buffer_[m])].data(), &layout_, batch_};
}

template <class T>
ConstStateView<T> Rollout<T>::final_state() const {
  if (program_ == nullptr) throw std::logic_error("Rollout: final_state() without a forward() before it");
  return state(program_->final_buffer());
}

template <class T>
std::size_t Rollout<T>::state_bytes() const {
  std::size_t bytes = (bars_[0].size() + bars_[1].size()) * sizeof(T);
  for (const auto* buffers : {&states_, &save_buffers_, &tap_bars_})
    for (const Buffer<T>& s : *buffers) bytes += s.size() * sizeof(T);
  return bytes;
}

template class Rollout<float>;
template class Rollout<double>;

}  // namespace mg::train
