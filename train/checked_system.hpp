#pragma once
#include <atomic>
#include <memory>

#include "core/system.hpp"

namespace mg::train {

/// How far a device step may be from the host's before a checked run stops: relative L2 of a whole array.
struct CheckTolerance {
  double state = 1e-5;     ///< next state and state cotangent
  double gradient = 1e-4;  ///< parameter gradient of one step: a sum over all cells in another order
};

/// The usual `every` of a CheckedSystem: odd and prime, so that every step of a rollout has its turn.
inline constexpr int kCompareEvery = 7;

/// Backend `check`: a System that runs `inner` on the device and, every `every` calls, runs the same step or adjoint on
/// the host from the same inputs and compares. Synchronises on those calls. On the host backend it is `inner` itself.
/// @throws DivergedError naming the array, step and worst element when the two backends disagree
template <class T>
class CheckedSystem final : public System<T> {
 public:
  CheckedSystem(std::unique_ptr<System<T>> inner, int every, CheckTolerance tolerance = {});

  std::string_view type() const override { return inner_->type(); }
  Layout state_layout(Grid grid) const override { return inner_->state_layout(grid); }
  Layout condition_layout(Grid grid) const override { return inner_->condition_layout(grid); }
  const Layout& param_layout() const override { return inner_->param_layout(); }
  void initialise(std::uint64_t seed, std::span<T> params) const override { inner_->initialise(seed, params); }
  TimeGrid time_grid(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                     ConstStateView<T> state, std::span<const double> save_times, Workspace& workspace) const override {
    return inner_->time_grid(exec, index, params, conditions, state, save_times, workspace);
  }
  void step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, Workspace& workspace) const override {
    step_tapped(exec, index, params, conditions, state, next, {}, workspace);
  }
  void step_tapped(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                   ConstStateView<T> state, StateView<T> next, std::span<const Tap<T>> taps,
                   Workspace& workspace) const override;
  void step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                    ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar, T* params_bar,
                    Workspace& workspace) const override {
    step_tapped_adjoint(exec, index, params, conditions, state, next_bar, {}, state_bar, params_bar, workspace);
  }
  void step_tapped_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                           ConstStateView<T> state, ConstStateView<T> next_bar, std::span<const Tap<const T>> tap_bars,
                           StateView<T> state_bar, T* params_bar, Workspace& workspace) const override;
  double flop_per_cell() const override { return inner_->flop_per_cell(); }

  long long comparisons() const { return comparisons_; }

 private:
  bool due(const Exec& exec) const { return exec.backend == Backend::cuda && calls_++ % every_ == 0; }

  std::unique_ptr<System<T>> inner_;
  int every_;
  CheckTolerance tolerance_;
  mutable std::atomic<long long> calls_{0}, comparisons_{0};
  mutable Workspace host_workspace_;
};

}  // namespace mg::train
