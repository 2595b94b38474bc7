#pragma once
#include <functional>
#include <memory>

#include "train/augment_cell.hpp"
#include "train/augmenter.hpp"
#include "train/optimiser.hpp"

namespace mg::train {

struct TrajectoryAugmenterOptions {
  int length = 8;               ///< L: frames of a sub-trajectory after its first
  double increment_prob = 0.1;  ///< a window moves on by one frame
  double reset_prob = 0.001;    ///< a window goes back to the start
  double noise = 0.01;          ///< x becomes (1 - noise) x + noise N(0, 1)
  NoiseChannels noise_channels = NoiseChannels::all;
  bool random_lengths = false;  ///< each iteration draws 1 .. L - 1 frames instead of L
  /// One time grid for all samples, or one each; automatic: one for all where the frames are evenly spaced.
  enum class Batching { automatic, together, separate };
  Batching batching = Batching::automatic;
  NoiseChannels fit_initial = NoiseChannels::all;  ///< channels of the first frame that `initial` learns
  // As the reference implementation has it.
  bool shifted_hidden = false;      ///< hidden channels are stored at the position after the move
  bool skip_last = false;           ///< the last window counts as the first: the last frame is never a target
  bool overwrite_observed = false;  ///< the memory is overwritten as its option OVERWRITE_OBS_CHANNELS does
};

Schema trajectory_schema();
/// @param own_grids  see AugmenterInputs
TrajectoryAugmenterOptions trajectory_options(const Config& config, bool own_grids);

/// The draws between two iterations: of every sample, whether its window goes back, and whether it moves on.
struct TrajectoryMoves {
  std::vector<int> reset, increment;  // [samples] 0/1
};

/// Sub-trajectories of a series: from frame p the rollout runs to the frames p + 1 .. p + L at their times. Hidden
/// channels of the start are those that earlier rollouts predicted for that frame (0 at first). Windows move by chance;
/// past the last one they start again. All data stay on the backend.
/// @source the reference implementation
template <class T>
class TrajectoryAugmenter final : public Augmenter<T> {
 public:
  /// @throws DataError on trajectories of different lattices, frames or times, or shorter than L + 1 frames
  TrajectoryAugmenter(const TrajectoryAugmenterOptions& options, const AugmenterInputs<T>& inputs);

  std::vector<SampleGroup<T>>& groups() override { return groups_; }
  int steps(std::int64_t) const override { return options_.length; }
  void begin(const Exec& exec, std::int64_t iteration) override;
  bool wants_saves() const override { return hidden_ > 0 || options_.overwrite_observed; }
  bool always_moves_on() const override { return true; }
  bool wants_finals() const override { return false; }
  bool wants_start_bar() const override { return !initial_.empty(); }
  void learn(const Exec& exec, std::size_t group, const RolloutYield<T>& yield) override;
  void finish(const Exec& exec, std::int64_t iteration, const std::vector<ConstStateView<T>>& finals,
              const std::vector<const T*>& losses, bool accepted) override;
  void save(TensorFile& file) const override;
  void restore(const Exec& exec, const TensorFile& file) override;

  /// The first frames get gradient steps of their own, by an optimiser that `make` builds for a layout.
  void learn_initial(const std::function<std::unique_ptr<Optimiser<T>>(const Layout&)>& make);
  /// Frames of the windows of that iteration.
  int length(std::int64_t iteration) const;
  TrajectoryMoves drawn_moves(std::int64_t iteration) const;
  /// What finish() does after an accepted iteration of windows of `length` frames.
  void move(const Exec& exec, const TrajectoryMoves& moves);
  /// Start states, targets and times of windows of `length` frames. @param draws  (samples, C, h, w) noise instead of
  /// drawn one; null data = draw
  void prepare(const Exec& exec, std::int64_t iteration, int length, ConstView<T> draws);
  const std::vector<int>& positions() const { return positions_; }
  /// The frames (samples, frames, C, h, w) as they stand.
  Buffer<T>& memory() { return memory_; }

 private:
  T* frame(int sample, int t) const {
    return memory_.data() + (std::size_t(sample) * std::size_t(frames_) + std::size_t(t)) * frame_size();
  }
  std::size_t plane() const { return std::size_t(grid_.h) * std::size_t(grid_.w); }
  std::size_t frame_size() const { return std::size_t(channels_) * plane(); }
  int last_position() const { return frames_ - options_.length - 1; }
  void store_hidden(const Exec& exec);
  void overwrite(const Exec& exec, const TrajectoryMoves& moves);
  void add_group(const AugmenterInputs<T>& inputs, int first, int count);
  void set_times(SampleGroup<T>& group, int first, int length);

  TrajectoryAugmenterOptions options_;
  std::uint64_t seed_ = 0;
  int samples_ = 0, frames_ = 0, channels_ = 0, observed_ = 0, hidden_ = 0;
  int length_ = 0;  // of the windows prepared last
  Grid grid_;
  std::vector<double> times_;  // [frames_]
  std::vector<SampleGroup<T>> groups_;
  std::vector<int> first_;      // [groups] sample of a group's first
  std::vector<int> positions_;  // [samples_]
  Buffer<T> memory_;
  Buffer<T> predictions_;                               // (samples, L, C, h, w) of the last rollout
  std::vector<std::unique_ptr<Optimiser<T>>> initial_;  // [samples_], empty when the first frames stay
};

}  // namespace mg::train
