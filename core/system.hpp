#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/buffer.hpp"
#include "core/layout.hpp"
#include "core/time_grid.hpp"

namespace mg {

/// Extent of the lattice a state lives on; parameters do not depend on it.
struct Grid {
  int h = 0, w = 0;
  friend bool operator==(const Grid&, const Grid&) = default;
};

/// Everything a step may depend on besides state, conditions and parameters.
struct StepIndex {
  std::uint64_t seed = 0;
  std::int64_t iteration = 0;  ///< training iteration: keys the random numbers of the whole rollout
  int step = 0;                ///< 0-based step inside the rollout
  std::int64_t sample0 = 0;    ///< global index of sample 0; sample n of the batch is sample0 + n
  double t = 0, h = 1;         ///< time before the step and its length [model time]
  int stages = 0;              ///< TimeStep::stages of the step
};

/// A state wanted inside a step, at t + theta h: written by the step, or its cotangent, read by the adjoint.
template <class T>
struct Tap {
  double theta = 1;
  StateView<T> value;
};

/// Calls step(index, from, to) for all `indices`, from `state` to `next` by way of one more state in the workspace.
template <class T, class Step>
void chain_steps(const Exec& exec, std::span<const StepIndex> indices, ConstStateView<T> state, StateView<T> next,
                 Workspace& workspace, const Step& step) {
  T* const between = indices.size() > 1 ? workspace.get<T>(exec, "system.steps", state.size()) : nullptr;
  ConstStateView<T> from = state;
  for (std::size_t k = 0; k < indices.size(); ++k) {
    const StateView<T> to{(indices.size() - k) % 2 == 1 ? next.data : between, next.layout, next.batch};
    step(indices[k], from, to);
    from = {to.data, to.layout, to.batch};
  }
}

/// A differentiable dynamical system: x' = step(x; parameters, conditions, index) with a hand-derived adjoint.
/// T is float or double. All arrays live where `exec` runs. Implementations are stateless between calls: scratch
/// memory comes from the Workspace, which the caller keeps.
template <class T>
class System {
 public:
  virtual ~System() = default;
  System() = default;
  System(const System&) = delete;
  System& operator=(const System&) = delete;

  virtual std::string_view type() const = 0;
  /// Blocks of one sample, e.g. {"cells" [C,h,w]}.
  virtual Layout state_layout(Grid grid) const = 0;
  /// Per-sample data that does not evolve, e.g. {"boundary" [m,h,w]}; empty when there is none.
  virtual Layout condition_layout(Grid) const { return {}; }
  virtual const Layout& param_layout() const = 0;
  /// Fills `params` (host memory, param_layout().size()) with the initial values of `seed`.
  virtual void initialise(std::uint64_t seed, std::span<T> params) const = 0;

  /// next = step(state). `next` is overwritten and must not alias `state`.
  virtual void step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                    ConstStateView<T> state, StateView<T> next, Workspace& workspace) const = 0;

  /// At least one step, one for each index: the bits of step() one after another. `next` is the last state; the others
  /// are not kept.
  virtual void steps(const Exec& exec, std::span<const StepIndex> indices, const T* params,
                     ConstStateView<T> conditions, ConstStateView<T> state, StateView<T> next,
                     Workspace& workspace) const {
    chain_steps<T>(exec, indices, state, next, workspace,
                   [&](const StepIndex& index, ConstStateView<T> from, StateView<T> to) {
                     step(exec, index, params, conditions, from, to, workspace);
                   });
  }

  /// Adjoint of step at the same arguments: state_bar = (d next / d state)^T next_bar is overwritten,
  /// params_bar += (d next / d params)^T next_bar. No aliases.
  virtual void step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                            ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar, T* params_bar,
                            Workspace& workspace) const = 0;

  /// The steps from `index.t` that reach all of `save_times` (non-decreasing, none before index.t), for this batch and
  /// these parameters; what an adaptive solver tried and accepted. By default unit steps, with times that are whole
  /// numbers of steps after index.t.
  /// @throws std::invalid_argument for times that cannot be reached, DivergedError when no step is accepted
  virtual TimeGrid time_grid(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                             ConstStateView<T> state, std::span<const double> save_times, Workspace& workspace) const;
  /// As step(), and every tap gets the state at t + theta h. Only systems whose time_grid() has saves that are not
  /// exact see taps; the others throw std::logic_error when there are any.
  virtual void step_tapped(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                           ConstStateView<T> state, StateView<T> next, std::span<const Tap<T>> taps,
                           Workspace& workspace) const;
  /// Adjoint of step_tapped: as step_adjoint() with the cotangents of the taps beside next_bar.
  virtual void step_tapped_adjoint(const Exec& exec, const StepIndex& index, const T* params,
                                   ConstStateView<T> conditions, ConstStateView<T> state, ConstStateView<T> next_bar,
                                   std::span<const Tap<const T>> tap_bars, StateView<T> state_bar, T* params_bar,
                                   Workspace& workspace) const;

  /// flop credited to one cell and forward step (adjoint counted as twice that); 0 when unknown.
  virtual double flop_per_cell() const { return 0; }
};

}  // namespace mg
