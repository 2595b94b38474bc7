#pragma once
#include "core/registry.hpp"
#include "pde/solver.hpp"
#include "pde/stepping.hpp"
#include "pde/tableau.hpp"

namespace mg::pde {

/// Explicit Runge-Kutta with dense output and its exact discrete adjoint:
///   y1_bar = next_bar + sum_taps w1 o;  K_bar_i = h (b_i y1_bar + sum_taps w_i o + sum_{j>i} a_ji q_j),
///   q_i = (dF/dx)^T K_bar_i at Y_i;  state_bar = y1_bar + sum_taps w0 o + sum_i q_i
/// with o the cotangent of a tap and w its dense weights. Each stage is one call of the right-hand side, which writes the
/// argument of the next one in the same pass. Scratch: workspace "rk.forward", "rk.adjoint", "rk.taps".
template <class T>
class ExplicitRk final : public Solver<T> {
 public:
  /// @param tableau  must outlive the solver: one of tableau.hpp
  /// @throws std::invalid_argument for adaptive steps with a tableau that has no error estimate
  ExplicitRk(const Tableau& tableau, Stepping stepping);

  TimeGrid time_grid(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                     ConstStateView<T> conditions, ConstStateView<T> state, std::span<const double> save_times,
                     Workspace& workspace) const override;
  void step(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, std::span<const Tap<T>> taps,
            Workspace& workspace) const override;
  void steps(const Rhs<T>& rhs, const Exec& exec, std::span<const StepIndex> indices, const T* params,
             ConstStateView<T> conditions, ConstStateView<T> state, StateView<T> next,
             Workspace& workspace) const override;
  void step_adjoint(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                    ConstStateView<T> conditions, ConstStateView<T> state, ConstStateView<T> next_bar,
                    std::span<const Tap<const T>> tap_bars, StateView<T> state_bar, T* params_bar,
                    Workspace& workspace) const override;

 private:
  void advise(const Rhs<T>& rhs, const RhsContext<T>& at, ConstView<T> x, const TimeGrid& grid) const;
  const Tableau& tableau_;
  Stepping stepping_;
  double stability_limit_;  ///< h rate on the negative axis
};

/// Adds the schemes of tableau.hpp under their names.
template <class T>
void register_explicit(Registry<Solver<T>>& registry);

}  // namespace mg::pde
