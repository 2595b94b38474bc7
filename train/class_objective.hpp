#pragma once
#include "core/schema.hpp"
#include "train/objective.hpp"

namespace mg::train {

/// Cross-entropy of the scores s (last block of the state) of the last save with the label of the sample, the value of its
/// target everywhere:  loss_n = log sum_k exp(s_k) - s_label;  "errors" is the share of samples whose largest score is
/// another's. Runs on the host.
template <class T>
class ClassObjective final : public Objective<T> {
 public:
  void bind(const Exec& exec, const ObjectiveInputs<T>& inputs) override;
  void begin(const Exec& exec, const StepIndex& base, int saves) override;
  bool observes(int m, int saves) const override { return m == saves; }
  void value(const Exec& exec, int m, int saves, ConstStateView<T> x) override;
  void adjoint(const Exec& exec, int m, int saves, ConstStateView<T> x, StateView<T> x_bar) override;
  std::vector<std::string> terms() const override { return {"loss", "errors"}; }
  std::vector<double> term_weights() const override { return {1, 0}; }
  void totals(const Exec& exec, T* out) override;
  const T* sample_losses() const override { return losses_.data(); }

 private:
  std::size_t label(std::size_t n, std::size_t classes) const;
  ObjectiveInputs<T> inputs_;
  std::vector<T> losses_;
  double wrong_ = 0;
};

Schema class_objective_schema();

}  // namespace mg::train
