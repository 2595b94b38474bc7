#pragma once
#include "train/optimiser.hpp"
#include "train/schedule.hpp"

namespace mg::train {

struct LbfgsRule {
  int memory = 10;        ///< pairs of steps and changes of the gradient
  Schedule lr;            ///< share of the step that is taken; constant 1 = all of it
  double max_step = 0.1;  ///< longest step of all parameters together; the first one is a tenth of it
  int retreats = 8;       ///< of one step, at most
};
Schema lbfgs_schema();
LbfgsRule lbfgs_rule(const Config& config);

/// L-BFGS for few parameters whose loss is the same function in every iteration: one gradient each. There is no value
/// to search with, so the line search uses slopes alone: a step that ends where the slope along it is positive and
/// 0.9 of the first slope or more goes back to where a straight line through both slopes vanishes. Steps are computed on
/// the host in double from values rounded to T, so that a run goes on bit for bit.
/// @source Nocedal, Wright: Numerical Optimization, 2nd ed., algorithm 7.4
template <class T>
class LbfgsOptimiser final : public Optimiser<T> {
 public:
  using SavedState = typename Optimiser<T>::SavedState;
  LbfgsOptimiser(const LbfgsRule& rule, std::size_t size);

  void step(const Exec& exec, T* params, T* gradient) override;
  double learning_rate() const override { return scale_ * rule_.lr.at(updates_); }
  void scale_rate(double factor) override { scale_ = factor; }
  SavedState save() const override;
  void restore(const SavedState& state) override;

 private:
  void remember(const std::vector<T>& x, const std::vector<T>& g);
  bool retreat(std::vector<T>& x, const std::vector<T>& g);
  void advance(std::vector<T>& x, const std::vector<T>& g);

  LbfgsRule rule_;
  std::size_t size_;
  double scale_ = 1;
  long long updates_ = 0, pairs_ = 0, retreats_ = 0;
  std::vector<T> x_, gradient_;  // [size] where the last step began, and its gradient
  std::vector<T> s_, y_;         // [memory][size] oldest pair first
};

}  // namespace mg::train
