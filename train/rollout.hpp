#pragma once
#include <string>
#include <vector>

#include "core/system.hpp"
#include "train/objective.hpp"

namespace mg::train {

/// How the states of a rollout are kept for its adjoint.
struct MemoryPlan {
  enum class Kind { store_all, sqrt, revolve };
  Kind kind = Kind::store_all;
  int steps = 0;
  int slots = 0;                   ///< states kept at a time, x_0 included
  long long recomputed_steps = 0;  ///< forward steps beyond the first pass
  std::size_t bytes = 0;           ///< slots * bytes of one state
  std::string describe() const;    ///< one line for the log
};

/// Picks store_all when it fits `budget_bytes`, else sqrt, else revolve with as many slots as fit.
/// `kind` "auto" | "store_all" | "sqrt" | "revolve"; `slots` > 0 fixes the slots of revolve.
/// @throws std::invalid_argument when not even two states fit
MemoryPlan plan_rollout(int steps, std::size_t state_bytes, std::size_t budget_bytes, const std::string& kind,
                        int slots = 0);

/// Rolls one group of samples forwards, and the adjoint backwards, under a memory plan. Keeps its buffers between calls.
/// Gradients of all plans are bit-equal: replayed steps see the same StepIndex.
template <class T>
class Rollout {
 public:
  Rollout(const Exec& exec, const System<T>& system, Layout state_layout, int batch);

  /// x_K from x_0 = `start`; objective (may be null) sees every observed state. `base.step` is the first step's index.
  void forward(const T* params, ConstStateView<T> conditions, ConstStateView<T> start, StepIndex base,
               const MemoryPlan& plan, Objective<T>* objective);
  /// params_bar += d objective / d params for the rollout that forward() just ran with the same arguments.
  /// start_bar (may be null data) is overwritten with d objective / d x_0.
  void backward(const T* params, ConstStateView<T> conditions, StepIndex base, const MemoryPlan& plan,
                Objective<T>& objective, T* params_bar, StateView<T> start_bar);
  ConstStateView<T> final_state() const;

 private:
  Exec exec_;
  const System<T>& system_;
  Layout layout_;
  int batch_;
  Workspace workspace_;
  std::vector<Buffer<T>> slots_;
};

}  // namespace mg::train
