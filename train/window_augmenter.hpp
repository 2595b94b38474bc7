#pragma once
#include "train/augment_cell.hpp"
#include "train/augmenter.hpp"

namespace mg::train {

struct WindowOptions {
  int steps = 32;      ///< system steps between two frames
  int frames = 8;      ///< M: pairs of neighbouring frames in a window
  int duplicate = 1;   ///< copies of every trajectory
  double noise = 0.1;  ///< of a fresh window: x becomes (1 - noise) x + noise N(0, 1)
  NoiseChannels noise_channels = NoiseChannels::hidden;
};
Schema window_schema();
WindowOptions window_options(const Config& config);

/// Windows of M + 1 frames of long series, for systems that count steps: pair m of a window at p learns frame p + m ->
/// p + m + 1. Every M iterations each window is drawn anew, with hidden channels of zero and noise on them; in between
/// pair m starts from where pair m - 1 ended, and pair 0 from its own end with the observed channels of frame p.
/// @source the reference implementation
template <class T>
class WindowAugmenter final : public Augmenter<T> {
 public:
  /// @throws DataError on trajectories of different lattices or lengths, or shorter than M + 1 frames
  WindowAugmenter(const WindowOptions& options, const AugmenterInputs<T>& inputs);

  std::vector<SampleGroup<T>>& groups() override { return groups_; }
  int steps(std::int64_t) const override { return options_.steps; }
  void begin(const Exec& exec, std::int64_t iteration) override;
  void finish(const Exec& exec, std::int64_t iteration, const std::vector<ConstStateView<T>>& finals,
              const std::vector<const T*>& losses, bool accepted) override;
  void save(TensorFile& file) const override;
  void restore(const Exec& exec, const TensorFile& file) override;

  /// Where the windows of that iteration begin.
  std::vector<int> drawn_positions(std::int64_t iteration) const;
  /// Start states of iteration `call`: fresh ones at `positions`, if call is a multiple of M.
  void renew(const Exec& exec, std::int64_t call, std::vector<int> positions);
  /// Start states from the ends of the last rollout.
  void move_on(const Exec& exec, ConstStateView<T> finals);
  /// Frames (trajectories, frames, C, h, w).
  Buffer<T>& truth() { return truth_; }

 private:
  std::size_t frame_size() const { return std::size_t(channels_) * observed_size() / std::size_t(observed_); }
  std::size_t observed_size() const {
    return std::size_t(observed_) * std::size_t(groups_[0].grid.h) * std::size_t(groups_[0].grid.w);
  }
  const T* frame(int batch, int t) const;
  void set_targets(const Exec& exec);

  WindowOptions options_;
  std::uint64_t seed_ = 0;
  int trajectories_ = 0, batches_ = 0, frames_ = 0, channels_ = 0, observed_ = 0;
  bool loaded_ = false;
  std::vector<SampleGroup<T>> groups_;  // one
  std::vector<int> positions_;          // [batches]
  Buffer<T> truth_;
};

}  // namespace mg::train
