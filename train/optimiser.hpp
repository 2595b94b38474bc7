#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "core/config.hpp"
#include "core/layout.hpp"
#include "core/schema.hpp"

namespace mg::train {

/// Learning rate as a function of the number of updates made so far.
class Schedule {
 public:
  virtual ~Schedule() = default;
  virtual double at(long long k) const = 0;
};
Schema schedule_schema();  // the "lr" of an optimiser: a number or {"type": constant|exponential|piecewise|cosine|..}
std::unique_ptr<Schedule> make_schedule(const Config& config);

/// Updates the flat parameter buffer from the flat gradient. A chain of gradient transforms and one update rule, run as
/// one fused kernel after the per-tensor norms. @source spec nca 3
template <class T>
class Optimiser {
 public:
  virtual ~Optimiser() = default;
  /// params += update(gradient); gradient may be used as scratch.
  virtual void step(const Exec& exec, T* params, T* gradient) = 0;
  virtual double learning_rate() const = 0;  ///< of the coming step
  /// Multiplies every learning rate from here on (not part of SavedState); 1 at the start.
  virtual void scale_rate(double factor) = 0;
  /// Named state (moments, counters) for checkpoints; restore() takes what save() gave, bit for bit.
  struct SavedState {
    std::vector<std::pair<std::string, std::vector<T>>> arrays;
    std::vector<std::pair<std::string, long long>> counters;
  };
  virtual SavedState save() const = 0;
  virtual void restore(const SavedState& state) = 0;
};

}  // namespace mg::train
