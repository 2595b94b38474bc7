#pragma once
#include "train/augmenter.hpp"

namespace mg::train {

struct ClassOptions {
  int batch = 64;
  double time = 1;  ///< when the scores are read [model time]
};
Schema class_schema();
ClassOptions class_options(const Config& config);

/// Batches of labelled pictures, drawn anew for every iteration with replacement. Frame 0 of a trajectory is the picture,
/// one channel, the start's first one; its last frame holds the label everywhere.
template <class T>
class ClassAugmenter final : public Augmenter<T> {
 public:
  ClassAugmenter(const ClassOptions& options, const AugmenterInputs<T>& inputs);

  std::vector<SampleGroup<T>>& groups() override { return groups_; }
  int steps(std::int64_t) const override { return 1; }
  bool always_moves_on() const override { return true; }
  void begin(const Exec& exec, std::int64_t iteration) override;
  void finish(const Exec&, std::int64_t, const std::vector<ConstStateView<T>>&, const std::vector<const T*>&,
              bool) override {}
  void save(TensorFile&) const override {}
  void restore(const Exec&, const TensorFile&) override {}

 private:
  ClassOptions options_;
  std::uint64_t seed_;
  std::size_t count_ = 0, plane_ = 0, state_ = 0;
  std::vector<SampleGroup<T>> groups_;  // one
  Buffer<T> pictures_, labels_;         // (count, h, w) each
};

}  // namespace mg::train
