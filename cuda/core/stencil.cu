#include "core/stencil_run.hpp"
#include "cuda/core/cell_loop.cuh"

namespace mg::cuda {

template <class Op>
void run_stencil_op(CUstream_st* stream, Padding padding, Shape shape, const Op& op) {
  for_lattice_cells("stencil", stream, padding, shape, op);
}

#define MG_INSTANTIATE(Name)                                                                                     \
  template void run_stencil_op(CUstream_st*, Padding, Shape, const stencil_ops::Name<float, 1>&);                \
  template void run_stencil_op(CUstream_st*, Padding, Shape, const stencil_ops::Name<double, 1>&);               \
  template void run_stencil_op(CUstream_st*, Padding, Shape, const stencil_ops::Name<float, kMaxStencilScale>&); \
  template void run_stencil_op(CUstream_st*, Padding, Shape, const stencil_ops::Name<double, kMaxStencilScale>&);
MG_STENCIL_OPS(MG_INSTANTIATE)
#undef MG_INSTANTIATE

}  // namespace mg::cuda
