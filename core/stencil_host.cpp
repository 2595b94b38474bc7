#include "core/cell_loop.hpp"
#include "core/stencil_run.hpp"

namespace mg::host {

template <class Op>
void run_stencil_op(Padding padding, Shape shape, const Op& op) {
  for_lattice_cells(padding, shape, op);
}

#define MG_INSTANTIATE(Name)                                                                       \
  template void run_stencil_op(Padding, Shape, const stencil_ops::Name<float, 1>&);                \
  template void run_stencil_op(Padding, Shape, const stencil_ops::Name<double, 1>&);               \
  template void run_stencil_op(Padding, Shape, const stencil_ops::Name<float, kMaxStencilScale>&); \
  template void run_stencil_op(Padding, Shape, const stencil_ops::Name<double, kMaxStencilScale>&);
MG_STENCIL_OPS(MG_INSTANTIATE)
#undef MG_INSTANTIATE

}  // namespace mg::host
