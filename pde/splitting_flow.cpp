#include "pde/splitting_flow.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

namespace mg::pde {

using namespace fluids;

/// The arrays of one call.
template <class T>
struct SplittingFlow<T>::Call {
  Exec exec;
  Flow<T> flow;
  Channels<const T> u, forcing;
  T h;
  Shape copies;                 // (n, copies, h, w)
  T *star, *b, *phi, *p, *bar;  // (n, 2 copies, h, w); (n, copies, h, w) three times; (n, 2 copies, h, w)
  Workspace& workspace;

  Call(const Spec& spec, const Exec& ex, double step, const T* params, ConstStateView<T> conditions,
       ConstStateView<T> state, Workspace& space)
      : exec(ex),
        flow(flow_at<T>(spec.flow, params, state.field().shape)),
        u{state.data, 3 * spec.flow.copies, 0},
        forcing(forcing_of<T>(spec.flow, conditions)),
        h(T(step)),
        copies{state.batch, spec.flow.copies, state.field().shape.h, state.field().shape.w},
        workspace(space) {
    star = space.get<T>(ex, "fluids.splitting", 7 * copies.size());
    b = star + 2 * copies.size();
    phi = b + copies.size();
    p = phi + copies.size();
    bar = p + copies.size();
  }
  Channels<T> scalar(T* data) const { return {data, copies.c, 0}; }
  Channels<T> vector(T* data) const { return {data, 2 * copies.c, 0}; }
};

template <class T>
static Channels<const T> constant(Channels<T> a) {
  return {a.data, a.stride, a.first};
}

template <class T>
SplittingFlow<T>::SplittingFlow(const Spec& spec)
    : spec_(spec), projection_(spec.flow, spec.projection), layout_(flow_params(spec.flow, false)) {}

template <class T>
Layout SplittingFlow<T>::state_layout(Grid grid) const {
  Layout layout;
  layout.add("fields", {3 * spec_.flow.copies, grid.h, grid.w});
  return layout;
}

template <class T>
void SplittingFlow<T>::initialise(std::uint64_t, std::span<T> params) const {
  initialise_flow<T>(spec_.flow, params);
}

template <class T>
TimeGrid SplittingFlow<T>::time_grid(const Exec&, const StepIndex& index, const T*, ConstStateView<T>,
                                     ConstStateView<T>, std::span<const double> save_times, Workspace&) const {
  TimeGrid grid;
  for (const double time : save_times) {
    const double ratio = (time - index.t) / spec_.dt, steps = std::round(ratio);
    if (!(std::abs(ratio - steps) <= 1e-9 * std::max(1., steps)) || steps < double(grid.steps.size()) || steps > 1e9)
      throw std::invalid_argument("navier_stokes_splitting: time " + std::to_string(time) +
                                  " is not a later whole number of steps of dt = " + std::to_string(spec_.dt) +
                                  " after " + std::to_string(index.t));
    while (double(grid.steps.size()) < steps)
      grid.steps.push_back({index.t + spec_.dt * double(grid.steps.size()), spec_.dt});
    grid.saves.push_back({int(steps) - 1, 1, true});
  }
  return grid;
}

template <class T>
void SplittingFlow<T>::predict(const Call& call, const T* p, int p_stride, int p_first) const {
  const T beta = p != nullptr ? T(spec_.beta) : T(0);
  run_cells(
      call.exec, spec_.flow.padding, call.copies,
      Momentum<T>{call.flow, call.u, {p, p_stride, p_first}, call.forcing, call.vector(call.star), T(1), call.h, beta});
  run_cells(
      call.exec, spec_.flow.padding, call.copies,
      Divergence<T>{call.flow, projection_.walls(), constant(call.vector(call.star)), call.scalar(call.b), 1 / call.h});
}

template <class T>
void SplittingFlow<T>::start_pressure(const Exec& exec, double h, const T* params, ConstStateView<T> conditions,
                                      ConstStateView<T> state, T* p, Workspace& workspace) const {
  const Call call(spec_, exec, h, params, conditions, state, workspace);
  predict(call, nullptr, 0, 0);
  projection_.solve(exec, {call.b, call.copies}, nullptr, spec_.start_sweeps, p, workspace);
}

template <class T>
void SplittingFlow<T>::step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                            ConstStateView<T> state, StateView<T> next, Workspace& workspace) const {
  const int C = spec_.flow.copies, stride = 3 * C;
  const Call call(spec_, exec, index.h, params, conditions, state, workspace);
  if (spec_.solve_start && index.step == 0) {
    start_pressure(exec, index.h, params, conditions, state, call.p, workspace);
  } else {
    run_cells(exec, spec_.flow.padding, call.copies,
              CopyChannels<T>{call.flow, {state.data, stride, 2 * C}, call.scalar(call.p)});
  }
  predict(call, call.p, C, 0);
  projection_.solve(exec, {call.b, call.copies}, call.p, spec_.projection.sweeps, call.phi, workspace);
  run_cells(exec, spec_.flow.padding, call.copies,
            SubtractGradient<T>{call.flow,
                                constant(call.vector(call.star)),
                                constant(call.scalar(call.phi)),
                                constant(call.scalar(call.p)),
                                {next.data, stride, 0},
                                {next.data, stride, 2 * C},
                                call.h,
                                T(spec_.beta),
                                {}});
}

template <class T>
void SplittingFlow<T>::step_adjoint(const Exec& exec, const StepIndex& index, const T* params,
                                    ConstStateView<T> conditions, ConstStateView<T> state, ConstStateView<T> next_bar,
                                    StateView<T> state_bar, T* params_bar, Workspace& workspace) const {
  const int C = spec_.flow.copies, stride = 3 * C;
  const Padding padding = spec_.flow.padding;
  const bool start = spec_.solve_start && index.step == 0;
  const Call call(spec_, exec, index.h, params, conditions, state, workspace);
  const std::size_t size = call.copies.size();
  T* const more = workspace.get<T>(exec, "fluids.splitting_adjoint", 7 * size);
  T *const phi_bar = more, *const b_bar = more + size, *const p_bar = more + 2 * size, *const u_bar = more + 3 * size,
           *const start_star = more + 5 * size;
  // the step once more
  if (start)
    start_pressure(exec, index.h, params, conditions, state, call.p, workspace);
  else
    run_cells(exec, padding, call.copies, CopyChannels<T>{call.flow, {state.data, stride, 2 * C}, call.scalar(call.p)});
  predict(call, call.p, C, 0);
  projection_.solve(exec, {call.b, call.copies}, call.p, spec_.projection.sweeps, call.phi, workspace);

  const Channels<const T> next_u{next_bar.data, stride, 0}, next_p{next_bar.data, stride, 2 * C};
  const auto p = constant(call.scalar(call.p));
  // what a solve for the pressure gives to rho, from the arrays of the call
  const auto add_rho = [&](const T* star, const T* b_bars, const T* phi, Channels<const T> out_bar, T scale_p) {
    if (params_bar == nullptr) return;
    double* sum = workspace.get<double>(exec, "fluids.rho", 1);
    run_sums(exec, 1,
             ProjectionRho<T>{call.flow,
                              projection_.walls(),
                              {star, 2 * C, 0},
                              {b_bars, C, 0},
                              {phi, C, 0},
                              out_bar,
                              1 / call.h,
                              scale_p,
                              padding,
                              state.batch},
             sum, workspace);
    run_each(exec, 1, AddSum<T>{sum, params_bar + kRho});
  };
  // u_bar of u* with cotangent call.bar, p_bar accumulated, and the parameters
  const auto pull_momentum = [&](T* to, T* to_p, Channels<const T> pressure) {
    const auto bar = constant(call.vector(call.bar));
    const T beta = pressure.data != nullptr ? T(spec_.beta) : T(0);
    run_cells(exec, padding, call.copies,
              MomentumAdjoint<T>{call.flow, call.u, bar, call.vector(to), {to_p, C, 0}, T(1), call.h, beta, {}});
    if (params_bar != nullptr)
      add_flow_params<T>(exec, MomentumParams<T>{call.flow, call.u, pressure, bar, call.h, beta, padding, state.batch},
                         C, layout_.size(), params_bar, workspace);
  };

  run_cells(exec, padding, call.copies,
            SubtractGradientAdjoint<T>{call.flow, next_u, next_p, call.scalar(phi_bar), call.h});
  projection_.solve_adjoint(exec, {phi_bar, call.copies}, spec_.projection.sweeps, b_bar, p_bar, workspace);
  add_rho(call.star, b_bar, call.phi, next_u, call.h);
  run_cells(exec, padding, call.copies,
            DivergenceAdjoint<T>{call.flow, projection_.walls(), constant(call.scalar(b_bar)), next_u,
                                 call.vector(call.bar), 1 / call.h});
  run_cells(exec, padding, call.copies, AddChannels<T>{call.flow, next_p, call.scalar(p_bar), T(spec_.beta)});
  pull_momentum(u_bar, p_bar, p);
  run_cells(exec, padding, {state.batch, 2 * C, call.copies.h, call.copies.w},
            CopyChannels<T>{call.flow, constant(call.vector(u_bar)), {state_bar.data, stride, 0}});
  if (!start) {
    run_cells(exec, padding, call.copies,
              CopyChannels<T>{call.flow, constant(call.scalar(p_bar)), {state_bar.data, stride, 2 * C}});
    return;
  }
  // through the pressure that was solved for at the start; the one of the state was not read
  predict(call, nullptr, 0, 0);
  projection_.solve_adjoint(exec, {p_bar, call.copies}, spec_.start_sweeps, b_bar, nullptr, workspace);
  zero_bytes(exec, start_star, 2 * size * sizeof(T));
  add_rho(call.star, b_bar, call.phi, {start_star, 2 * C, 0}, T(0));
  run_cells(exec, padding, call.copies,
            DivergenceAdjoint<T>{call.flow,
                                 projection_.walls(),
                                 constant(call.scalar(b_bar)),
                                 {start_star, 2 * C, 0},
                                 call.vector(call.bar),
                                 1 / call.h});
  pull_momentum(u_bar, nullptr, {});
  run_cells(exec, padding, {state.batch, 2 * C, call.copies.h, call.copies.w},
            AddChannels<T>{call.flow, constant(call.vector(u_bar)), {state_bar.data, stride, 0}, T(1)});
  zero_bytes(exec, p_bar, size * sizeof(T));
  run_cells(exec, padding, call.copies,
            CopyChannels<T>{call.flow, constant(call.scalar(p_bar)), {state_bar.data, stride, 2 * C}});
}

template <class T>
void register_fluid_systems(Registry<System<T>>& registry) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Schema schema(
      "navier_stokes_splitting",
      "Navier-Stokes flow by Euler steps and a pressure projection; fields: velocity along axis 1, along axis "
      "0, pressure.");
  projection_keys(flow_keys(schema, 0))
      .number("dt", 0.1, {0, kInfinity, true, true}, "step [model time]")
      .number("beta", 0.5, {0, 1}, "share of the old pressure in the prediction")
      .choice("start", "given", {"given", "solve"}, "pressure before the first step: that of the state, or solved for")
      .integer("start_sweeps", 10000, {0, 1 << 24}, "sweeps of Jacobi's method for it");
  registry.add("navier_stokes_splitting", schema, [](const Config& config) {
    typename SplittingFlow<T>::Spec spec;
    spec.flow = flow_spec(config);
    spec.projection = projection_spec(config);
    spec.dt = config.get<double>("dt");
    spec.beta = config.get<double>("beta");
    spec.solve_start = config.get<std::string>("start") == "solve";
    spec.start_sweeps = config.get<int>("start_sweeps");
    return std::make_unique<SplittingFlow<T>>(spec);
  });
}

template class SplittingFlow<float>;
template class SplittingFlow<double>;
template void register_fluid_systems(Registry<System<float>>&);
template void register_fluid_systems(Registry<System<double>>&);

}  // namespace mg::pde
