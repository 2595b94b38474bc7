#include "core/system.hpp"

#include <cmath>
#include <stdexcept>

namespace mg {

template <class T>
TimeGrid System<T>::time_grid(const Exec&, const StepIndex& index, const T*, ConstStateView<T>, ConstStateView<T>,
                              std::span<const double> save_times, Workspace&) const {
  TimeGrid grid;
  for (const double time : save_times) {
    const double steps = time - index.t;
    if (!(steps >= double(grid.steps.size())) || steps != std::floor(steps) || steps > 1e9 || steps < 1)
      throw std::invalid_argument(std::string(type()) + " counts whole steps: time " + std::to_string(time) +
                                  " is not a later whole number of steps after " + std::to_string(index.t));
    while (double(grid.steps.size()) < steps) grid.steps.push_back({index.t + double(grid.steps.size()), 1});
    grid.saves.push_back({int(steps) - 1, 1, true});
  }
  return grid;
}

template <class T>
void System<T>::step_tapped(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                            ConstStateView<T> state, StateView<T> next, std::span<const Tap<T>> taps,
                            Workspace& workspace) const {
  if (!taps.empty()) throw std::logic_error(std::string(type()) + " has no states between its steps");
  step(exec, index, params, conditions, state, next, workspace);
}

template <class T>
void System<T>::step_tapped_adjoint(const Exec& exec, const StepIndex& index, const T* params,
                                    ConstStateView<T> conditions, ConstStateView<T> state, ConstStateView<T> next_bar,
                                    std::span<const Tap<const T>> tap_bars, StateView<T> state_bar, T* params_bar,
                                    Workspace& workspace) const {
  if (!tap_bars.empty()) throw std::logic_error(std::string(type()) + " has no states between its steps");
  step_adjoint(exec, index, params, conditions, state, next_bar, state_bar, params_bar, workspace);
}

template class System<float>;
template class System<double>;

}  // namespace mg
