#pragma once
#include "core/registry.hpp"
#include "pde/solver.hpp"
#include "pde/stepping.hpp"

namespace mg::pde {

/// How the stages of an implicit step are solved. 0 = by the precision of the fields.
struct NewtonControl {
  double tolerance = 0;  ///< of the last change of a stage, relative to the size of the state
  int most_newton = 20, most_krylov = 300;
  /// As diffrax 0.7.2: one Jacobian per step, two iterations per stage, whose failure rejects an adaptive step, and whose
  /// result is measured by rtol and atol.
  bool chord_two_iterations = false;
  double rtol = 1e-3, atol = 1e-3;  ///< of that compatibility
  bool max_norm = false;            ///< largest element instead of the root mean square, likewise
};

/// Kvaerno's ESDIRK of order 3 with an embedded order 2, stiffly accurate, without a matrix: Newton's method, whose linear
/// systems GMRES solves with tangents of the right-hand side. Its preconditioner c0 + c1 L + c2 L^2 per channel, inverted
/// in the modes of the lattice, is fitted to the Jacobian at the start of the step. The whole batch is one system.
///   f_1 = the last slope of the step before, as solved (block "slope" of the state; F(y) in the first step)
///   f_i = F(t + c_i h, y + h sum_{j<i} a_ij f_j + h g f_i), i = 2, 3, 4;   y1 = y + h sum b_i f_i
/// States inside a step: cubic through y, y1, f_1 and f_4. The adjoint solves one transposed system per implicit stage.
/// @source Kvaerno, BIT 44 (2004)
template <class T>
class Kvaerno3 final : public Solver<T> {
 public:
  Kvaerno3(Stepping stepping, NewtonControl newton) : stepping_(std::move(stepping)), newton_(newton) {}

  Layout extra_state(int channels, Grid grid) const override;
  TimeGrid time_grid(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                     ConstStateView<T> conditions, ConstStateView<T> state, std::span<const double> save_times,
                     Workspace& workspace) const override;
  /// @throws DivergedError with time and residual when a stage cannot be solved
  void step(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, std::span<const Tap<T>> taps,
            Workspace& workspace) const override;
  void step_adjoint(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                    ConstStateView<T> conditions, ConstStateView<T> state, ConstStateView<T> next_bar,
                    std::span<const Tap<const T>> tap_bars, StateView<T> state_bar, T* params_bar,
                    Workspace& workspace) const override;

 private:
  struct Call;
  std::string solve_stages(const Call& call, const T* y) const;
  bool newton_stage(const Call& call, int i, const T* y, std::string& failure) const;
  bool chord_stage(const Call& call, int i, const T* y, std::string& failure) const;
  Stepping stepping_;
  NewtonControl newton_;
};

/// Adds "kvaerno3".
template <class T>
void register_implicit(Registry<Solver<T>>& registry);

}  // namespace mg::pde
