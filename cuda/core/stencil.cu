#include "core/stencil_run.hpp"
#include "cuda/core/for_each.cuh"

namespace mg::cuda {
namespace {

template <class Op>
struct StencilCall {
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

}  // namespace

template <class Op>
void run_stencil_op(CUstream_st* stream, Padding padding, Shape shape, const Op& op) {
  for_each_index("stencil", stream, shape.size(),
                 StencilCall<Op>{{shape.h, shape.w, padding}, {shape.h, shape.w, padding}, shape.c, op});
}

#define MG_INSTANTIATE(Name)                                                                                     \
  template void run_stencil_op(CUstream_st*, Padding, Shape, const stencil_ops::Name<float, 1>&);                \
  template void run_stencil_op(CUstream_st*, Padding, Shape, const stencil_ops::Name<double, 1>&);               \
  template void run_stencil_op(CUstream_st*, Padding, Shape, const stencil_ops::Name<float, kMaxStencilScale>&); \
  template void run_stencil_op(CUstream_st*, Padding, Shape, const stencil_ops::Name<double, kMaxStencilScale>&);
MG_STENCIL_OPS(MG_INSTANTIATE)
#undef MG_INSTANTIATE

}  // namespace mg::cuda
