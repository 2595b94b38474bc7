#pragma once
#include <string>
#include <utility>

#include "core/not_finite.hpp"
#include "pde/adaptive.hpp"
#include "pde/rhs.hpp"
#include "pde/tableau.hpp"

// Parts of explicit_rk.cpp.
namespace mg::pde {

/// What all stages of one step share.
template <class T>
struct StepCall {
  const Tableau& tableau;
  const StepIndex& index;
  RhsContext<T> at;
  Shape shape;
  std::size_t size;

  StepCall(const Tableau& scheme, const Exec& exec, const StepIndex& step, const T* params,
           ConstStateView<T> conditions, ConstStateView<T> state, Workspace& workspace)
      : tableau(scheme),
        index(step),
        at{exec, step.t, params, conditions, &workspace},
        shape(state.field().shape),
        size(state.size()) {}
  /// The same at another step.
  StepCall(const Tableau& scheme, const StepIndex& step, const StepCall& call)
      : tableau(scheme), index(step), at(call.at), shape(call.shape), size(call.size) {}

  double stage_time(int i) const { return tableau.c[i] == 1 ? index.t + index.h : index.t + tableau.c[i] * index.h; }
  RhsContext<T> stage(int i) const {
    RhsContext<T> context = at;
    context.t = stage_time(i);
    return context;
  }
  View<const T> view(const T* data) const { return {data, shape}; }

  /// Whether a slope is read after the pass that computes it.
  bool needed_later(int i, int last) const {
    for (int j = i + 2; j <= last; ++j)
      if (tableau.a[j][i] != 0) return true;
    return i < last && tableau.b[i] != 0;
  }
  /// out = base + h sum_{j<=i} weights[j] K_j, where K_i is what the pass computes.
  Combination<T> sum_of_slopes(T* out, const T* base, const double* weights, int i, T* const* slopes) const {
    Combination<T> sum;
    sum.out = out;
    sum.base = base;
    for (int j = 0; j < i; ++j) sum.add(T(index.h * weights[j]), slopes[j]);
    sum.r_weight = T(index.h * weights[i]);
    return sum;
  }
};

/// Leads a scheme through adaptive steps: state, trial and slopes in the workspace.
template <class T>
class ExplicitTrial {
 public:
  ExplicitTrial(const Tableau& tableau, const Rhs<T>& rhs, const StepControl& control, const StepCall<T>& call,
                ConstStateView<T> state)
      : tableau_(tableau), rhs_(rhs), control_(control), call_(call), layout_(state.layout), batch_(state.batch) {
    const Exec& exec = call.at.exec;
    T* const memory = call.at.workspace->template get<T>(exec, "rk.trial", std::size_t(tableau.stages + 5) * call.size);
    T** const arrays[] = {&now_, &next_, &error_, &argument_[0], &argument_[1]};
    for (int k = 0; k < 5; ++k) *arrays[k] = memory + std::size_t(k) * call.size;
    for (int i = 0; i < tableau.stages; ++i) slopes_[i] = memory + std::size_t(i + 5) * call.size;
    copy_bytes(exec, now_, exec.backend, state.data, exec.backend, call.size * sizeof(T));
  }
  long long evaluations() const { return evaluations_; }

  /// err and y1 of a step from where it stands.
  ErrorMeasure attempt(const TimeStep& step) {
    StepIndex index;
    index.t = step.t;
    index.h = step.h;
    const StepCall<T> call(tableau_, index, call_);
    const int last = tableau_.stages_of_next() - 1;
    const T* argument = now_;
    int i = 0;
    if (first_known_) {
      Combination<T> sum = call.sum_of_slopes(last == 0 ? next_ : argument_[0], now_,
                                              last == 0 ? tableau_.b : tableau_.a[1], 0, slopes_);
      sum.add(sum.r_weight, slopes_[0]);
      sum.r_weight = 0;
      argument = sum.out;
      write_combinations<T>(call.at.exec, Combinations<T>(sum), nullptr, call.size);
      i = 1;
    }
    for (; i <= last; ++i) {
      T* const out = i == last ? next_ : argument_[i % 2];
      const double* const weights = i == last ? tableau_.b : tableau_.a[i + 1];
      Combinations<T> sums(call.sum_of_slopes(out, now_, weights, i, slopes_));
      if (i == tableau_.stages - 1) sums = {sums.sum[0], call.sum_of_slopes(error_, nullptr, tableau_.e, i, slopes_)};
      evaluate(call.stage(i), argument, slopes_[i], sums);
      argument = out;
    }
    if (tableau_.last_is_next)
      evaluate(call.stage(last + 1), next_, slopes_[last + 1],
               Combinations<T>(call.sum_of_slopes(error_, nullptr, tableau_.e, last + 1, slopes_)));
    first_known_ = true;
    return error_norm<T>(call.at.exec, control_, call.shape, error_, now_, next_, *call.at.workspace);
  }
  void accept() {
    std::swap(now_, next_);
    first_known_ = tableau_.last_is_next;
    if (first_known_) std::swap(slopes_[0], slopes_[tableau_.stages - 1]);
  }
  /// What is not finite: the state, its slope, or else the end of the trial.
  std::string describe() const {
    for (const T* x : {now_, slopes_[0], next_}) {
      const std::string place = describe_not_finite<T>(call_.at.exec, {x, layout_, batch_});
      if (!place.empty()) return (x == slopes_[0] ? "the slope at " : "") + place;
    }
    return "";
  }

  double first_step() {
    const auto norm = [&](const T* x) {
      return error_norm<T>(call_.at.exec, control_, call_.shape, x, now_, now_, *call_.at.workspace).norm;
    };
    evaluate(call_.at, now_, slopes_[0], {});
    first_known_ = true;
    return starting_step(norm(now_), norm(slopes_[0]), tableau_.order, [&](double h) {
      Combination<T> ahead;
      ahead.out = argument_[0];
      ahead.base = now_;
      ahead.add(T(h), slopes_[0]);
      write_combinations<T>(call_.at.exec, Combinations<T>(ahead), nullptr, call_.size);
      Combination<T> change;
      change.out = error_;
      change.add(T(-1 / h), slopes_[0]);
      change.r_weight = T(1 / h);
      RhsContext<T> later = call_.at;
      later.t += h;
      evaluate(later, argument_[0], nullptr, Combinations<T>(change));
      return norm(error_);
    });
  }

 private:
  void evaluate(const RhsContext<T>& at, const T* x, T* slope, const Combinations<T>& sums) {
    ++evaluations_;
    rhs_.rhs(at, call_.view(x), slope, sums);
  }
  const Tableau& tableau_;
  const Rhs<T>& rhs_;
  const StepControl& control_;
  const StepCall<T>& call_;
  const Layout* layout_;
  int batch_;
  T *now_, *next_, *error_, *argument_[2], *slopes_[Tableau::kMost];
  bool first_known_ = false;  // slopes_[0] is F at now_
  long long evaluations_ = 0;
};

}  // namespace mg::pde
