#include "pde/stabilised.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/not_finite.hpp"
#include "pde/adaptive.hpp"
#include "pde/spectral_radius.hpp"

namespace mg::pde {

namespace {

/// Chebyshev polynomials of the first kind and two derivatives at w, degrees 0 to s.
struct Chebyshev {
  StabilisedScheme::Row t{}, d{}, dd{};
  Chebyshev(double w, int s) {
    t[0] = 1, t[1] = w, d[1] = 1;
    for (int j = 2; j <= s; ++j) {
      t[j] = 2 * w * t[j - 1] - t[j - 2];
      d[j] = 2 * w * d[j - 1] - d[j - 2] + 2 * t[j - 1];
      dd[j] = 2 * w * dd[j - 1] - dd[j - 2] + 4 * d[j - 1];
    }
  }
};

void rkc2_rows(StabilisedScheme& r) {
  const int s = r.stages;
  const double w0 = 1 + 2. / 13 / (double(s) * s);
  const Chebyshev p(w0, s);
  const double w1 = p.d[s] / p.dd[s];
  StabilisedScheme::Row b{};
  for (int j = 2; j <= s; ++j) b[j] = p.dd[j] / (p.d[j] * p.d[j]);
  b[0] = b[1] = b[2];
  r.gain[1] = b[1] * w1;
  for (int j = 2; j <= s; ++j) {
    r.mu[j] = 2 * b[j] * w0 / b[j - 1];
    r.nu[j] = -b[j] / b[j - 2];
    r.gain[j] = 2 * b[j] * w1 / b[j - 1];
    r.first[j] = -(1 - b[j - 1] * p.t[j - 1]) * r.gain[j];
  }
}

void rkl2_rows(StabilisedScheme& r) {
  const int s = r.stages;
  const double w1 = 4. / (double(s) * s + s - 2);
  StabilisedScheme::Row b{};
  for (int j = 2; j <= s; ++j) b[j] = (double(j) * j + j - 2) / (2. * j * (j + 1));
  b[0] = b[1] = b[2] = 1 / 3.;
  r.gain[1] = b[1] * w1;
  for (int j = 2; j <= s; ++j) {
    r.mu[j] = (2. * j - 1) / j * b[j] / b[j - 1];
    r.nu[j] = -(j - 1.) / j * b[j] / b[j - 2];
    r.gain[j] = r.mu[j] * w1;
    r.first[j] = -(1 - b[j - 1]) * r.gain[j];
  }
}

/// Cubic Hermite of y, y1 and the slopes F0, F1 at both ends.
struct Hermite {
  double y, y1, f0, f1;
  Hermite(double x, double h)
      : y((2 * x - 3) * x * x + 1), y1((3 - 2 * x) * x * x), f0(h * ((x - 2) * x + 1) * x), f1(h * (x - 1) * x * x) {}
};

template <class T>
Combination<T> sum_to(T* out, const T* base = nullptr, T r_weight = 0) {
  Combination<T> sum;
  sum.out = out;
  sum.base = base;
  sum.r_weight = r_weight;
  return sum;
}

/// Y_j from Y_{j-1}, Y_{j-2}, y and F0; the pass adds gain_j h F(Y_{j-1}).
template <class T>
Combination<T> stage_sum(const StabilisedScheme& s, int j, double h, T* out, const T* y, const T* before,
                         const T* before2, const T* f0) {
  Combination<T> sum = sum_to<T>(out, nullptr, T(s.gain[j] * h));
  sum.add(T(1 - s.mu[j] - s.nu[j]), y);
  sum.add(T(s.mu[j]), before);
  sum.add(T(s.nu[j]), before2);
  sum.add(T(s.first[j] * h), f0);
  return sum;
}

template <class T>
RhsContext<T> at_time(RhsContext<T> at, double t) {
  at.t = t;
  return at;
}

}  // namespace

StabilisedScheme stabilised_scheme(StabilisedFamily family, int stages) {
  const bool rkl = family == StabilisedFamily::rkl2;
  if (stages < (rkl ? 3 : 2) || stages > StabilisedScheme::kMostStages || (rkl && stages % 2 == 0))
    throw std::invalid_argument("stabilised scheme: no scheme of " + std::to_string(stages) + " stages");
  StabilisedScheme s;
  s.stages = stages;
  rkl ? rkl2_rows(s) : rkc2_rows(s);
  s.c[1] = s.gain[1];
  for (int j = 2; j <= stages; ++j) s.c[j] = s.mu[j] * s.c[j - 1] + s.nu[j] * s.c[j - 2] + s.gain[j] + s.first[j];
  s.c[stages] = 1;
  return s;
}

int stabilised_stages(StabilisedFamily family, double h_radius) {
  if (!(h_radius >= 0)) h_radius = 0;
  if (!(h_radius < 1e8)) return 1 << 20;
  if (family == StabilisedFamily::rkc2) return std::max(2, int(std::ceil(std::sqrt(1 + 1.54 * h_radius))));
  return std::max(3, int(std::ceil((std::sqrt(9 + 8 * h_radius) - 1) / 2)) | 1);
}

template <class T>
Stabilised<T>::Stabilised(StabilisedFamily family, StabilisedSpec spec) : family_(family), spec_(std::move(spec)) {}

template <class T>
double Stabilised<T>::radius_at(const Rhs<T>& rhs, const RhsContext<T>& at, ConstView<T> x) const {
  return spec_.radius > 0 ? spec_.radius : spec_.safety * spectral_radius<T>(rhs, at, x).radius;
}

template <class T>
StabilisedScheme Stabilised<T>::scheme(const Rhs<T>& rhs, const RhsContext<T>& at, const StepIndex& index,
                                       ConstView<T> x) const {
  if (index.stages > 0) return stabilised_scheme(family_, index.stages);
  const int stages = stabilised_stages(family_, index.h * radius_at(rhs, at, x));
  return stabilised_scheme(family_, std::min(stages, StabilisedScheme::kMostStages));
}

template <class T>
TimeGrid Stabilised<T>::time_grid(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                                  ConstStateView<T> conditions, ConstStateView<T> state,
                                  std::span<const double> save_times, Workspace& workspace) const {
  const RhsContext<T> at{exec, index.t, params, conditions, &workspace};
  if (spec_.stepping.adaptive) return adaptive(rhs, at, index.t, state, save_times);
  TimeGrid grid = fixed_grid(spec_.stepping, index.t, save_times, true);
  const double radius = radius_at(rhs, at, state.field());
  for (TimeStep& step : grid.steps) {
    step.stages = stabilised_stages(family_, step.h * radius);
    if (step.stages > spec_.max_stages)
      throw std::invalid_argument("steps of " + std::to_string(step.h) + " at a rate of " + std::to_string(radius) +
                                  " need " + std::to_string(step.stages) + " stages, max_stages is " +
                                  std::to_string(spec_.max_stages));
  }
  return grid;
}

template <class T>
TimeGrid Stabilised<T>::adaptive(const Rhs<T>& rhs, const RhsContext<T>& at, double t0, ConstStateView<T> state,
                                 std::span<const double> save_times) const {
  check_saves(t0, save_times);
  constexpr int kEstimateEvery = 10, kErrorOrder = 3;  // accepted steps; of the estimate
  const Exec& exec = at.exec;
  const std::size_t size = state.size();
  const Shape shape = state.field().shape;
  const auto& control = spec_.stepping.control;
  T* const memory = at.workspace->template get<T>(exec, "stabilised.trial", 4 * size);
  T *now = memory, *next = memory + size, *error = memory + 2 * size, *slope = memory + 3 * size;
  copy_bytes(exec, now, exec.backend, state.data, exec.backend, size * sizeof(T));
  const auto norm = [&](const T* x) { return error_norm<T>(exec, control, shape, x, now, now, *at.workspace).norm; };
  long long evaluations = 0;
  double radius = radius_at(rhs, at, {now, shape}), t = t0;
  int accepted = 0;

  double dt0 = spec_.stepping.dt;
  if (dt0 == 0) {
    rhs.rhs(at, {now, shape}, slope, {});
    dt0 = starting_step(norm(now), norm(slope), 2, [&](double h) {
      Combination<T> ahead = sum_to<T>(next, now);
      ahead.add(T(h), slope);
      write_combinations<T>(exec, Combinations<T>(ahead), nullptr, size);
      Combination<T> change = sum_to<T>(error, nullptr, T(1 / h));
      change.add(T(-1 / h), slope);
      rhs.rhs(at_time(at, at.t + h), {next, shape}, nullptr, Combinations<T>(change));
      return norm(error);
    });
    evaluations += 2;
  }
  const auto attempt = [&](TimeStep& step) -> ErrorMeasure {
    step.stages = stabilised_stages(family_, step.h * radius);
    if (step.stages > spec_.max_stages) return {HUGE_VAL, 0};
    const StepIndex index{.t = step.t, .h = step.h, .stages = step.stages};
    this->step(rhs, exec, index, at.params, at.conditions, {now, state.layout, state.batch},
               {next, state.layout, state.batch}, {}, *at.workspace);
    // 0.8 (y - y1) + 0.4 h (F(y) + F(y1))
    Combination<T> half = sum_to<T>(slope, nullptr, T(0.4 * step.h));
    rhs.rhs(at_time(at, step.t), {now, shape}, nullptr, Combinations<T>(half));
    Combination<T> whole = sum_to<T>(error, slope, T(0.4 * step.h));
    whole.add(T(0.8), now);
    whole.add(T(-0.8), next);
    rhs.rhs(at_time(at, step.t + step.h), {next, shape}, nullptr, Combinations<T>(whole));
    evaluations += step.stages + 2;
    t = step.t + step.h;
    return error_norm<T>(exec, control, shape, error, now, next, *at.workspace);
  };
  const auto accept = [&] {
    std::swap(now, next);
    if (++accepted % kEstimateEvery == 0) radius = radius_at(rhs, at_time(at, t), {now, shape});
  };
  TimeGrid grid = adaptive_grid(spec_.stepping, kErrorOrder, t0, dt0, save_times, true,
                                {attempt, accept, [&] {
                                   return describe_not_finite<T>(exec, {next, state.layout, state.batch});
                                 }});
  grid.statistics.evaluations = evaluations;
  return grid;
}

template <class T>
void Stabilised<T>::step(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                         ConstStateView<T> conditions, ConstStateView<T> state, StateView<T> next,
                         std::span<const Tap<T>> taps, Workspace& workspace) const {
  const RhsContext<T> at{exec, index.t, params, conditions, &workspace};
  const Shape shape = state.field().shape;
  const std::size_t size = state.size();
  const StabilisedScheme s = scheme(rhs, at, index, state.field());
  T* const memory = workspace.get<T>(exec, "stabilised.forward", 4 * size);
  T *const f0 = memory, *const f1 = memory + size, *const stages[2] = {memory + 2 * size, memory + 3 * size};
  rhs.rhs(at, {state.data, shape}, f0, Combinations<T>(sum_to<T>(stages[1], state.data, T(s.gain[1] * index.h))));
  const T *before = stages[1], *before2 = state.data;
  for (int j = 2; j <= s.stages; ++j) {
    T* const out = j == s.stages ? next.data : stages[j % 2];
    rhs.rhs(at_time(at, index.t + s.c[j - 1] * index.h), {before, shape}, nullptr,
            Combinations<T>(stage_sum<T>(s, j, index.h, out, state.data, before, before2, f0)));
    before2 = before;
    before = out;
  }
  if (taps.empty()) return;
  rhs.rhs(at_time(at, index.t + index.h), {next.data, shape}, f1, {});
  for (const Tap<T>& tap : taps) {
    const Hermite w(tap.theta, index.h);
    Combination<T> sum = sum_to<T>(tap.value.data);
    sum.add(T(w.y), state.data);
    sum.add(T(w.y1), next.data);
    sum.add(T(w.f0), f0);
    sum.add(T(w.f1), f1);
    write_combinations<T>(exec, Combinations<T>(sum), nullptr, size);
  }
}

template <class T>
void Stabilised<T>::step_adjoint(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                                 ConstStateView<T> conditions, ConstStateView<T> state, ConstStateView<T> next_bar,
                                 std::span<const Tap<const T>> tap_bars, StateView<T> state_bar, T* params_bar,
                                 Workspace& workspace) const {
  const RhsContext<T> at{exec, index.t, params, conditions, &workspace};
  const Shape shape = state.field().shape;
  const std::size_t size = state.size();
  const StabilisedScheme s = scheme(rhs, at, index, state.field());
  const double h = index.h;
  const int last = tap_bars.empty() ? s.stages - 1 : s.stages;  // the last argument of F
  // F0, cotangents of Y_s, y, F0, F1, two of the stages; then Y_1 ...
  T* const memory = workspace.get<T>(exec, "stabilised.adjoint", std::size_t(7 + last) * size);
  T *const f0 = memory, *const end_bar = memory + size, *const y_bar = memory + 2 * size,
           *const f0_bar = memory + 3 * size, *const f1_bar = memory + 4 * size;
  T* const scaled[2] = {memory + 5 * size, memory + 6 * size};
  const auto stage = [&](int j) { return j == 0 ? state.data : memory + std::size_t(6 + j) * size; };
  const auto stage_at = [&](int j) { return at_time(at, j == 0 ? index.t : index.t + s.c[j] * h); };
  const auto view = [&](const T* x) { return View<const T>{x, shape}; };
  const auto write = [&](const Combination<T>& sum) {
    write_combinations<T>(exec, Combinations<T>(sum), nullptr, size);
  };
  const auto add_to = [&](T* out, double weight, const T* x) {
    Combination<T> sum = sum_to<T>(out, out);
    sum.add(T(weight), x);
    return sum;
  };
  T* const first = memory + 7 * size;
  rhs.rhs(at, view(state.data), f0, Combinations<T>(sum_to<T>(first, state.data, T(s.gain[1] * h))));
  for (int j = 2; j <= last; ++j)
    rhs.rhs(stage_at(j - 1), view(stage(j - 1)), nullptr,
            Combinations<T>(
                stage_sum<T>(s, j, h, memory + std::size_t(6 + j) * size, state.data, stage(j - 1), stage(j - 2), f0)));

  // Cotangent of Y_s; y_bar and f0_bar start with what the taps give.
  write(sum_to<T>(y_bar));
  write(sum_to<T>(f0_bar));
  const T* end = next_bar.data;
  if (!tap_bars.empty()) {
    write(sum_to<T>(f1_bar));
    write(sum_to<T>(end_bar, next_bar.data));
    for (const auto& tap : tap_bars) {
      const Hermite w(tap.theta, h);
      const T* const o = tap.value.data;
      write_combinations<T>(exec, {add_to(y_bar, w.y, o), add_to(end_bar, w.y1, o)}, nullptr, size);
      write_combinations<T>(exec, {add_to(f0_bar, w.f0, o), add_to(f1_bar, w.f1, o)}, nullptr, size);
    }
    rhs.rhs_adjoint(stage_at(s.stages), view(stage(s.stages)), view(f1_bar), nullptr,
                    Combinations<T>(sum_to<T>(end_bar, end_bar, T(1))), params_bar);
    end = end_bar;
  }
  // scaled[j % 2] = gain_j h Yb_j, so that it is the cotangent of F(Y_{j-1})
  const auto pull = [&](int j, const T* x, double scale) {  // x = scale Yb_j
    const double y = j == 1 ? 1 : 1 - s.mu[j] - s.nu[j] + (j == 2 ? s.nu[j] : 0);
    const double f = (j == 1 ? s.gain[1] : s.first[j]) * h;
    write_combinations<T>(exec, {add_to(y_bar, y / scale, x), add_to(f0_bar, f / scale, x)}, nullptr, size);
  };
  pull(s.stages, end, 1);
  Combination<T> start = sum_to<T>(scaled[s.stages % 2]);
  start.add(T(s.gain[s.stages] * h), end);
  write(start);
  for (int j = s.stages; j >= 2; --j) {
    const double gain = s.gain[j - 1];
    Combination<T> sum = sum_to<T>(scaled[(j - 1) % 2], nullptr, T(gain * h));
    sum.add(T(gain * s.mu[j] / s.gain[j]), scaled[j % 2]);
    if (j < s.stages) sum.add(T(gain * s.nu[j + 1] / s.gain[j + 1]), scaled[(j + 1) % 2]);
    rhs.rhs_adjoint(stage_at(j - 1), view(stage(j - 1)), view(scaled[j % 2]), nullptr, Combinations<T>(sum),
                    params_bar);
    pull(j - 1, scaled[(j - 1) % 2], gain * h);
  }
  rhs.rhs_adjoint(at, view(state.data), view(f0_bar), nullptr, Combinations<T>(sum_to<T>(state_bar.data, y_bar, T(1))),
                  params_bar);
}

template <class T>
void register_stabilised(Registry<Solver<T>>& registry) {
  for (const bool legendre : {false, true}) {
    const std::string name = legendre ? "rkl2" : "rkc2";
    Schema schema(name, legendre ? "Stabilised Runge-Kutta-Legendre for diffusion, order 2, stages as needed"
                                 : "Stabilised Runge-Kutta-Chebyshev for diffusion, order 2, stages as needed");
    step_keys(schema, true)
        .number("spectral_radius", 0.0, {0, std::numeric_limits<double>::infinity()},
                "fastest rate of the equation [1 / model time]; 0 = estimated when the grid is made")
        .number("radius_safety", 1.2, {1, 100}, "factor on the estimated rate")
        .integer("max_stages", 99, {3, StabilisedScheme::kMostStages}, "stages of one step, at most");
    registry.add(name, schema, [legendre](const Config& config) {
      StabilisedSpec spec;
      spec.stepping = stepping(config);
      spec.radius = config.get<double>("spectral_radius");
      spec.safety = config.get<double>("radius_safety");
      spec.max_stages = config.get<int>("max_stages");
      return std::make_unique<Stabilised<T>>(legendre ? StabilisedFamily::rkl2 : StabilisedFamily::rkc2, spec);
    });
  }
}

template class Stabilised<float>;
template class Stabilised<double>;
template void register_stabilised(Registry<Solver<float>>&);
template void register_stabilised(Registry<Solver<double>>&);

}  // namespace mg::pde
