#pragma once
#include "core/buffer.hpp"
#include "core/layout.hpp"

namespace mg::train {

/// What a rollout is judged by: terms on the states x_1 .. x_K of one group of equally shaped samples.
/// All values stay on the device; `sums` is the objective's own row of accumulators (one per term and sample).
template <class T>
class Objective {
 public:
  virtual ~Objective() = default;
  /// Whether state x_k (1 <= k <= steps) is looked at. The rollout calls nothing for the others.
  virtual bool observes(int k, int steps) const = 0;
  /// Clears the accumulators before a rollout of `steps` steps.
  virtual void begin(const Exec& exec, int steps) = 0;
  /// Adds the terms of x_k.
  virtual void value(const Exec& exec, int k, int steps, ConstStateView<T> x) = 0;
  /// x_bar += d(total) / d x_k. Called with the same states, last first, after every value() call.
  virtual void adjoint(const Exec& exec, int k, int steps, ConstStateView<T> x, StateView<T> x_bar) = 0;
};

}  // namespace mg::train
