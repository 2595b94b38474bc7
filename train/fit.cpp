#include "train/fit.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace mg::train {

template <class T>
FitProblem<T>::FitProblem(const Exec& exec, const System<T>& system, SampleGroup<T>& group, Objective<T>& objective,
                          std::vector<T> params, const std::vector<std::string>& fitted, bool fit_start)
    : exec_(exec),
      system_(system),
      group_(group),
      objective_(objective),
      base_(std::move(params)),
      fit_start_(fit_start),
      rollout_(exec, system, system.state_layout(group.grid), group.count),
      params_(exec, base_.size()),
      params_bar_(exec, base_.size()),
      start_bar_(exec, rollout_.bytes_of_state() / sizeof(T)) {
  for (const auto& name : fitted) system.param_layout().at(name);  // throws for an unknown one
  for (const Block& b : system.param_layout().blocks())
    if (fitted.empty() || std::find(fitted.begin(), fitted.end(), b.name) != fitted.end())
      for (std::size_t k = 0; k < b.size; ++k) places_.push_back(b.offset + k);
}

template <class T>
std::vector<double> FitProblem<T>::start() const {
  std::vector<double> x;
  for (std::size_t place : places_) x.push_back(double(base_[place]));
  if (!fit_start_) return x;
  for (T v : group_.start.to_vector()) x.push_back(double(v));
  return x;
}

template <class T>
std::vector<T> FitProblem<T>::params(const std::vector<double>& x) const {
  std::vector<T> all = base_;
  for (std::size_t k = 0; k < places_.size(); ++k) all[places_[k]] = T(x[k]);
  return all;
}

template <class T>
double FitProblem<T>::operator()(const std::vector<double>& x, std::vector<double>& gradient) {
  params_.upload(params(x));
  if (fit_start_) group_.start.upload(std::vector<T>(x.begin() + std::ptrdiff_t(places_.size()), x.end()));
  objective_.bind(
      exec_, {group_.condition_view(), group_.target_view(), 1.0 / group_.count, group_.per_batch, group_.saves()});
  StepIndex base;
  base.sample0 = group_.sample0;
  base.t = group_.t0;
  try {
    const TimeGrid grid =
        rollout_.time_grid(params_.data(), group_.condition_view(), group_.start_view(), base, group_.save_times);
    const MemoryPlan plan = plan_rollout(int(grid.steps.size()), rollout_.bytes_of_state(), 0, "auto");
    rollout_.forward(params_.data(), group_.condition_view(), group_.start_view(), base, grid, plan, &objective_);
  } catch (const DivergedError&) {
    return HUGE_VAL;
  }
  params_bar_.zero();
  const auto final = rollout_.final_state();
  rollout_.backward(params_.data(), group_.condition_view(), objective_, params_bar_.data(),
                    {start_bar_.data(), final.layout, final.batch});
  const std::vector<T> params_bar = params_bar_.to_vector();
  gradient.clear();
  for (std::size_t place : places_) gradient.push_back(double(params_bar[place]));
  if (fit_start_) {
    const std::vector<T> start_bar = start_bar_.to_vector();  // blocks of the solver come last
    gradient.insert(gradient.end(), start_bar.begin(), start_bar.begin() + std::ptrdiff_t(group_.start.size()));
  }
  std::vector<T> terms(objective_.terms().size());
  Buffer<T> totals(exec_, terms.size());
  objective_.totals(exec_, totals.data());
  totals.download(terms);
  double total = 0;
  for (std::size_t k = 0; k < terms.size(); ++k) total += objective_.term_weights()[k] * double(terms[k]);
  double squares = 0;
  for (double v : gradient) squares += v * v;
  return std::isfinite(squares) ? total : HUGE_VAL;
}

template class FitProblem<float>;
template class FitProblem<double>;

}  // namespace mg::train
