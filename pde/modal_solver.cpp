#include "pde/modal_solver.hpp"

#include <algorithm>
#include <stdexcept>

#include "pde/adaptive.hpp"
#include "pde/estimated_step.hpp"
#include "pde/modal_run.hpp"

namespace mg::pde {

using namespace modal;

namespace {

constexpr double kGamma = 1767732205903. / 4055673282236.;
struct Kencarp {
  double c[4] = {0, 2 * kGamma, 0.6, 1};
  double e[4][4] = {
      {},
      {2 * kGamma},
      {5535828885825. / 10492691773637., 788022342437. / 10882634858940.},
      {6485989280629. / 16251701735622., -4246266847089. / 9704473918619., 10755448449292. / 10357097424841.}};
  double b[4] = {1471266399579. / 7840856788654., -4482444167858. / 7529755066697., 11266239266428. / 11593286722821.,
                 kGamma};
  double i[4][4] = {
      {}, {kGamma}, {2746238789719. / 10658868560708., -640167445237. / 6845629431997.}, {b[0], b[1], b[2]}};
  double b_hat[4] = {2756255671327. / 12835298489170., -10771552573575. / 22201958757719.,
                     9247589265047. / 10645013368117., 2193209047091. / 5459859503100.};
  double dense[4][2] = {{-215264564351. / 13552729205753., 4655552711362. / 22874653954995.},
                        {17870216137069. / 13817060693119., -18682724506714. / 9892148508045.},
                        {-28141676662227. / 17317692491321., 34259539580243. / 13192909600954.},
                        {2508943948391. / 7218656332882., 584795268549. / 6622622206610.}};
};
const Kencarp kKencarp;

double dense_weight(int j, double theta) { return theta * (kKencarp.dense[j][0] * theta + kKencarp.dense[j][1]); }

}  // namespace

/// The arrays of one step and what its functors share.
template <class T>
struct ModalSolver<T>::Call {
  const Rhs<T>& rhs;
  RhsContext<T> at;
  double t, h;
  Shape shape;
  std::size_t size;
  int stages;
  LinearPart part;
  std::vector<double> param_values;  // of the parameters that the terms name
  Modes<T> m;
  T *slopes, *fields, *work, *bar;  // [stages][size] of slopes; [size] each

  Call(ModalScheme scheme, const Rhs<T>& equation, const Exec& exec, double time, double step, const T* params,
       ConstStateView<T> conditions, Shape extent, bool adjoint, Workspace& workspace)
      : rhs(equation),
        at{exec, time, params, conditions, &workspace},
        t(time),
        h(step),
        shape(extent),
        size(extent.size()),
        stages(scheme == ModalScheme::etdrk2 ? 2 : 4),
        part(equation.linear_part()) {
    if (part.terms.empty())
      throw std::invalid_argument(std::string(rhs.type()) +
                                  " has no linear part that an exponential or implicit-explicit solver could take");
    const int channels = shape.c;
    if (scheme == ModalScheme::kencarp3 && channels > kMostChannels)
      throw std::invalid_argument("kencarp3 takes up to " + std::to_string(kMostChannels) + " channels, not " +
                                  std::to_string(channels));
    if (scheme != ModalScheme::kencarp3)
      std::erase_if(part.terms, [](const LinearTerm& term) { return term.to != term.from; });
    const std::size_t arrays = std::size_t(stages) * (adjoint ? 5 : 3) + 4;
    T* const memory = workspace.get<T>(exec, "modal.arrays", arrays * size);
    const std::size_t block = std::size_t(stages) * size;
    slopes = memory;
    m.y = memory + block;
    m.g = memory + 2 * block;
    m.y_bar = adjoint ? memory + 3 * block : nullptr;
    m.g_bar = adjoint ? memory + 4 * block : nullptr;
    fields = memory + (arrays - 4) * size;
    work = fields + size;
    bar = work + size;
    m.symbol = symbol_of<T>(exec, part, shape, workspace);
    m.channels = channels;
    m.h = h;
    m.size = size;
    m.poly = polynomials(workspace);
  }

  const double* polynomials(Workspace& workspace) {
    const Exec& exec = at.exec;
    std::vector<T> values(rhs.param_layout().size());
    copy_bytes(exec, values.data(), Backend::host, at.params, exec.backend, values.size() * sizeof(T));
    synchronise(exec);
    param_values.assign(values.begin(), values.end());
    std::vector<double> poly(std::size_t(shape.c) * std::size_t(shape.c) * 3);
    for (const LinearTerm& term : part.terms)
      poly[std::size_t((term.to * shape.c + term.from) * 3 + term.power)] +=
          term.constant + term.factor * value(term.p1) * value(term.p2);
    double* const to = workspace.get<double>(exec, "modal.poly", poly.size());
    copy_bytes(exec, to, exec.backend, poly.data(), Backend::host, poly.size() * sizeof(double));
    synchronise(exec);
    return to;
  }
  double value(int parameter) const { return parameter < 0 ? 1 : param_values[std::size_t(parameter)]; }

  View<const T> view(const T* data) const { return {data, shape}; }
  RhsContext<T> stage_context(double c) const {
    RhsContext<T> context = at;
    context.t = t + c * h;
    return context;
  }
  void to(const T* x, T* z, bool transposed = false) const {
    to_modes<T>(at.exec, part.padding, view(x), z, *at.workspace, transposed);
  }
  void from(const T* z, T* x, bool transposed = false) const {
    from_modes<T>(at.exec, part.padding, z, {x, shape}, *at.workspace, transposed);
  }
  void copy(const T* from_array, T* to_array) const {
    copy_bytes(at.exec, to_array, at.exec.backend, from_array, at.exec.backend, size * sizeof(T));
  }
  /// params_bar += what sum over modes of a[to] b[from] symbol^power says of every term; b null = 1.
  void add_terms(const T* a, const T* b, T* params_bar) const {
    if (params_bar == nullptr) return;
    std::vector<int> terms;
    for (const LinearTerm& term : part.terms)
      for (const int k : {term.to, term.from, term.power}) terms.push_back(k);
    int* const table = at.workspace->template get<int>(at.exec, "modal.terms", terms.size());
    copy_bytes(at.exec, table, at.exec.backend, terms.data(), Backend::host, terms.size() * sizeof(int));
    synchronise(at.exec);
    const auto sums =
        run_sums<Add>(at.exec, part.terms.size(), TermSums<T>{m.symbol, table, shape.c, shape.n, a, b}, *at.workspace);
    for (std::size_t k = 0; k < sums.size(); ++k) {
      const LinearTerm& term = part.terms[k];
      const double f = term.factor * sums[k];
      if (term.p1 >= 0) run_each(at.exec, 1, AddValue<T>{params_bar + term.p1, f * value(term.p2)});
      if (term.p2 >= 0) run_each(at.exec, 1, AddValue<T>{params_bar + term.p2, f * value(term.p1)});
    }
  }
  ImexStage<T> imex(int s) const {
    ImexStage<T> stage{m, s, kGamma, {}, {}};
    for (int j = 0; j < s; ++j) stage.e[j] = kKencarp.e[s][j], stage.i[j] = kKencarp.i[s][j];
    return stage;
  }
};

namespace {

double stage_time(ModalScheme scheme, int s) {
  if (scheme == ModalScheme::kencarp3) return kKencarp.c[s];
  if (scheme == ModalScheme::etdrk2) return s;
  return s == 0 ? 0 : s == 3 ? 1 : 0.5;
}

}  // namespace

template <class T>
ModalSolver<T>::ModalSolver(ModalScheme scheme, Stepping stepping) : scheme_(scheme), stepping_(std::move(stepping)) {
  if (stepping_.adaptive && scheme_ != ModalScheme::kencarp3)
    throw std::invalid_argument("exponential schemes have no error estimate to adapt their steps by");
}

/// All stages of a step: modes of the arguments and of the slopes, and the slopes.
template <class T>
void ModalSolver<T>::forward(const Call& call, const T* state) const {
  const Exec& exec = call.at.exec;
  call.to(state, call.m.y);
  for (int s = 0; s < call.stages; ++s) {
    const T* argument = state;
    if (s > 0) {
      T* const modes = call.m.y + std::size_t(s) * call.size;
      if (scheme_ == ModalScheme::kencarp3)
        run_each(exec, call.shape.cells(), call.imex(s));
      else
        run_each(exec, call.size, ExponentialStage<T>{call.m, call.stages, s, modes});
      call.from(modes, call.fields);
      argument = call.fields;
    }
    T* const slope = call.slopes + std::size_t(s) * call.size;
    call.rhs.rhs(call.stage_context(stage_time(scheme_, s)), call.view(argument), slope, {});
    call.to(slope, call.m.g + std::size_t(s) * call.size);
  }
}

template <class T>
void ModalSolver<T>::advance(const Call& call, const T* state, T* next) const {
  forward(call, state);
  if (scheme_ != ModalScheme::kencarp3) {
    run_each(call.at.exec, call.size, ExponentialStage<T>{call.m, call.stages, call.stages, call.work});
    call.from(call.work, next);
    return;
  }
  Combination<T> sum;
  sum.out = next;
  sum.base = state;
  for (int j = 0; j < call.stages; ++j) sum.add(T(call.h * kKencarp.b[j]), call.slopes + std::size_t(j) * call.size);
  write_combinations<T>(call.at.exec, Combinations<T>(sum), nullptr, call.size);
}

template <class T>
void ModalSolver<T>::step(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                          ConstStateView<T> conditions, ConstStateView<T> state, StateView<T> next,
                          std::span<const Tap<T>> taps, Workspace& workspace) const {
  const auto call = [&](double h) {
    return Call(scheme_, rhs, exec, index.t, h, params, conditions, state.field().shape, false, workspace);
  };
  if (scheme_ != ModalScheme::kencarp3)
    for (const Tap<T>& tap : taps) {
      const Call shorter = call(tap.theta * index.h);
      if (tap.theta == 0)
        shorter.copy(state.data, tap.value.data);
      else
        advance(shorter, state.data, tap.value.data);
    }
  const Call whole = call(index.h);
  advance(whole, state.data, next.data);
  if (scheme_ != ModalScheme::kencarp3) return;
  for (const Tap<T>& tap : taps) {
    Combination<T> sum;
    sum.out = tap.value.data;
    sum.base = state.data;
    for (int j = 0; j < whole.stages; ++j)
      sum.add(T(index.h * dense_weight(j, tap.theta)), whole.slopes + std::size_t(j) * whole.size);
    write_combinations<T>(exec, Combinations<T>(sum), nullptr, whole.size);
  }
}

template <class T>
void ModalSolver<T>::backward(const Call& call, const T* state, const T* next_bar, std::span<const Tap<const T>> taps,
                              T* state_bar, T* params_bar) const {
  const Exec& exec = call.at.exec;
  const Modes<T>& m = call.m;
  const std::size_t size = call.size;
  const bool imex = scheme_ == ModalScheme::kencarp3;
  forward(call, state);
  zero_bytes(exec, m.y_bar, 2 * std::size_t(call.stages) * size * sizeof(T));
  T* const l_bar = call.bar;
  const auto add = [&](T* out, const T* base, T weight, const T* more) {
    Combination<T> sum;
    sum.out = out;
    sum.base = base;
    sum.add(weight, more);
    write_combinations<T>(exec, Combinations<T>(sum), nullptr, size);
  };
  if (imex) {
    // the step and the taps are sums of slopes: their cotangents, in fields, first as work
    call.copy(next_bar, state_bar);
    for (const auto& tap : taps) add(state_bar, state_bar, T(1), tap.value.data);
  } else {
    zero_bytes(exec, l_bar, size * sizeof(T));
    call.to(next_bar, call.work, true);
    run_each(exec, size, ExponentialStageAdjoint<T>{m, call.stages, call.stages, call.work, l_bar});
  }
  for (int s = call.stages - 1; s >= 0; --s) {
    T* const y_bar = m.y_bar + std::size_t(s) * size;
    // slope_bar: from the modes of the slope, and directly
    T* const slope_bar = call.slopes + std::size_t(s) * size;
    call.from(m.g_bar + std::size_t(s) * size, slope_bar, true);
    if (imex) {
      add(slope_bar, slope_bar, T(call.h * kKencarp.b[s]), next_bar);
      for (const auto& tap : taps) add(slope_bar, slope_bar, T(call.h * dense_weight(s, tap.theta)), tap.value.data);
    }
    const T* argument = state;
    if (s > 0) {
      call.from(m.y + std::size_t(s) * size, call.fields);
      argument = call.fields;
    }
    call.rhs.rhs_adjoint(call.stage_context(stage_time(scheme_, s)), call.view(argument), call.view(slope_bar),
                         call.work, {}, params_bar);
    if (s == 0) {
      call.from(y_bar, call.fields, true);
      if (imex)
        add(state_bar, state_bar, T(1), call.work);
      else
        call.copy(call.work, state_bar);
      add(state_bar, state_bar, T(1), call.fields);
      break;
    }
    call.to(call.work, call.fields, true);
    add(y_bar, y_bar, T(1), call.fields);
    if (imex) {
      run_each(exec, call.shape.cells(), ImexStageAdjoint<T>{call.imex(s), call.work, call.fields});
      call.add_terms(call.work, call.fields, params_bar);
    } else {
      run_each(exec, size, ExponentialStageAdjoint<T>{m, call.stages, s, y_bar, l_bar});
    }
  }
  if (!imex) call.add_terms(l_bar, nullptr, params_bar);
}

template <class T>
void ModalSolver<T>::step_adjoint(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                                  ConstStateView<T> conditions, ConstStateView<T> state, ConstStateView<T> next_bar,
                                  std::span<const Tap<const T>> tap_bars, StateView<T> state_bar, T* params_bar,
                                  Workspace& workspace) const {
  const auto call = [&](double h) {
    return Call(scheme_, rhs, exec, index.t, h, params, conditions, state.field().shape, true, workspace);
  };
  const Call whole = call(index.h);
  const std::size_t size = whole.size;
  if (scheme_ == ModalScheme::kencarp3)
    return backward(whole, state.data, next_bar.data, tap_bars, state_bar.data, params_bar);
  backward(whole, state.data, next_bar.data, {}, state_bar.data, params_bar);
  T* const more = workspace.get<T>(exec, "modal.tap_bar", size);
  for (const auto& tap : tap_bars) {
    const T* part = tap.value.data;
    if (tap.theta != 0) {
      backward(call(tap.theta * index.h), state.data, tap.value.data, {}, more, params_bar);
      part = more;
    }
    Combination<T> sum;
    sum.out = state_bar.data;
    sum.base = state_bar.data;
    sum.add(T(1), part);
    write_combinations<T>(exec, Combinations<T>(sum), nullptr, size);
  }
}

template <class T>
TimeGrid ModalSolver<T>::time_grid(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                                   ConstStateView<T> conditions, ConstStateView<T> state,
                                   std::span<const double> save_times, Workspace& workspace) const {
  if (!stepping_.adaptive) return fixed_grid(stepping_, index.t, save_times, scheme_ != ModalScheme::kencarp3);
  const std::size_t size = state.size(), bytes = size * sizeof(T);
  T* const now = workspace.get<T>(exec, "modal.adaptive", 3 * size);
  T *const next = now + size, *const error = next + size;
  copy_bytes(exec, now, exec.backend, state.data, exec.backend, bytes);
  AdaptiveTrial trial;
  trial.attempt = [&](TimeStep& step) {
    const Call call(scheme_, rhs, exec, step.t, step.h, params, conditions, state.field().shape, false, workspace);
    advance(call, now, next);
    Combination<T> sum;
    sum.out = error;
    for (int j = 0; j < call.stages; ++j)
      sum.add(T(step.h * (kKencarp.b[j] - kKencarp.b_hat[j])), call.slopes + std::size_t(j) * size);
    write_combinations<T>(exec, Combinations<T>(sum), nullptr, size);
    return error_norm<T>(exec, stepping_.control, state.field().shape, error, now, next, workspace);
  };
  trial.accept = [&] { copy_bytes(exec, now, exec.backend, next, exec.backend, bytes); };
  trial.describe = [] { return std::string(); };
  double dt0 = stepping_.dt;
  if (dt0 == 0)
    dt0 = estimated_step<T>(rhs, {exec, index.t, params, conditions, &workspace}, stepping_.control, 3,
                            {now, state.field().shape}, workspace);
  return adaptive_grid(stepping_, 3, index.t, dt0, save_times, false, trial);
}

template <class T>
void register_modal(Registry<Solver<T>>& registry) {
  struct Named {
    const char *name, *doc;
    ModalScheme scheme;
  };
  static constexpr Named kSchemes[] = {
      {"etdrk2", "Exponential time differencing of order 2: the linear part exactly", ModalScheme::etdrk2},
      {"etdrk4", "Exponential time differencing of order 4: the linear part exactly", ModalScheme::etdrk4},
      {"kencarp3", "Implicit-explicit scheme of Kennedy and Carpenter, order 3: the linear part implicitly",
       ModalScheme::kencarp3}};
  for (const Named& named : kSchemes) {
    Schema schema(named.name, named.doc);
    step_keys(schema, named.scheme == ModalScheme::kencarp3);
    registry.add(named.name, schema, [scheme = named.scheme](const Config& config) {
      return std::make_unique<ModalSolver<T>>(scheme, stepping(config));
    });
  }
}

template class ModalSolver<float>;
template class ModalSolver<double>;
template void register_modal(Registry<Solver<float>>&);
template void register_modal(Registry<Solver<double>>&);

}  // namespace mg::pde
