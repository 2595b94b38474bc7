#pragma once
#include "train/augmenter.hpp"

namespace mg::train {

struct TextureOptions {
  int batch = 8;         ///< samples of one iteration
  int pool_factor = 16;  ///< states in the pool for every sample
  double time = 64;      ///< end of a rollout [model time]
  int saves = 64;        ///< states of it that are compared, evenly spaced, the end included
  double seeded = 0.8;   ///< share of the picture in a seeded state: seeded y + (1 - seeded) noise
  int octaves = 4;       ///< of the smooth noise
};
Schema texture_schema();
TextureOptions texture_options(const Config& config);

/// What happens to the pool for one sample: `reset` gets the picture again, `stored` takes the end of the rollout, the
/// next rollout starts at `drawn` or, in the second half of the batch, from fresh noise.
struct TextureSlots {
  int reset = 0, stored = 0, drawn = 0;
};

/// Textures that a system solved in time should make from noise: start states come from a pool of earlier ends and of
/// smooth noise, a quarter of it mixed with the picture at first. Targets are the last frames of the trajectories,
/// in turn, at all saves. The pool stays on the backend; noise is drawn on the host.
/// @source the reference implementation
template <class T>
class TextureAugmenter final : public Augmenter<T> {
 public:
  /// @throws DataError on pictures of different sizes
  TextureAugmenter(const TextureOptions& options, const AugmenterInputs<T>& inputs);

  std::vector<SampleGroup<T>>& groups() override { return groups_; }
  int steps(std::int64_t) const override { return options_.saves; }
  bool always_moves_on() const override { return true; }
  void begin(const Exec& exec, std::int64_t iteration) override;
  void finish(const Exec& exec, std::int64_t iteration, const std::vector<ConstStateView<T>>& finals,
              const std::vector<const T*>& losses, bool accepted) override;
  void save(TensorFile& file) const override;
  void restore(const Exec& exec, const TensorFile& file) override;

  TextureSlots drawn_slots(std::int64_t iteration, int sample) const;
  const Buffer<T>& pool() const { return pool_; }

 private:
  std::size_t plane() const { return std::size_t(groups_[0].grid.h) * std::size_t(groups_[0].grid.w); }
  std::size_t state_size() const { return std::size_t(channels_) * plane(); }
  T* slot(int k) const { return pool_.data() + std::size_t(k) * state_size(); }
  std::vector<T> noise(std::uint32_t iteration, int sample, int channels) const;
  void seed_slot(const Exec& exec, std::uint32_t iteration, int noise_sample, int k);

  TextureOptions options_;
  std::uint64_t seed_ = 0;
  int channels_ = 0, observed_ = 0, slots_ = 0;
  std::vector<std::vector<float>> pictures_;
  std::vector<SampleGroup<T>> groups_;  // one
  Buffer<T> pool_;
};

}  // namespace mg::train
