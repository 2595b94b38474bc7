#pragma once
#include <span>

#include "core/buffer.hpp"
#include "core/padding.hpp"
#include "core/view.hpp"
#include "pde/rhs_pass.hpp"

namespace mg::pde::sweep {

/// What all passes of a sweep share.
template <class T>
struct Setting {
  int model;  ///< of MG_REACTIONS
  Padding padding;
  T corner, edge, centre;  // taps of the Laplacian
  const T* params;
  Shape shape;
  std::span<T> temporary;  ///< arrays that lie here are not needed afterwards, and may stay untouched
};

namespace host {  // pde/sweep.cpp

/// Runs `passes` in one sweep over the rows: a pass follows the one that it reads from by as many rows as its stencil
/// needs, so that what lies between them stays in the caches. Every thread has a strip of rows and computes what it needs
/// of its neighbours' rows itself. Every array is written by one pass only, and none that is written is read before. The
/// bits are those of the passes run one by one.
template <class T>
void run(const Setting<T>& setting, std::span<const RhsPass<T>> passes, Workspace& workspace);

/// Steps that one sweep should take over a lattice of this shape: 1 where it stays in the caches anyway.
/// @param passes  of one step
template <class T>
int steps_of_one_sweep(Shape shape, int passes);

/// write_combinations().
template <class T>
void add_up(const Combinations<T>& sums, const T* r, std::size_t size);

}  // namespace host
}  // namespace mg::pde::sweep
