#pragma once
#include <memory>

#include "core/communicator.hpp"
#include "train/augmenter.hpp"

namespace mg::train {

/// Batches [first, last) of `batches` that rank `rank` of `ranks` works on: contiguous, their numbers differ by one at most.
struct ShardRange {
  int first = 0, last = 0;
};
ShardRange shard_of(int batches, int ranks, int rank);

/// Shows each rank its share of another augmenter's batches. The inner augmenter holds all samples on every rank and draws
/// the same numbers there, since they are keyed by the global sample; what the rollouts made of the shares is gathered
/// before it learns from it. So every rank holds the whole state, and a checkpoint knows nothing of the number of ranks.
template <class T>
class ShardedAugmenter final : public Augmenter<T> {
 public:
  /// @throws ConfigError on more ranks than batches
  ShardedAugmenter(const Exec& exec, std::unique_ptr<Augmenter<T>> inner, Communicator& comm);

  std::vector<SampleGroup<T>>& groups() override { return groups_; }
  std::size_t total_samples() override { return inner_->total_samples(); }
  int steps(std::int64_t iteration) const override { return inner_->steps(iteration); }
  bool always_moves_on() const override { return inner_->always_moves_on(); }
  bool wants_saves() const override { return inner_->wants_saves(); }
  bool wants_start_bar() const override { return inner_->wants_start_bar(); }
  bool wants_finals() const override { return inner_->wants_finals(); }
  void begin(const Exec& exec, std::int64_t iteration) override;
  void learn(const Exec& exec, std::size_t group, const RolloutYield<T>& yield) override;
  void finish(const Exec& exec, std::int64_t iteration, const std::vector<ConstStateView<T>>& finals,
              const std::vector<const T*>& losses, bool accepted) override;
  void save(TensorFile& file) const override { inner_->save(file); }
  void restore(const Exec& exec, const TensorFile& file) override { inner_->restore(exec, file); }

  const std::vector<ShardRange>& shards() const { return shards_; }  ///< [ranks] in batches of all groups

 private:
  /// Samples first .. first + count of one inner group.
  struct Part {
    std::size_t group = 0;
    int first = 0, count = 0;
  };
  std::vector<Part> parts_of(const ShardRange& shard);
  void add_group(const Exec& exec, const Part& part);
  void copy_part(const Exec& exec, const Part& part, SampleGroup<T>& to);
  void gather(const Exec& exec, const std::vector<ConstStateView<T>>& finals, const std::vector<const T*>& losses);
  void take(const Exec& exec, const Part& part, const std::string& bytes, std::size_t& at);

  std::unique_ptr<Augmenter<T>> inner_;
  Communicator& comm_;
  std::vector<ShardRange> shards_;            // [ranks]
  std::vector<std::vector<Part>> all_parts_;  // [ranks]
  std::vector<Part> parts_;                   // of this rank, one a group
  std::vector<SampleGroup<T>> groups_;
  std::vector<RolloutYield<T>> yields_;  // [groups_] of the last rollouts
  // What the inner augmenter takes, by its groups: [group] or [group][saves].
  struct Whole {
    Layout layout;  // of a state of the rollout
    std::vector<Buffer<T>> saves;
    Buffer<T> start_bar, final, losses;
  };
  std::vector<Whole> wholes_;
};

}  // namespace mg::train
