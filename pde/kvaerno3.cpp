#include "pde/kvaerno3.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "pde/adaptive.hpp"
#include "pde/estimated_step.hpp"
#include "pde/kvaerno3_call.hpp"

namespace mg::pde {

using namespace kvaerno;
using namespace modal;

namespace {

std::string stage_failure(const char* type, int i, double t, double h, const std::string& what) {
  char text[256];
  std::snprintf(text, sizeof text, "%s: stage %d of the implicit step from t = %.10g, h = %.4g, ", type, i + 1, t, h);
  return text + what;
}
std::string residual_text(const KrylovReport& report) {
  char text[120];
  std::snprintf(text, sizeof text, "the linear system did not converge: residual %.3g after %d products",
                report.residual, report.iterations);
  return text;
}

}  // namespace

/// argument = base + h g f_i, r = F(argument) - f_i
template <class T>
static void residual(const auto& call, int i) {
  Combination<T> to_argument;
  to_argument.out = call.argument;
  to_argument.base = call.base;
  to_argument.add(T(call.h * g), call.slope(i));
  call.write(to_argument);
  Combination<T> sum;
  sum.out = call.r;
  sum.r_weight = T(1);
  sum.add(T(-1), call.slope(i));
  call.rhs.rhs(call.stage(i), call.view(call.argument), nullptr, Combinations<T>(sum));
}
template <class T>
static void correct(const auto& call, int i) {
  Combination<T> sum;
  sum.out = call.slope(i);
  sum.base = call.slope(i);
  sum.add(T(1), call.d);
  call.write(sum);
}

template <class T>
bool Kvaerno3<T>::newton_stage(const Call& call, int i, const T* y, std::string& failure) const {
  const double tolerance = newton_.tolerance > 0 ? newton_.tolerance : kTolerance<T>;
  const double scale = call.rms(y) + std::numeric_limits<double>::min(), goal = tolerance * scale / (call.h * g);
  double before = std::numeric_limits<double>::infinity();
  for (int k = 0; k < newton_.most_newton; ++k) {
    residual<T>(call, i);
    const KrylovReport report = call.solve(i, call.argument, kForcing<T>, 0.01 * goal, newton_.most_krylov);
    if (!report.converged) {
      failure = residual_text(report);
      return false;
    }
    correct<T>(call, i);
    const double change = call.rms(call.d);
    if (!std::isfinite(change)) break;
    if (change <= goal || (change <= 30 * goal && change >= 0.5 * before)) return true;  // the latter: rounding
    before = change;
  }
  char text[120];
  std::snprintf(text, sizeof text, "Newton's method did not converge: last change %.3g of the state",
                before / goal * tolerance);
  failure = text;
  return false;
}

/// The iteration of diffrax 0.7.2: success is decided by the size of the second change and its rate.
template <class T>
bool Kvaerno3<T>::chord_stage(const Call& call, int i, const T*, std::string& failure) const {
  double sizes[2] = {};
  for (double& change : sizes) {
    residual<T>(call, i);
    const double tight = sizeof(T) == 4 ? 1e-6 : 1e-14;
    const KrylovReport report = call.solve(i, call.frozen, tight, 0, newton_.most_krylov);
    if (!std::isfinite(report.residual)) {
      failure = residual_text(report);
      return false;
    }
    correct<T>(call, i);
    const ScaledSquares<T> scaled{call.d, call.slope(i), newton_.atol, newton_.rtol, call.size};
    change = newton_.max_norm
                 ? std::sqrt(run_sums<Max>(call.at.exec, 1, scaled, *call.at.workspace)[0])
                 : std::sqrt(run_sums<Add>(call.at.exec, 1, scaled, *call.at.workspace)[0] / double(call.size));
  }
  const double rate = sizes[1] / sizes[0], left = sizes[1] * rate / (1 - rate);
  if (sizes[1] < (sizeof(T) == 4 ? 1e-5 : 1e-13) || (left > 0 && left < 1e-2 && rate < 2)) return true;
  failure = "two iterations were not enough";
  return false;
}

/// f_2, f_3, f_4 from f_1. @return what failed, or empty
template <class T>
std::string Kvaerno3<T>::solve_stages(const Call& call, const T* y) const {
  const auto predict = [&](int i, double a, int j, double b, int k) {
    Combination<T> sum;
    sum.out = call.slope(i);
    sum.add(T(a), call.slope(j));
    sum.add(T(b), call.slope(k));
    call.write(sum);
  };
  constexpr double theta = 1 / (2 * g);
  for (int i = 1; i < 4; ++i) {
    call.write(call.slopes(call.base, y, kA[i], i));
    if (i == 1) {
      predict(1, 1, 0, 0, 0);
      Combination<T> sum;
      sum.out = call.frozen;
      sum.base = call.base;
      sum.add(T(call.h * g), call.slope(1));
      call.write(sum);
    } else if (i == 2) {
      predict(2, 1 - theta, 0, theta, 1);
    } else {
      Combination<T> sum;
      sum.out = call.slope(3);
      sum.add(T(kA[2][0]), call.slope(0));
      sum.add(T(kA[2][1]), call.slope(1));
      sum.add(T(g), call.slope(2));
      call.write(sum);
    }
    std::string failure;
    if (newton_.chord_two_iterations ? chord_stage(call, i, y, failure) : newton_stage(call, i, y, failure)) continue;
    return stage_failure(std::string(call.rhs.type()).c_str(), i, call.t, call.h, failure);
  }
  return "";
}

template <class T>
Layout Kvaerno3<T>::extra_state(int channels, Grid grid) const {
  Layout layout;
  layout.add("slope", {channels, grid.h, grid.w});
  return layout;
}

namespace {

template <class T>
void copy_array(const Exec& exec, T* to, const T* from, std::size_t size) {
  copy_bytes(exec, to, exec.backend, from, exec.backend, size * sizeof(T));
}

}  // namespace

template <class T>
void Kvaerno3<T>::step(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                       ConstStateView<T> conditions, ConstStateView<T> state, StateView<T> next,
                       std::span<const Tap<T>> taps, Workspace& workspace) const {
  const T* const y = state.block(0);
  Call call(rhs, exec, index.t, index.h, params, conditions, state.field().shape, workspace);
  call.fit_jacobian(y);
  if (index.step == 0)
    rhs.rhs(call.stage(0), call.view(y), call.slope(0), {});
  else
    copy_array(exec, call.slope(0), state.block(1), call.size);
  const std::string failure = solve_stages(call, y);
  // with two iterations only, a prescribed grid goes on with what they gave
  if (!failure.empty() && !newton_.chord_two_iterations) throw DivergedError(failure);
  call.write(call.slopes(next.block(0), y, kB, 4));
  copy_array(exec, next.block(1), call.slope(3), call.size);
  for (const Tap<T>& tap : taps) {
    const Hermite w(tap.theta);
    Combination<T> sum;
    sum.out = tap.value.block(0);
    sum.add(T(w.y0), y);
    sum.add(T(w.y1), next.block(0));
    sum.add(T(index.h * w.f1), call.slope(0));
    sum.add(T(index.h * w.f4), call.slope(3));
    call.write(sum);
    zero_bytes(exec, tap.value.block(1), call.size * sizeof(T));
  }
}

template <class T>
void Kvaerno3<T>::step_adjoint(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                               ConstStateView<T> conditions, ConstStateView<T> state, ConstStateView<T> next_bar,
                               std::span<const Tap<const T>> tap_bars, StateView<T> state_bar, T* params_bar,
                               Workspace& workspace) const {
  const T* const y = state.block(0);
  Call call(rhs, exec, index.t, index.h, params, conditions, state.field().shape, workspace);
  const std::size_t size = call.size;
  call.fit_jacobian(y);
  if (index.step == 0)
    rhs.rhs(call.stage(0), call.view(y), call.slope(0), {});
  else
    copy_array(exec, call.slope(0), state.block(1), size);
  const std::string failure = solve_stages(call, y);
  if (!failure.empty() && !newton_.chord_two_iterations) throw DivergedError(failure);

  T* const memory = workspace.get<T>(exec, "kvaerno.adjoint", 6 * size);
  T *const y1_bar = memory + 4 * size, *const base_bar = memory + 5 * size;
  const auto slope_bar = [&](int i) { return memory + std::size_t(i) * size; };
  const auto add = [&](T* out, const T* base, double weight, const T* more) {
    Combination<T> sum;
    sum.out = out;
    sum.base = base;
    sum.add(T(weight), more);
    call.write(sum);
  };
  copy_array(exec, y1_bar, next_bar.block(0), size);
  for (const auto& tap : tap_bars) add(y1_bar, y1_bar, Hermite(tap.theta).y1, tap.value.block(0));
  T* const y_bar = state_bar.block(0);
  copy_array<T>(exec, y_bar, y1_bar, size);
  for (const auto& tap : tap_bars) add(y_bar, y_bar, Hermite(tap.theta).y0, tap.value.block(0));
  for (int i = 0; i < 4; ++i) {
    add(slope_bar(i), i == 3 ? next_bar.block(1) : nullptr, index.h * kB[i], y1_bar);
    if (i == 1 || i == 2) continue;
    for (const auto& tap : tap_bars) {
      const Hermite w(tap.theta);
      add(slope_bar(i), slope_bar(i), index.h * (i == 0 ? w.f1 : w.f4), tap.value.block(0));
    }
  }
  for (int i = 3; i > 0; --i) {
    Combination<T> sum = call.slopes(call.argument, y, kA[i], i);
    sum.add(T(index.h * g), call.slope(i));
    call.write(sum);
    copy_array<T>(exec, call.r, slope_bar(i), size);
    const KrylovReport report = call.solve_transposed(i, call.argument, kAdjoint<T>, newton_.most_krylov);
    if (!report.converged && report.residual > 100 * kAdjoint<T>)
      throw DivergedError(
          stage_failure(std::string(rhs.type()).c_str(), i, index.t, index.h, "adjoint: " + residual_text(report)));
    rhs.rhs_adjoint(call.stage(i), call.view(call.argument), call.view(call.d), base_bar, {}, params_bar);
    add(y_bar, y_bar, 1, base_bar);
    for (int j = 0; j < i; ++j) add(slope_bar(j), slope_bar(j), index.h * kA[i][j], base_bar);
  }
  if (index.step == 0) {
    rhs.rhs_adjoint(call.stage(0), call.view(y), call.view(slope_bar(0)), base_bar, {}, params_bar);
    add(y_bar, y_bar, 1, base_bar);
    zero_bytes(exec, state_bar.block(1), size * sizeof(T));
  } else {
    copy_array<T>(exec, state_bar.block(1), slope_bar(0), size);
  }
}

template <class T>
TimeGrid Kvaerno3<T>::time_grid(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                                ConstStateView<T> conditions, ConstStateView<T> state,
                                std::span<const double> save_times, Workspace& workspace) const {
  if (!stepping_.adaptive) return fixed_grid(stepping_, index.t, save_times, true);
  const Shape shape = state.field().shape;
  const std::size_t size = shape.size();
  T* const now = workspace.get<T>(exec, "kvaerno.adaptive", 4 * size);
  T *const next = now + size, *const error = next + size, *const slope = error + size;
  copy_array(exec, now, state.block(0), size);
  std::string last_failure;
  {
    const Call call(rhs, exec, index.t, 1, params, conditions, shape, workspace);
    if (index.step == 0)
      rhs.rhs(call.stage(0), call.view(now), slope, {});
    else
      copy_array(exec, slope, state.block(1), size);
  }
  AdaptiveTrial trial;
  trial.attempt = [&](TimeStep& step) -> ErrorMeasure {
    Call call(rhs, exec, step.t, step.h, params, conditions, shape, workspace);
    call.fit_jacobian(now);
    copy_array<T>(exec, call.slope(0), slope, size);
    last_failure = solve_stages(call, now);
    if (!last_failure.empty()) return {std::numeric_limits<double>::infinity(), 0};
    call.write(call.slopes(next, now, kB, 4));
    call.write(call.slopes(error, nullptr, kE, 4));
    return error_norm<T>(exec, stepping_.control, shape, error, now, next, workspace);
  };
  trial.accept = [&] {
    copy_array<T>(exec, now, next, size);
    copy_array<T>(exec, slope, workspace.get<T>(exec, "kvaerno.arrays", 9 * size) + 3 * size, size);
  };
  trial.describe = [&] { return last_failure; };
  double dt0 = stepping_.dt;
  if (dt0 == 0) {
    const Call call(rhs, exec, index.t, 1, params, conditions, shape, workspace);
    dt0 = estimated_step<T>(rhs, call.stage(0), stepping_.control, 3, call.view(now), workspace);
  }
  return adaptive_grid(stepping_, 3, index.t, dt0, save_times, true, trial);
}

template <class T>
void register_implicit(Registry<Solver<T>>& registry) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Schema schema("kvaerno3", "Kvaerno's implicit scheme of order 3, for stiff equations, by Newton's method and GMRES");
  step_keys(schema, true)
      .number("newton_tolerance", 0.0, {0, 1},
              "last change of a stage relative to the state; 0 = by the precision of the fields")
      .integer("max_newton", 20, {1, 1000}, "iterations of Newton's method per stage")
      .integer("max_krylov", 300, {1, 100000}, "products with the Jacobian per linear system")
      .object("compat",
              Schema("compat", "Compatibility with diffrax 0.7.2.")
                  .boolean("chord_two_iterations", false,
                           "one Jacobian per step and two iterations per stage, judged by the tolerances below")
                  .number("root_rtol", 1e-3, {0, kInfinity}, "relative tolerance of the stages")
                  .number("root_atol", 1e-3, {0, kInfinity}, "absolute tolerance of the stages")
                  .choice("root_norm", "rms", {"rms", "max"}, "over all elements of a stage"),
              "compatibility");
  registry.add("kvaerno3", schema, [](const Config& config) {
    NewtonControl newton;
    newton.tolerance = config.get<double>("newton_tolerance");
    newton.most_newton = config.get<int>("max_newton");
    newton.most_krylov = config.get<int>("max_krylov");
    const Config compat = config.at("compat");
    newton.chord_two_iterations = compat.get<bool>("chord_two_iterations");
    newton.rtol = compat.get<double>("root_rtol");
    newton.atol = compat.get<double>("root_atol");
    newton.max_norm = compat.get<std::string>("root_norm") == "max";
    return std::make_unique<Kvaerno3<T>>(stepping(config), newton);
  });
}

template class Kvaerno3<float>;
template class Kvaerno3<double>;
template void register_implicit(Registry<Solver<float>>&);
template void register_implicit(Registry<Solver<double>>&);

}  // namespace mg::pde
