#pragma once
#include <memory>

#include "pde/rhs.hpp"
#include "pde/solver.hpp"

namespace mg::pde {

/// A right-hand side under a solver, as a System: state {"fields" [C,h,w], what the solver adds}. One call of step() is
/// one step of the solver from index.t to index.t + index.h.
template <class T>
class PdeSystem final : public System<T> {
 public:
  PdeSystem(std::unique_ptr<Rhs<T>> rhs, std::unique_ptr<Solver<T>> solver)
      : rhs_(std::move(rhs)), solver_(std::move(solver)) {}

  const Rhs<T>& rhs() const { return *rhs_; }
  std::string_view type() const override { return rhs_->type(); }
  Layout state_layout(Grid grid) const override;
  Layout condition_layout(Grid grid) const override { return rhs_->condition_layout(grid); }
  const Layout& param_layout() const override { return rhs_->param_layout(); }
  void initialise(std::uint64_t seed, std::span<T> params) const override { rhs_->initialise(seed, params); }
  TimeGrid time_grid(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                     ConstStateView<T> state, std::span<const double> save_times, Workspace& workspace) const override;
  void step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, Workspace& workspace) const override;
  void steps(const Exec& exec, std::span<const StepIndex> indices, const T* params, ConstStateView<T> conditions,
             ConstStateView<T> state, StateView<T> next, Workspace& workspace) const override {
    solver_->steps(*rhs_, exec, indices, params, conditions, state, next, workspace);
  }
  void step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                    ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar, T* params_bar,
                    Workspace& workspace) const override;
  void step_tapped(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                   ConstStateView<T> state, StateView<T> next, std::span<const Tap<T>> taps,
                   Workspace& workspace) const override;
  void step_tapped_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                           ConstStateView<T> state, ConstStateView<T> next_bar, std::span<const Tap<const T>> tap_bars,
                           StateView<T> state_bar, T* params_bar, Workspace& workspace) const override;

 private:
  std::unique_ptr<Rhs<T>> rhs_;
  std::unique_ptr<Solver<T>> solver_;
};

}  // namespace mg::pde
