#pragma once
#include <span>
#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "core/layout.hpp"
#include "core/system.hpp"

namespace mg::train {

/// What a group of samples is judged against.
template <class T>
struct ObjectiveInputs {
  ConstStateView<T> conditions;  ///< of the system, e.g. its boundary masks; may be empty
  ConstView<T> target;           ///< (saves, batch, observed channels, h, w), seen as (saves batch, ...)
  double weight = 1;             ///< of one sample in the total: 1 / samples of all groups
  int per_batch = 1;             ///< consecutive samples that form one batch (the pairs of one trajectory)
  int saves = 1;                 ///< targets of one sample: one for every save, or 1 = one for all
};

/// What a rollout is judged by: terms on the states x_1 .. x_K of one group of equally shaped samples. On a time grid
/// these are its saves, and K their number.
/// All values stay on the device. One object per group; call bind() whenever its inputs move.
template <class T>
class Objective {
 public:
  virtual ~Objective() = default;
  virtual void bind(const Exec& exec, const ObjectiveInputs<T>& inputs) = 0;
  /// Clears the accumulators before a rollout of `steps` steps that starts at `base`.
  virtual void begin(const Exec& exec, const StepIndex& base, int steps) = 0;
  /// Whether state x_k (1 <= k <= steps) of the rollout begun is looked at. The rollout calls nothing for the others.
  virtual bool observes(int k, int steps) const = 0;
  /// Adds the terms of x_k.
  virtual void value(const Exec& exec, int k, int steps, ConstStateView<T> x) = 0;
  /// x_bar += d(total) / d x_k. Called with the same states, last first, after every value() call.
  virtual void adjoint(const Exec& exec, int k, int steps, ConstStateView<T> x, StateView<T> x_bar) = 0;

  /// Names of the terms that totals() writes; the first is "loss" (the data term), their weighted sum is the total.
  virtual std::vector<std::string> terms() const = 0;
  /// Factor of every term in the total, in the order of terms(); the first is 1.
  virtual std::vector<double> term_weights() const = 0;
  /// out[i] = sum over the samples of weight * term i, unweighted by term_weights(); a device array of terms().size().
  virtual void totals(const Exec& exec, T* out) = 0;
  /// Data loss of every sample of the last rollout, a device array of the batch.
  virtual const T* sample_losses() const = 0;
};

}  // namespace mg::train
