#include "pde/explicit_rk.hpp"

#include <algorithm>
#include <stdexcept>

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/not_finite.hpp"
#include "pde/adaptive.hpp"
#include "pde/spectral_radius.hpp"

namespace mg::pde {

namespace {

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

  RhsContext<T> stage(int i) const {
    RhsContext<T> context = at;
    context.t = tableau.c[i] == 1 ? index.t + index.h : index.t + tableau.c[i] * index.h;
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

template <class T>
bool inside(std::span<const Tap<T>> taps) {
  for (const Tap<T>& tap : taps)
    if (tap.theta != 0) return true;
  return false;
}

/// Whether the taps need the slope that only the next step or the dense output has.
template <class T>
int stages_for(const Tableau& tableau, std::span<const Tap<T>> taps) {
  if (tableau.last_is_next)
    for (const Tap<T>& tap : taps)
      if (tap.theta != 0 && dense_weights(tableau, tap.theta).slope[tableau.stages - 1] != 0) return tableau.stages;
  return tableau.stages_of_next();
}

template <class T>
void write_tap(const StepCall<T>& call, const Tap<T>& tap, const T* state, const T* next, T* const* slopes) {
  const Exec& exec = call.at.exec;
  if (tap.theta == 0) {
    copy_bytes(exec, tap.value.data, exec.backend, state, exec.backend, call.size * sizeof(T));
    return;
  }
  const DenseWeights w = dense_weights(call.tableau, tap.theta);
  Combination<T> sum;
  sum.out = tap.value.data;
  if (w.y0 == 1)
    sum.base = state;
  else
    sum.add(T(w.y0), state);
  sum.add(T(w.y1), next);
  for (int i = 0; i < call.tableau.stages; ++i) sum.add(T(call.index.h * w.slope[i]), slopes[i]);
  write_combinations<T>(exec, Combinations<T>(sum), nullptr, call.size);
}

/// The cotangents that the taps give to y, y1 and every slope.
template <class T>
struct TapBars {
  const T* y1 = nullptr;                // next_bar + sum w1 o
  const T* y = nullptr;                 // y1 + sum w0 o
  const T* slope[Tableau::kMost] = {};  // h (b_i y1 + sum w_i o), [stages]
};

template <class T>
TapBars<T> pull_taps(const StepCall<T>& call, const T* next_bar, std::span<const Tap<const T>> taps, int stages) {
  const Exec& exec = call.at.exec;
  TapBars<T> bars;
  T* const memory = call.at.workspace->template get<T>(exec, "rk.taps", std::size_t(stages + 2) * call.size);
  T* const y1 = memory;
  T* const y = memory + call.size;
  std::vector<DenseWeights> weights;
  for (const auto& tap : taps) {
    weights.push_back(dense_weights(call.tableau, tap.theta));
    if (tap.theta == 0) weights.back() = {.y0 = 1};
  }
  // out = base + base_weight more + sum_k weight(k) o_k, in as many passes as there are terms for
  const auto add_up = [&](T* out, const T* base, T more_weight, const T* more, auto weight) {
    Combination<T> sum;
    sum.out = out;
    sum.base = base;
    sum.add(more_weight, more);
    for (std::size_t k = 0; k < taps.size(); ++k) {
      if (sum.terms == Combination<T>::kMost) {
        write_combinations<T>(exec, Combinations<T>(sum), nullptr, call.size);
        sum = {};
        sum.out = out;
        sum.base = out;
      }
      sum.add(T(weight(weights[k])), taps[k].value.data);
    }
    write_combinations<T>(exec, Combinations<T>(sum), nullptr, call.size);
  };
  add_up(y1, next_bar, T(0), nullptr, [](const DenseWeights& w) { return w.y1; });
  add_up(y, y1, T(0), nullptr, [](const DenseWeights& w) { return w.y0; });
  for (int i = 0; i < stages; ++i) {
    T* const slope = memory + std::size_t(i + 2) * call.size;
    add_up(slope, nullptr, T(call.index.h * call.tableau.b[i]), y1,
           [&](const DenseWeights& w) { return call.index.h * w.slope[i]; });
    bars.slope[i] = slope;
  }
  bars.y1 = y1;
  bars.y = y;
  return bars;
}

}  // namespace

template <class T>
ExplicitRk<T>::ExplicitRk(const Tableau& tableau, Stepping stepping)
    : tableau_(tableau), stepping_(std::move(stepping)), stability_limit_(real_stability_limit(tableau)) {
  if (stepping_.adaptive && !tableau_.has_error)
    throw std::invalid_argument(std::string(tableau_.name) + " has no error estimate to adapt its steps by");
}

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

template <class T>
TimeGrid ExplicitRk<T>::time_grid(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                                  ConstStateView<T> conditions, ConstStateView<T> state,
                                  std::span<const double> save_times, Workspace& workspace) const {
  const bool ends_exact = tableau_.dense != Tableau::Dense::dopri8;
  const StepCall<T> call(tableau_, exec, index, params, conditions, state, workspace);
  if (!stepping_.adaptive) {
    const TimeGrid grid = fixed_grid(stepping_, index.t, save_times, ends_exact);
    if (index.iteration == 0 && index.step == 0) advise(rhs, call.at, state.field(), grid);
    return grid;
  }
  check_saves(index.t, save_times);
  ExplicitTrial<T> trial(tableau_, rhs, stepping_.control, call, state);
  const double dt0 = stepping_.dt > 0 ? stepping_.dt : trial.first_step();
  TimeGrid grid = adaptive_grid(
      stepping_, tableau_.order, index.t, dt0, save_times, ends_exact,
      {[&](TimeStep& step) { return trial.attempt(step); }, [&] { trial.accept(); }, [&] { return trial.describe(); }});
  grid.statistics.evaluations = trial.evaluations();
  return grid;
}

/// Fixed steps that are too long for the start state, once a run.
template <class T>
void ExplicitRk<T>::advise(const Rhs<T>& rhs, const RhsContext<T>& at, ConstView<T> x, const TimeGrid& grid) const {
  if (stepping_.stability == Stepping::Advice::off || stepping_.rule == GridRule::prescribed) return;
  double h = 0;
  for (const TimeStep& step : grid.steps) h = std::max(h, step.h);
  const std::string complaint = stability_complaint<T>(rhs, at, x, tableau_.name, h, stability_limit_);
  if (complaint.empty()) return;
  if (stepping_.stability == Stepping::Advice::error) throw ConfigError(complaint);
  log::warn("{}", complaint);
}

template <class T>
void ExplicitRk<T>::step(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                         ConstStateView<T> conditions, ConstStateView<T> state, StateView<T> next,
                         std::span<const Tap<T>> taps, Workspace& workspace) const {
  const StepCall<T> call(tableau_, exec, index, params, conditions, state, workspace);
  const int last = tableau_.stages_of_next() - 1, all = tableau_.stages;
  const bool dense = inside(taps);
  T* const memory = workspace.get<T>(exec, "rk.forward", std::size_t(all + 2) * call.size);
  T* slopes[Tableau::kMost];
  for (int i = 0; i < all; ++i) slopes[i] = memory + std::size_t(i + 2) * call.size;
  const T* argument = state.data;
  for (int i = 0; i <= last; ++i) {
    T* const out = i == last ? next.data : memory + std::size_t(i % 2) * call.size;
    const double* const weights = i == last ? tableau_.b : tableau_.a[i + 1];
    T* const slope = dense || call.needed_later(i, last) ? slopes[i] : nullptr;
    rhs.rhs(call.stage(i), call.view(argument), slope,
            Combinations<T>(call.sum_of_slopes(out, state.data, weights, i, slopes)));
    argument = out;
  }
  if (stages_for<T>(tableau_, taps) > last + 1) rhs.rhs(call.stage(all - 1), call.view(next.data), slopes[all - 1], {});
  for (const Tap<T>& tap : taps) write_tap<T>(call, tap, state.data, next.data, slopes);
}

template <class T>
void ExplicitRk<T>::step_adjoint(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                                 ConstStateView<T> conditions, ConstStateView<T> state, ConstStateView<T> next_bar,
                                 std::span<const Tap<const T>> tap_bars, StateView<T> state_bar, T* params_bar,
                                 Workspace& workspace) const {
  const StepCall<T> call(tableau_, exec, index, params, conditions, state, workspace);
  const int last = stages_for<const T>(tableau_, tap_bars) - 1;
  T* const memory = workspace.get<T>(exec, "rk.adjoint", std::size_t(2 * last + 3) * call.size);
  const T* arguments[Tableau::kMost] = {state.data};
  T *slopes[Tableau::kMost], **const q = slopes;  // a slope is not needed once all arguments stand
  for (int i = 0; i <= last; ++i) slopes[i] = memory + std::size_t(last + i) * call.size;
  for (int i = 0; i < last; ++i) {
    T* const out = memory + std::size_t(i) * call.size;
    bool again = false;  // whether an argument after the next one needs this slope
    for (int j = i + 2; j <= last; ++j) again = again || tableau_.a[j][i] != 0;
    rhs.rhs(call.stage(i), call.view(arguments[i]), again ? slopes[i] : nullptr,
            Combinations<T>(call.sum_of_slopes(out, state.data, tableau_.a[i + 1], i, slopes)));
    arguments[i + 1] = out;
  }

  TapBars<T> bars{.y1 = next_bar.data, .y = next_bar.data};
  if (!tap_bars.empty()) bars = pull_taps<T>(call, next_bar.data, tap_bars, last + 1);
  T* const slope_bars[2] = {memory + std::size_t(2 * last + 1) * call.size,
                            memory + std::size_t(2 * last + 2) * call.size};
  const auto start = [&](int i) {  // of the cotangent of K_i: what comes from y1 and the taps
    Combination<T> sum;
    sum.out = slope_bars[i % 2];
    sum.base = bars.slope[i];
    if (sum.base == nullptr) sum.add(T(index.h * tableau_.b[i]), bars.y1);
    return sum;
  };
  write_combinations<T>(exec, Combinations<T>(start(last)), nullptr, call.size);
  for (int i = last; i > 0; --i) {
    Combination<T> sum = start(i - 1);
    sum.r_weight = T(index.h * tableau_.a[i][i - 1]);
    for (int j = i + 1; j <= last; ++j) sum.add(T(index.h * tableau_.a[j][i - 1]), q[j]);
    rhs.rhs_adjoint(call.stage(i), call.view(arguments[i]), call.view(slope_bars[i % 2]), q[i], Combinations<T>(sum),
                    params_bar);
  }
  Combination<T> sum;
  sum.out = state_bar.data;
  sum.base = bars.y;
  sum.r_weight = T(1);
  for (int j = 1; j <= last; ++j) sum.add(T(1), q[j]);
  rhs.rhs_adjoint(call.stage(0), call.view(state.data), call.view(slope_bars[0]), nullptr, Combinations<T>(sum),
                  params_bar);
}

template <class T>
void register_explicit(Registry<Solver<T>>& registry) {
  struct Scheme {
    const Tableau& (*tableau)();
    const char* doc;
  };
  static constexpr Scheme kSchemes[] = {
      {euler, "Euler's method, order 1"},
      {heun, "Heun's method, order 2"},
      {ssp_rk3, "Strong-stability-preserving scheme of Shu and Osher, order 3"},
      {petsc_rk3, "Scheme \"3\" of PETSc, order 3"},
      {bosh3, "Bogacki and Shampine, order 3"},
      {rk4, "The classical scheme, order 4"},
      {dopri5, "Dormand and Prince, order 5"},
      {tsit5, "Tsitouras, order 5"},
      {dopri8, "Prince and Dormand, order 8"},
  };
  for (const Scheme& scheme : kSchemes) {
    const Tableau& tableau = scheme.tableau();
    Schema schema(std::string(tableau.name), scheme.doc);
    step_keys(schema, tableau.has_error);
    registry.add(std::string(tableau.name), schema, [&tableau](const Config& config) {
      return std::make_unique<ExplicitRk<T>>(tableau, stepping(config));
    });
  }
}

template class ExplicitRk<float>;
template class ExplicitRk<double>;
template void register_explicit(Registry<Solver<float>>&);
template void register_explicit(Registry<Solver<double>>&);

}  // namespace mg::pde
