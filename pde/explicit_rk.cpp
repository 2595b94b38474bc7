#include "pde/explicit_rk.hpp"

#include <algorithm>
#include <stdexcept>

#include "core/error.hpp"
#include "core/log.hpp"
#include "pde/explicit_trial.hpp"
#include "pde/spectral_radius.hpp"

namespace mg::pde {

namespace {

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

/// Adds the passes of a step from `state` to `next`.
/// @param all_slopes  keep slopes that nothing in the step reads
template <class T>
void add_stages(PassList<T>& list, const StepCall<T>& call, const T* state, T* next, T* const* arguments,
                T* const* slopes, bool all_slopes) {
  const int last = call.tableau.stages_of_next() - 1;
  const T* argument = state;
  for (int i = 0; i <= last; ++i) {
    T* const out = i == last ? next : arguments[i];
    const double* const weights = i == last ? call.tableau.b : call.tableau.a[i + 1];
    RhsPass<T>& pass = list.add(call.stage_time(i), argument);
    if (all_slopes || call.needed_later(i, last)) pass.slope = slopes[i];
    pass.sums = Combinations<T>(call.sum_of_slopes(out, state, weights, i, slopes));
    argument = out;
  }
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
  T* const memory = workspace.get<T>(exec, "rk.forward", std::size_t(all + last) * call.size);
  T *slopes[Tableau::kMost], *arguments[Tableau::kMost];
  for (int i = 0; i < last; ++i) arguments[i] = memory + std::size_t(i) * call.size;
  for (int i = 0; i < all; ++i) slopes[i] = memory + std::size_t(last + i) * call.size;
  PassList<T> list;
  add_stages(list, call, state.data, next.data, arguments, slopes, dense);
  if (stages_for<T>(tableau_, taps) > last + 1) {
    list.add(call.stage_time(all - 1), next.data).slope = slopes[all - 1];
  }
  rhs.run_passes(call.at, call.shape, list.passes(), {memory, std::size_t(dense ? last : last + all) * call.size});
  for (const Tap<T>& tap : taps) write_tap<T>(call, tap, state.data, next.data, slopes);
}

template <class T>
void ExplicitRk<T>::steps(const Rhs<T>& rhs, const Exec& exec, std::span<const StepIndex> indices, const T* params,
                          ConstStateView<T> conditions, ConstStateView<T> state, StateView<T> next,
                          Workspace& workspace) const {
  const StepCall<T> whole(tableau_, exec, indices.front(), params, conditions, state, workspace);
  const int stages = tableau_.stages_of_next(), arrays = 2 * stages;  // of a step: arguments, slopes, its end
  const int most = std::min(rhs.steps_at_once(exec, whole.shape, stages), int(indices.size()));
  if (most <= 1) return Solver<T>::steps(rhs, exec, indices, params, conditions, state, next, workspace);
  T* const names = workspace.get<T>(exec, "rk.names", std::size_t(arrays * most));
  T* const between =
      workspace.get<T>(exec, "rk.between", std::size_t(indices.size()) > std::size_t(most) ? whole.size : 0);
  // The last sweep ends in `next`, the one before it between, and so on.
  const std::size_t sweeps = (indices.size() + std::size_t(most) - 1) / std::size_t(most);
  const T* from = state.data;
  for (std::size_t k = 0, begin = 0; k < sweeps; ++k) {
    const std::size_t end = indices.size() * (k + 1) / sweeps;
    T* const to = (sweeps - k) % 2 == 1 ? next.data : between;
    PassList<T> list;
    for (std::size_t i = begin; i < end; ++i) {
      T* const own = names + (i - begin) * std::size_t(arrays);
      T *slopes[Tableau::kMost], *arguments[Tableau::kMost];
      for (int j = 0; j < stages; ++j) slopes[j] = own + j;
      for (int j = 0; j < stages - 1; ++j) arguments[j] = own + stages + j;
      T* const last = i + 1 == end ? to : own + arrays - 1;
      add_stages(list, StepCall<T>(tableau_, indices[i], whole), from, last, arguments, slopes, false);
      from = last;
    }
    rhs.run_passes(whole.at, whole.shape, list.passes(), {names, std::size_t(arrays * most)});
    begin = end;
  }
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
