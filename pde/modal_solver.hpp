#pragma once
#include "core/registry.hpp"
#include "pde/solver.hpp"
#include "pde/stepping.hpp"

namespace mg::pde {

enum class ModalScheme {
  etdrk2,   ///< exponential, order 2
  etdrk4,   ///< exponential, order 4
  kencarp3  ///< implicit-explicit, order 3 with an embedded order 2 and dense output
};

/// Schemes that take the linear part L of a right-hand side (Rhs::linear_part) in the modes of its stencil, exactly or
/// implicitly without any iteration, and N = F - L explicitly. The exponential schemes take of L what couples no channels.
/// States inside a step: of an exponential scheme a shorter step, of kencarp3 its dense output. The adjoint is exact,
/// parameters of L included.
/// @source Cox and Matthews, J. Comput. Phys. 176 (2002); Kennedy and Carpenter, Appl. Numer. Math. 44 (2003), ARK3(2)4L[2]SA
/// @throws std::invalid_argument for a right-hand side without a linear part
template <class T>
class ModalSolver final : public Solver<T> {
 public:
  ModalSolver(ModalScheme scheme, Stepping stepping);

  TimeGrid time_grid(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                     ConstStateView<T> conditions, ConstStateView<T> state, std::span<const double> save_times,
                     Workspace& workspace) const override;
  void step(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, std::span<const Tap<T>> taps,
            Workspace& workspace) const override;
  void step_adjoint(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                    ConstStateView<T> conditions, ConstStateView<T> state, ConstStateView<T> next_bar,
                    std::span<const Tap<const T>> tap_bars, StateView<T> state_bar, T* params_bar,
                    Workspace& workspace) const override;

 private:
  struct Call;
  void forward(const Call& call, const T* state) const;
  void advance(const Call& call, const T* state, T* next) const;
  void backward(const Call& call, const T* state, const T* next_bar, std::span<const Tap<const T>> taps, T* state_bar,
                T* params_bar) const;
  ModalScheme scheme_;
  Stepping stepping_;
};

/// Adds "etdrk2", "etdrk4" and "kencarp3".
template <class T>
void register_modal(Registry<Solver<T>>& registry);

}  // namespace mg::pde
