#pragma once
#include <memory>

#include "core/system.hpp"
#include "pde/rhs.hpp"

namespace mg::pde {

/// How dx/dt = F becomes steps; as the key "solver" of a PDE model describes it. A Solver owns no right-hand side and no
/// state: the functions below get everything they depend on, so that a replayed step gives the same bits.
template <class T>
class Solver {
 public:
  virtual ~Solver() = default;
  Solver() = default;
  Solver(const Solver&) = delete;
  Solver& operator=(const Solver&) = delete;

  /// Blocks of the state beside {"fields" [C,h,w]}: the last slope of implicit schemes that start from it as solved.
  virtual Layout extra_state(int, Grid) const { return {}; }
  /// See System::time_grid.
  virtual TimeGrid time_grid(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                             ConstStateView<T> conditions, ConstStateView<T> state, std::span<const double> save_times,
                             Workspace& workspace) const = 0;
  /// See System::step_tapped. index.t, index.h: the step.
  virtual void step(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                    ConstStateView<T> conditions, ConstStateView<T> state, StateView<T> next,
                    std::span<const Tap<T>> taps, Workspace& workspace) const = 0;
  /// See System::steps.
  virtual void steps(const Rhs<T>& rhs, const Exec& exec, std::span<const StepIndex> indices, const T* params,
                     ConstStateView<T> conditions, ConstStateView<T> state, StateView<T> next,
                     Workspace& workspace) const {
    chain_steps<T>(exec, indices, state, next, workspace,
                   [&](const StepIndex& index, ConstStateView<T> from, StateView<T> to) {
                     step(rhs, exec, index, params, conditions, from, to, {}, workspace);
                   });
  }
  /// See System::step_tapped_adjoint. The stages are computed anew from `state`.
  virtual void step_adjoint(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                            ConstStateView<T> conditions, ConstStateView<T> state, ConstStateView<T> next_bar,
                            std::span<const Tap<const T>> tap_bars, StateView<T> state_bar, T* params_bar,
                            Workspace& workspace) const = 0;
};

}  // namespace mg::pde
