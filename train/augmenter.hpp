#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "core/registry.hpp"
#include "core/safetensors.hpp"
#include "core/system.hpp"

namespace mg::train {

/// Equally shaped samples of one training batch, resident on the backend. Several groups carry targets of several sizes.
template <class T>
struct SampleGroup {
  Grid grid;
  int count = 0;             ///< samples
  int per_batch = 1;         ///< consecutive samples that form one batch (the pairs of one trajectory); divides count
  std::int64_t sample0 = 0;  ///< global index of the first
  Layout state_layout, condition_layout;
  Buffer<T> start;       ///< states before the rollout, StateView layout
  Buffer<T> conditions;  ///< boundary masks ...
  Buffer<T> target;      ///< (count, observed channels, h, w); with times (times, count, observed channels, h, w)
  double t0 = 0;         ///< time of the start [model time]
  std::vector<double> save_times;  ///< times of the targets, increasing; empty = a number of steps and one target
  int observed = 0;                ///< channels of the target; 0 = all that it has room for

  StateView<T> start_view() { return {start.data(), &state_layout, count}; }
  ConstStateView<T> condition_view() const { return {conditions.data(), &condition_layout, count}; }
  int saves() const { return save_times.empty() ? 1 : int(save_times.size()); }
  ConstView<T> target_view() const {
    const int room = int(target.size() / (std::size_t(count) * std::size_t(grid.h) * std::size_t(grid.w)));
    return {target.data(), {count * saves(), observed > 0 ? observed : room, grid.h, grid.w}};
  }
};

/// The frames (and masks) a run trains on, in host memory: frames[t] of (channels, h, w), padding included.
struct Trajectory {
  std::string name;  ///< for messages
  int channels = 0;  ///< observed ones
  Grid grid;
  std::vector<std::vector<float>> frames;  // [T][channels * h * w]
  std::vector<double> times;               // [T] increasing [model time]; empty = not known: frames at 0, 1, 2, ...
  std::vector<float> boundary;             // [rows * h * w], empty without a mask
  bool seed_cell = false;                  ///< frame 0 is one living cell: its hidden channels start at 1
};

/// What an augmenter is built from.
template <class T>
struct AugmenterInputs {
  Exec exec;
  const System<T>* system = nullptr;
  std::vector<Trajectory> data;
  std::uint64_t seed = 0;
  bool own_grids = false;  ///< the steps of a sample depend on its state (adaptive): no two samples share a rollout
};

/// What the trainer hands back of one rollout over a time grid, in its own group.
template <class T>
struct RolloutYield {
  std::vector<ConstStateView<T>> saves;  ///< [times] the predicted states; empty unless asked for
  ConstStateView<T> start_bar;           ///< gradient of the total by the start state; null data unless asked for
};

/// Feeds the trainer: keeps the samples, decides the start states and targets of every iteration, learns what the
/// rollout made of them. All random draws are keyed by (seed, iteration), all data stays on the device.
template <class T>
class Augmenter {
 public:
  virtual ~Augmenter() = default;
  virtual std::vector<SampleGroup<T>>& groups() = 0;
  /// Samples of one iteration, those of other ranks included.
  virtual std::size_t total_samples() {
    std::size_t sum = 0;
    for (const auto& group : groups()) sum += std::size_t(group.count);
    return sum;
  }
  /// Steps of the rollout of this iteration.
  virtual int steps(std::int64_t iteration) const = 0;
  /// Prepares start and target of the groups for `iteration` (0-based).
  virtual void begin(const Exec& exec, std::int64_t iteration) = 0;
  /// Whether every iteration that was not thrown away counts as accepted.
  virtual bool always_moves_on() const { return false; }
  /// Whether learn() needs the predicted states, or the gradient by the start states.
  virtual bool wants_saves() const { return false; }
  virtual bool wants_start_bar() const { return false; }
  /// Whether finish() looks at the final states.
  virtual bool wants_finals() const { return true; }
  /// Takes what the rollout of a group gave; called for every group before finish(), unless the iteration is thrown away.
  virtual void learn(const Exec&, std::size_t, const RolloutYield<T>&) {}
  /// Takes the final states (one view per group) and per-sample losses (device arrays, one per group) of that iteration.
  /// `accepted` false: keep everything, the iteration is tried again.
  virtual void finish(const Exec& exec, std::int64_t iteration, const std::vector<ConstStateView<T>>& finals,
                      const std::vector<const T*>& losses, bool accepted) = 0;
  /// Everything needed to go on bit for bit, named under "augmenter/".
  virtual void save(TensorFile& file) const = 0;
  virtual void restore(const Exec& exec, const TensorFile& file) = 0;
};

/// morph, pool. Explicit registration, called by apps and tests.
template <class T>
void register_augmenters(Registry<Augmenter<T>, const AugmenterInputs<T>&>& registry);

}  // namespace mg::train
