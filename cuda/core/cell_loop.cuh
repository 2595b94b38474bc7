#pragma once
#include "core/stencil_cell.hpp"
#include "cuda/core/for_each.cuh"

namespace mg::cuda {

template <class Op>
struct LatticeCall {
  Lattice<true> inside;
  Lattice<false> border;
  int channels;
  Op op;
  __device__ void operator()(std::size_t i) const {
    const int x = int(i % border.w), y = int(i / border.w % border.h);
    const std::size_t plane = i / border.w / border.h;
    const int c = int(plane % channels), n = int(plane / channels), reach = op.reach();
    if (y >= reach && y < border.h - reach && x >= reach && x < border.w - reach)
      op(inside, n, c, y, x);
    else
      op(border, n, c, y, x);
  }
};

/// Device twin of host::for_lattice_cells.
template <class Op>
void for_lattice_cells(const char* name, cudaStream_t stream, Padding padding, Shape shape, const Op& op) {
  for_each_index(name, stream, shape.size(),
                 LatticeCall<Op>{{shape.h, shape.w, padding}, {shape.h, shape.w, padding}, shape.c, op});
}

}  // namespace mg::cuda
