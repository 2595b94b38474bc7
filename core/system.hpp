#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/buffer.hpp"
#include "core/layout.hpp"

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
};

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

  /// Adjoint of step at the same arguments: state_bar = (d next / d state)^T next_bar is overwritten,
  /// params_bar += (d next / d params)^T next_bar. No aliases.
  virtual void step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                            ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar, T* params_bar,
                            Workspace& workspace) const = 0;

  /// flop credited to one cell and forward step (adjoint counted as twice that); 0 when unknown.
  virtual double flop_per_cell() const { return 0; }
};

}  // namespace mg
