#pragma once
#include "train/augment_cell.hpp"
#include "train/augmenter.hpp"

namespace mg::train {

/// The sample pool of the Growing-NCA recipe.
struct PoolOptions {
  enum class Regime {
    growing,      ///< no pool: every rollout starts from seeds
    persistent,   ///< the batch comes from a pool of earlier ends; its worst sample is replaced by the seed
    regenerating  ///< ... and the best ones lose a disc
  };
  Regime regime = Regime::persistent;
  int size = 1024;  ///< slots of the pool
  int batch = 8;
  int damage = 3;  ///< samples that lose a disc, of regenerating
  int steps_min = 64, steps_max = 95;
};
Schema pool_schema();
PoolOptions pool_options(const Config& config);

/// Start states are earlier results. Every trajectory is (seed, target): its first and last frame; slot p of the pool
/// belongs to trajectory p mod trajectories. Batches are drawn without replacement, sorted by their distance from the
/// target, and written back after an accepted iteration. The pool stays on the backend.
/// @source Mordvintsev et al., Growing Neural Cellular Automata, Distill 2020
template <class T>
class PoolAugmenter : public Augmenter<T> {
 public:
  /// @throws DataError on trajectories of different lattices, or of fewer than two frames, or on more of them than slots
  PoolAugmenter(const PoolOptions& options, const AugmenterInputs<T>& inputs);

  std::vector<SampleGroup<T>>& groups() override { return groups_; }
  int steps(std::int64_t iteration) const override;
  bool wants_finals() const override { return options_.regime != PoolOptions::Regime::growing; }
  void begin(const Exec& exec, std::int64_t iteration) override;
  void finish(const Exec& exec, std::int64_t iteration, const std::vector<ConstStateView<T>>& finals,
              const std::vector<const T*>& losses, bool accepted) override;
  void save(TensorFile& file) const override;
  void restore(const Exec& exec, const TensorFile& file) override;

  /// Distinct slots drawn for an iteration: the first `batch` entries of a keyed shuffle of 0 .. size - 1.
  std::vector<int> drawn_slots(std::int64_t iteration) const;
  const Buffer<T>& pool() const { return pool_; }

 private:
  void draw_slots(std::int64_t iteration, int* drawn) const;  // [batch]
  PoolBatch batch(std::int64_t iteration) const;
  ConstView<T> seeds() const { return {seeds_.data(), {trajectories_, channels_, grid_.h, grid_.w}}; }
  ConstView<T> targets() const { return {targets_.data(), {trajectories_, observed_, grid_.h, grid_.w}}; }
  View<T> pool_view() const { return {pool_.data(), {slots_, channels_, grid_.h, grid_.w}}; }

  PoolOptions options_;
  std::uint64_t seed_ = 0;
  int trajectories_ = 0, channels_ = 0, observed_ = 0, slots_ = 0;
  Grid grid_;
  std::vector<SampleGroup<T>> groups_;  // one
  Buffer<T> pool_, seeds_, targets_;
  Buffer<double> scores_;
  Buffer<int> order_;
};

}  // namespace mg::train
