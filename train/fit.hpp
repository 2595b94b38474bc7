#pragma once
#include <memory>
#include <vector>

#include "train/augmenter.hpp"
#include "train/lbfgs.hpp"
#include "train/rollout.hpp"

namespace mg::train {

/// The total of one group of trajectories as a function of one flat vector: the parameters that are fitted, then, if
/// wanted, the start states. What few-parameter fits minimise, e.g. with minimise_lbfgs. The time grid is proposed anew
/// for every point and frozen in its gradient.
template <class T>
class FitProblem {
 public:
  /// All references must outlive the problem.
  /// @param params     values of all parameters; those that are not fitted keep them
  /// @param fitted     names of the fitted ones; empty = all
  /// @param fit_start  whether the start states are unknowns, too
  FitProblem(const Exec& exec, const System<T>& system, SampleGroup<T>& group, Objective<T>& objective,
             std::vector<T> params, const std::vector<std::string>& fitted, bool fit_start);

  /// Where the fit begins: the given parameters and start states.
  std::vector<double> start() const;
  /// Total and its gradient. A solve that fails counts as infinite.
  double operator()(const std::vector<double>& x, std::vector<double>& gradient);
  /// All parameters, with those of x put in.
  std::vector<T> params(const std::vector<double>& x) const;

 private:
  Exec exec_;
  const System<T>& system_;
  SampleGroup<T>& group_;
  Objective<T>& objective_;
  std::vector<T> base_;
  std::vector<std::size_t> places_;  // of the fitted parameters
  bool fit_start_;
  Rollout<T> rollout_;
  Buffer<T> params_, params_bar_, start_bar_;
};

}  // namespace mg::train
