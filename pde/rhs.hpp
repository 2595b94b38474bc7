#pragma once
#include <span>
#include <string_view>

#include "core/buffer.hpp"
#include "core/layout.hpp"
#include "core/system.hpp"
#include "pde/combination.hpp"
#include "pde/linear_part.hpp"
#include "pde/rhs_pass.hpp"

namespace mg::pde {

/// What a right-hand side sees besides the fields. All arrays live where `exec` runs.
template <class T>
struct RhsContext {
  Exec exec;
  double t = 0;                  ///< [model time]
  const T* params = nullptr;     // [param_layout().size()]
  ConstStateView<T> conditions;  ///< of condition_layout(grid): obstacles, boundary values; may be empty
  Workspace* workspace = nullptr;
};

/// F of dx/dt = F(t, x; params, conditions) on fields x of (n, channels, h, w), with hand-derived adjoint and tangent.
/// A solver (pde_system.hpp) makes it a System. Implementations are stateless between calls.
template <class T>
class Rhs {
 public:
  virtual ~Rhs() = default;
  Rhs() = default;
  Rhs(const Rhs&) = delete;
  Rhs& operator=(const Rhs&) = delete;

  virtual std::string_view type() const = 0;
  virtual int channels() const = 0;
  virtual Layout condition_layout(Grid) const { return {}; }
  virtual const Layout& param_layout() const = 0;
  /// Fills `params` (host memory) with the initial values of `seed`.
  virtual void initialise(std::uint64_t seed, std::span<T> params) const = 0;

  /// slope = F(t, x), and in the same pass sums.write(i, slope_i): what a Runge-Kutta stage needs next.
  /// @param slope  (n, channels, h, w) overwritten; null = not wanted
  /// No output may alias x; outputs of `sums` may alias their own terms.
  virtual void rhs(const RhsContext<T>& at, ConstView<T> x, T* slope, const Combinations<T>& sums) const = 0;
  /// x_bar = (dF/dx)^T slope_bar, and in the same pass sums.write(i, x_bar_i);
  /// params_bar += (dF/dparams)^T slope_bar.
  /// @param x_bar       overwritten; null = only `sums` are wanted
  /// @param params_bar  accumulated; null = not wanted
  virtual void rhs_adjoint(const RhsContext<T>& at, ConstView<T> x, ConstView<T> slope_bar, T* x_bar,
                           const Combinations<T>& sums, T* params_bar) const = 0;
  /// slope_dot = (dF/dx) x_dot, overwritten: the Jacobian that Newton-Krylov solvers multiply with.
  virtual void rhs_tangent(const RhsContext<T>& at, ConstView<T> x, ConstView<T> x_dot, T* slope_dot) const = 0;

  /// `passes` of an explicit scheme on fields of this shape, in their order: by default one call of rhs() after another.
  /// Every array is written by one pass at most, and not read before.
  /// @param at         its t is not used, every pass has its own
  /// @param temporary  what lies here is not read afterwards; it may stay unwritten
  virtual void run_passes(const RhsContext<T>& at, Shape shape, std::span<const RhsPass<T>> passes,
                          std::span<T> temporary) const;
  /// How many steps of so many passes run_passes() should take at once. Where it is more than 1, no memory stands behind
  /// temporary arrays: each is one element of `temporary`, and only its address counts.
  virtual int steps_at_once(const Exec&, Shape, int) const { return 1; }

  /// What implicit-explicit and exponential solvers take apart; no terms: nothing. The same for every t and x.
  virtual LinearPart linear_part() const { return {}; }

  /// flop credited to one cell and evaluation; 0 when unknown.
  virtual double flop_per_cell() const { return 0; }
};

}  // namespace mg::pde
