#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/buffer.hpp"
#include "core/config.hpp"
#include "core/layout.hpp"
#include "core/schema.hpp"

namespace mg::train {

/// Updates the flat parameter buffer from the flat gradient: a list of gradient transforms, then one update rule. One
/// reduction pass over the tensors, then one fused elementwise kernel; counters and norms stay on the backend.
/// @source the optimisers of optax; param_block_norm is the reference implementation's
template <class T>
class Optimiser {
 public:
  virtual ~Optimiser() = default;
  /// params += update(gradient); gradient may be used as scratch. No synchronisation.
  virtual void step(const Exec& exec, T* params, T* gradient) = 0;
  /// Of the coming step. Reads the device back when bad gradients are skipped there (apply_if_finite).
  virtual double learning_rate() const = 0;
  /// Multiplies the learning rates from here on by `factor`, in place of the factor before (not part of SavedState).
  virtual void scale_rate(double factor) = 0;
  /// Named state (moments, counters) for checkpoints; restore() takes what save() gave, bit for bit.
  struct SavedState {
    std::vector<std::pair<std::string, std::vector<T>>> arrays;
    std::vector<std::pair<std::string, long long>> counters;
  };
  virtual SavedState save() const = 0;
  /// @throws CheckpointError on names or sizes that this optimiser does not have
  virtual void restore(const SavedState& state) = 0;
};

/// The rules a configuration can name: adam, adamw, nadam, nadamw, lamb, adagrad, noisy_sgd, sgd. Each has "lr" (a schedule or a number) and
/// "transforms", a list applied to the gradient from left to right:
///   param_block_norm   g max(|theta|, min) per tensor
///   tensor_normalise   g / (|g| + epsilon) per tensor
///   clip_global_norm   g min(1, max / |g| of all tensors)
///   clip_block_rms     g / max(1, rms(g) / max) per tensor
///   adaptive_clip      g min(1, max max(|theta|, 1e-3) / |g|) per tensor
///   apply_if_finite    a gradient with NaN or infinity changes nothing, unless `max_consecutive` before it were bad
/// "lbfgs" is for few parameters (train/lbfgs_optimiser.hpp).
/// "grouped" gives groups of tensors rules of their own, freezes, bounds or prunes them (train/grouped_optimiser.hpp).
Variants optimiser_variants();

/// @param params  layout of the flat buffer; its blocks are the tensors
/// @param exec    where the state lives and step() runs
template <class T>
std::unique_ptr<Optimiser<T>> make_optimiser(const Config& config, const Layout& params, const Exec& exec);

}  // namespace mg::train
