#pragma once
#include <algorithm>
#include <type_traits>

#include "core/stencil_cell.hpp"

namespace mg::host {

/// The vectorised part of a row. A small functor comes by value, so that no store can change its taps.
template <class Op>
using ByValueIfSmall = std::conditional_t<(sizeof(Op) <= 2048), const Op, const Op&>;
template <class Op>
[[gnu::flatten, gnu::noinline]] void inside_row(ByValueIfSmall<Op> op, Lattice<true> lattice, int n, int c, int y,
                                                int left, int right) {
#pragma omp simd
  for (int x = left; x < right; ++x) op(lattice, n, c, y, x);
}

/// Calls op(lattice, n, c, y, x) for every cell of (n, c, h, w), each once, in any order; a call writes only what it
/// owns. Rows that are at least op.reach() from the border run through plain indices (Lattice<true>) and vectorise; the
/// rest goes through the padding. The device twin is in cuda/core/cell_loop.cuh.
template <class Op>
void for_lattice_cells(Padding padding, Shape shape, const Op& op) {
  const Lattice<true> inside{shape.h, shape.w, padding};
  const Lattice<false> border{shape.h, shape.w, padding};
  const int reach = op.reach(), left = std::min(reach, shape.w), right = std::max(left, shape.w - reach);
  const long long rows = (long long)(shape.n) * shape.c * shape.h;
#pragma omp parallel for schedule(static) if (rows * shape.w > 4096)
  for (long long row = 0; row < rows; ++row) {
    const int y = int(row % shape.h), c = int(row / shape.h % shape.c), n = int(row / shape.h / shape.c);
    const bool plain = y >= reach && y < shape.h - reach;
    if (plain) inside_row<Op>(op, inside, n, c, y, left, right);
    for (int x = 0; x < (plain ? left : shape.w); ++x) op(border, n, c, y, x);
    for (int x = plain ? right : shape.w; x < shape.w; ++x) op(border, n, c, y, x);
  }
}

}  // namespace mg::host
