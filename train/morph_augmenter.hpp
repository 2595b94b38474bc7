#pragma once
#include "train/augment_cell.hpp"
#include "train/augmenter.hpp"

namespace mg::train {

/// How the samples of the morph augmenter are made and disturbed. @source the reference implementation
struct MorphOptions {
  int steps = 64;                     ///< system steps between two frames
  int duplicate = 4;                  ///< copies of every trajectory
  bool repeat_order = false;          ///< copies d0 d0 d1 d1 instead of d0 d1 d0 d1
  int shift = 10;                     ///< rolls are drawn from {-shift .. shift - 1}
  bool shift_inclusive = false;       ///< ... or up to shift itself
  std::int64_t damage_until = 10000;  ///< a disc is zeroed before this iteration
  double noise = 0.005;
  bool uniform_noise = false;
  NoiseChannels noise_channels = NoiseChannels::all;
  /// Batch b has its observed channels reset when ceil((b + 1) f) > ceil(b f); "even" is batches 0, 2, ... below
  /// 2 floor(B / 2), "none" is f = 0.
  bool reset_even = true;
  double reset_fraction = 0;
  bool propagate_on_load = true;  ///< the first callback already moves every frame one on, as the reference does
};
Schema morph_schema();
MorphOptions morph_options(const Config& config);

/// The random choices of one callback for one batch.
struct MorphDraw {
  int shift[2] = {0, 0};      // cells on axis 1, on axis 0
  int circle[3] = {0, 0, 0};  // centre on axis 1, on axis 0, diameter
};

/// Growing and morphing along image sequences: pair n of a trajectory learns frame n -> frame n + 1 and starts from where
/// pair n - 1 ended, so that the model meets its own states; half of the batches are pulled back to the data.
/// Trajectories with equal lattices share a group; batches keep their order inside it.
template <class T>
class MorphAugmenter : public Augmenter<T> {
 public:
  /// @throws DataError when a trajectory has fewer than two frames or a mask of the wrong shape
  MorphAugmenter(const MorphOptions& options, const AugmenterInputs<T>& inputs);

  std::vector<SampleGroup<T>>& groups() override { return groups_; }
  int steps(std::int64_t) const override { return options_.steps; }
  void begin(const Exec& exec, std::int64_t iteration) override;
  void finish(const Exec& exec, std::int64_t iteration, const std::vector<ConstStateView<T>>& finals,
              const std::vector<const T*>& losses, bool accepted) override;
  void save(TensorFile& file) const override;
  void restore(const Exec& exec, const TensorFile& file) override;

 protected:
  /// Draws of callback `call` (0 = the initial load, i + 1 = after iteration i) for batch `b` on `grid`.
  virtual MorphDraw draw(std::int64_t call, int b, Grid grid) const;
  /// Noise to use instead of the drawn one, (pairs, C, h, w) on the device of the samples; null = draw.
  virtual const T* given_noise(std::int64_t call, int b) const;

 private:
  struct Batch {
    int index = 0;   // global batch number
    MorphDraw last;  // draws of the last callback
  };
  struct Truth {
    std::vector<Batch> batches;
    Buffer<T> inputs;   // (batches * pairs, C, h, w) frames 0 .. T-2 with hidden channels
    Buffer<T> targets;  // (batches * pairs, observed, h, w) frames 1 .. T-1
  };
  void callback(const Exec& exec, std::int64_t call, std::size_t group, const T* previous, bool propagate);
  void roll_targets(const Exec& exec, std::size_t group);
  bool resets(int batch) const;

  MorphOptions options_;
  std::uint64_t seed_ = 0;
  int observed_ = 0, batches_ = 0;
  bool loaded_ = false;
  std::vector<SampleGroup<T>> groups_;
  std::vector<Truth> truth_;
};

}  // namespace mg::train
