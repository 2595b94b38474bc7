#pragma once
#include <memory>
#include <string>
#include <vector>

#include "train/optimiser.hpp"

namespace mg::train {

/// Magnitude pruning: after update i (from 0) the share s of every tensor that is smallest is set to 0, where s = 0 for
/// i < warmup, then rises linearly to `target` at update `iterations` - 1. Of equal ones the later is pruned; one is
/// always kept.
struct Pruning {
  double target = 0;
  std::int64_t warmup = 64, iterations = 1000;
  bool biases = false;  ///< tensors with "bias" in their name, too
  double sparsity(std::int64_t update) const;
};

/// Zeroes all but the max(1, round(size (1 - sparsity))) largest elements in magnitude; of equal ones the first stay.
template <class T>
void prune_smallest(T* values, std::size_t size, double sparsity);

/// Tensors chosen by name, each set with a rule of its own. A pattern is the start of a name, or a part of it after '*'.
/// A tensor belongs to the first group that names it; every tensor must belong to one, or be frozen.
struct GroupPlan {
  std::vector<std::vector<std::string>> groups;  ///< patterns of every group
  std::vector<std::string> frozen;               ///< never change
  std::vector<std::string> non_negative;         ///< set to at least 0 after every update
  std::vector<std::string> bounded_gradient;     ///< as the reference: the gradient, not the step, is kept above -theta
  Pruning pruning;
};

/// @param rules  one for every group, for the layout of its tensors
/// @throws std::invalid_argument for a tensor in no group, and a pattern that names none
template <class T>
class GroupedOptimiser final : public Optimiser<T> {
 public:
  using Make = std::unique_ptr<Optimiser<T>> (*)(const Config&, const Layout&, const Exec&);
  GroupedOptimiser(GroupPlan plan, const std::vector<Config>& rules, Make make, const Layout& params, const Exec& exec);

  void step(const Exec& exec, T* params, T* gradient) override;
  double learning_rate() const override;
  void scale_rate(double factor) override;
  typename Optimiser<T>::SavedState save() const override;
  void restore(const typename Optimiser<T>::SavedState& state) override;

 private:
  struct Group {
    std::vector<std::size_t> blocks;  // of the layout
    Layout layout;                    // of its own flat buffers
    std::unique_ptr<Optimiser<T>> rule;
    Buffer<T> theta, gradient;
  };
  void prune(const Exec& exec, T* params) const;

  GroupPlan plan_;
  Layout layout_;
  std::vector<Group> groups_;
  std::vector<std::size_t> non_negative_, bounded_;  // blocks
  long long updates_ = 0;
};

/// Whether `name` fits one of the patterns.
bool names_tensor(const std::vector<std::string>& patterns, const std::string& name);

}  // namespace mg::train
