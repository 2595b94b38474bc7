#pragma once
#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "core/system.hpp"
#include "train/memory_plan.hpp"
#include "train/objective.hpp"

namespace mg::train {

/// States that a rollout over `grid` holds besides those of its plan: saves between steps, or all of them when they are
/// kept, and the cotangents of the saves between steps of one step.
int held_states(const TimeGrid& grid, bool keep_saves);

/// Rolls one group of samples forwards, and the adjoint backwards, under a memory plan. Allocates on the first call and
/// whenever a plan needs more states than any before. Gradients of all plans are bit-equal: a replayed step sees the
/// same StepIndex and the same state.
template <class T>
class Rollout {
 public:
  /// `system` must outlive the rollout; state_layout is system.state_layout(grid).
  Rollout(const Exec& exec, const System<T>& system, Layout state_layout, int batch);

  /// x_K from x_0 = `start`, K = plan.steps. The objective (may be null) sees every observed state once.
  /// @param params      system.param_layout().size()
  /// @param conditions  (batch) of system.condition_layout(grid)
  /// @param start       (batch) copied; may lack the last blocks of the state, which then start at 0
  /// @param base        index of the first step; step k has base.step + k and base.t + k base.h
  /// @throws std::invalid_argument when start has other blocks or another batch
  void forward(const T* params, ConstStateView<T> conditions, ConstStateView<T> start, const StepIndex& base,
               const MemoryPlan& plan, Objective<T>* objective);

  /// The same over the steps of `grid`: step k has base.step + k and the time and length of grid.steps[k]. The objective
  /// sees the saves of the grid, numbered from 1 (`steps` is then their number): a save that is exact is the state
  /// itself, another is what the step wrote at its tap, kept for the adjoint sweep.
  /// @param plan  for grid.steps.size() steps
  /// @throws std::invalid_argument when plan and grid disagree, or the saves are not in order of time
  void forward(const T* params, ConstStateView<T> conditions, ConstStateView<T> start, const StepIndex& base,
               const TimeGrid& grid, const MemoryPlan& plan, Objective<T>* objective);

  /// params_bar += d objective / d params of the rollout that forward() just ran with the same params, conditions and
  /// objective. May be called once per forward().
  /// @param params_bar  accumulated
  /// @param start_bar   d objective / d x_0, overwritten; null data = not wanted
  /// @throws std::logic_error without a forward() before
  void backward(const T* params, ConstStateView<T> conditions, Objective<T>& objective, T* params_bar,
                StateView<T> start_bar);

  /// system.time_grid from a start as forward() takes it.
  TimeGrid time_grid(const T* params, ConstStateView<T> conditions, ConstStateView<T> start, const StepIndex& base,
                     std::span<const double> save_times);

  /// x_K of the last forward(); stands until the next one.
  ConstStateView<T> final_state() const;
  /// Whether forward() leaves a copy of every save behind, those that the objective does not observe included.
  void keep_saves(bool keep) { keep_saves_ = keep; }
  /// Save m (0-based) of the last forward(); stands until the next one. @throws std::logic_error when it was not kept
  ConstStateView<T> saved_state(std::size_t m) const;
  /// The steps and saves of the last forward().
  const TimeGrid& grid() const { return grid_; }
  Workspace& workspace() { return workspace_; }
  /// Bytes of one batch of states, the unit of a memory plan.
  std::size_t bytes_of_state() const { return layout_.size() * std::size_t(batch_) * sizeof(T); }
  /// Bytes of all states held, without the scratch memory of the system.
  std::size_t state_bytes() const;

 private:
  using Op = RolloutProgram::Op;
  StateView<T> state(int buffer) const { return {states_[std::size_t(buffer)].data(), &layout_, batch_}; }
  StepIndex index_of(int k) const;
  void prepare(const MemoryPlan& plan);
  void check_start(ConstStateView<T> start) const;
  void take_start(ConstStateView<T> start, T* to) const;
  void prepare_saves(const Objective<T>* objective);
  void run(const T* params, ConstStateView<T> conditions, ConstStateView<T> start, const StepIndex& base,
           const MemoryPlan& plan, Objective<T>* objective);
  void run_step(const Op& op, const T* params, ConstStateView<T> conditions);
  void run_first_step(const Op& op, const T* params, ConstStateView<T> conditions, Objective<T>* objective);
  void show_saves(int k, ConstStateView<T> x, Objective<T>* objective);
  std::span<const Tap<const T>> tap_cotangents(int k, Objective<T>& objective);
  void add_exact(int k, ConstStateView<T> x, Objective<T>& objective, StateView<T> x_bar) const;
  int saves() const { return int(grid_.saves.size()); }

  Exec exec_;
  const System<T>& system_;
  Layout layout_;
  int batch_;
  Workspace workspace_;
  MemoryPlan plan_;
  std::map<std::tuple<int, int, int>, RolloutProgram> programs_;  // by kind, steps and slots of their plans
  const RolloutProgram* program_ = nullptr;                       // of plan_
  StepIndex base_;
  TimeGrid grid_;
  std::vector<std::size_t> first_save_;  // [K + 2] saves of step k, from -1 on: first_save_[k + 1] .. [k + 2] - 1
  std::vector<int> save_buffer_;         // [M] where a save is kept, -1 = nowhere
  std::vector<Buffer<T>> save_buffers_;  // of (batch, state)
  std::vector<Buffer<T>> tap_bars_;      // [most taps of one step] of (batch, state)
  std::vector<Tap<T>> taps_;
  std::vector<Tap<const T>> tap_cotangents_;
  bool keep_saves_ = false;
  bool ready_ = false;             // forward() ran, backward() may
  std::vector<Buffer<T>> states_;  // [program_->buffers or more] of (batch, state)
  Buffer<T> bars_[2];              // (batch, state) each
};

}  // namespace mg::train
