#include "pde/pde_system.hpp"

namespace mg::pde {

template <class T>
Layout PdeSystem<T>::state_layout(Grid grid) const {
  Layout layout;
  layout.add("fields", {rhs_->channels(), grid.h, grid.w});
  const Layout extra = solver_->extra_state(rhs_->channels(), grid);
  for (const Block& block : extra.blocks()) layout.add(block.name, block.dims);
  return layout;
}

template <class T>
TimeGrid PdeSystem<T>::time_grid(const Exec& exec, const StepIndex& index, const T* params,
                                 ConstStateView<T> conditions, ConstStateView<T> state,
                                 std::span<const double> save_times, Workspace& workspace) const {
  return solver_->time_grid(*rhs_, exec, index, params, conditions, state, save_times, workspace);
}

template <class T>
void PdeSystem<T>::step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                        ConstStateView<T> state, StateView<T> next, Workspace& workspace) const {
  step_tapped(exec, index, params, conditions, state, next, {}, workspace);
}

template <class T>
void PdeSystem<T>::step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                                ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar,
                                T* params_bar, Workspace& workspace) const {
  step_tapped_adjoint(exec, index, params, conditions, state, next_bar, {}, state_bar, params_bar, workspace);
}

template <class T>
void PdeSystem<T>::step_tapped(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                               ConstStateView<T> state, StateView<T> next, std::span<const Tap<T>> taps,
                               Workspace& workspace) const {
  solver_->step(*rhs_, exec, index, params, conditions, state, next, taps, workspace);
}

template <class T>
void PdeSystem<T>::step_tapped_adjoint(const Exec& exec, const StepIndex& index, const T* params,
                                       ConstStateView<T> conditions, ConstStateView<T> state,
                                       ConstStateView<T> next_bar, std::span<const Tap<const T>> tap_bars,
                                       StateView<T> state_bar, T* params_bar, Workspace& workspace) const {
  solver_->step_adjoint(*rhs_, exec, index, params, conditions, state, next_bar, tap_bars, state_bar, params_bar,
                        workspace);
}

template class PdeSystem<float>;
template class PdeSystem<double>;

}  // namespace mg::pde
