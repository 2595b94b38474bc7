#pragma once
#include "core/stencil.hpp"
#include "core/stencil_ops_cell.hpp"

// How a public operator reaches its per-cell functor on either backend.
namespace mg {

/// The taps of a StencilSet at the capacity R of a functor.
template <class T, int R>
Stencils<T, R> stencils_of(const StencilSet<T>& set) {
  Stencils<T, R> s;
  s.scale = set.scale;
  s.axis0_first = set.axis0_first;
  const Taps<T>& along1 = set.axis0_first ? set.grad1 : set.grad0;
  for (std::size_t i = 0; i < along1.size(); ++i) {
    s.grad[i] = along1[i];
    s.lap[i] = set.lap[i];
    s.average[i] = set.average[i];
  }
  return s;
}

// A functor over every cell of (n, c, h, w), on its backend. Instantiated for the functors of stencil_ops at R = 1 and
// R = kMaxStencilScale.
namespace host {
template <class Op>
void run_stencil_op(Padding padding, Shape shape, const Op& op);
}
namespace cuda {
template <class Op>
void run_stencil_op(CUstream_st* stream, Padding padding, Shape shape, const Op& op);
}

/// Runs the functor make(stencils) over the cells of `shape`; `make` takes Stencils of any capacity.
template <class T, class Make>
void run_stencil(const Exec& exec, const StencilSet<T>& set, Shape shape, const Make& make) {
  if (shape.size() == 0) return;
  if (set.scale == 1)
    MG_DISPATCH(exec, run_stencil_op, set.padding, shape, make(stencils_of<T, 1>(set)));
  else
    MG_DISPATCH(exec, run_stencil_op, set.padding, shape, make(stencils_of<T, kMaxStencilScale>(set)));
}

}  // namespace mg

/// All functors as X(name), for explicit instantiation.
#define MG_STENCIL_OPS(X) \
  X(Copy)                 \
  X(Correlate)            \
  X(CorrelateAdjoint)     \
  X(Grad)                 \
  X(GradAdjoint)          \
  X(GradNorm)             \
  X(GradNormAdjoint)      \
  X(Div) X(DivAdjoint) X(NonlinearDiffusion) X(NonlinearDiffusionAdjoint) X(MatDiff) X(MatDiffAdjoint)
