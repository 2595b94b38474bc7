#pragma once
#include <map>
#include <tuple>
#include <vector>

#include "core/system.hpp"
#include "train/memory_plan.hpp"
#include "train/objective.hpp"

namespace mg::train {

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

  /// params_bar += d objective / d params of the rollout that forward() just ran with the same params, conditions and
  /// objective. May be called once per forward().
  /// @param params_bar  accumulated
  /// @param start_bar   d objective / d x_0, overwritten; null data = not wanted
  /// @throws std::logic_error without a forward() before
  void backward(const T* params, ConstStateView<T> conditions, Objective<T>& objective, T* params_bar,
                StateView<T> start_bar);

  /// x_K of the last forward(); stands until the next one.
  ConstStateView<T> final_state() const;
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
  void run_step(const Op& op, const T* params, ConstStateView<T> conditions);

  Exec exec_;
  const System<T>& system_;
  Layout layout_;
  int batch_;
  Workspace workspace_;
  MemoryPlan plan_;
  std::map<std::tuple<int, int, int>, RolloutProgram> programs_;  // by kind, steps and slots of their plans
  const RolloutProgram* program_ = nullptr;                       // of plan_
  StepIndex base_;
  bool ready_ = false;             // forward() ran, backward() may
  std::vector<Buffer<T>> states_;  // [program_->buffers or more] of (batch, state)
  Buffer<T> bars_[2];              // (batch, state) each
};

}  // namespace mg::train
