#pragma once
#include "pde/projection.hpp"

namespace mg::pde {

/// Pressure splitting with explicit Euler steps; state {"fields" [3 copies, h, w]}: velocity u, pressure p. One step:
///   u* = u + h (-(u . grad) u - beta grad p / rho + nu lap u + f),   lap phi = rho div u* / h
///   u' = u* - h grad phi / rho,   p' = phi + beta p
/// With a solved start, the pressure of the state before the first step (StepIndex::step 0) is not read: it is phi of u*
/// without a pressure. @source the reference implementation; Chorin, J. Comput. Phys. 2 (1967)
template <class T>
class SplittingFlow final : public System<T> {
 public:
  struct Spec {
    FlowSpec flow;
    ProjectionSpec projection;
    double dt = 0.1, beta = 0.5;
    bool solve_start = false;
    int start_sweeps = 10000;
  };
  explicit SplittingFlow(const Spec& spec);

  std::string_view type() const override { return "navier_stokes_splitting"; }
  Layout state_layout(Grid grid) const override;
  Layout condition_layout(Grid grid) const override { return fluids::flow_conditions(spec_.flow, grid); }
  const Layout& param_layout() const override { return layout_; }
  void initialise(std::uint64_t seed, std::span<T> params) const override;
  /// Steps of dt; saves are whole numbers of them after index.t.
  TimeGrid time_grid(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                     ConstStateView<T> state, std::span<const double> save_times, Workspace& workspace) const override;
  void step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, Workspace& workspace) const override;
  void step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                    ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar, T* params_bar,
                    Workspace& workspace) const override;
  /// p (n, copies, h, w) of a solved start.
  void start_pressure(const Exec& exec, double h, const T* params, ConstStateView<T> conditions,
                      ConstStateView<T> state, T* p, Workspace& workspace) const;

 private:
  struct Call;
  /// u* and the source b of the pressure, with the pressure p (null = none).
  void predict(const Call& call, const T* p, int p_stride, int p_first) const;
  Spec spec_;
  fluids::Projection<T> projection_;
  Layout layout_;
};

}  // namespace mg::pde
