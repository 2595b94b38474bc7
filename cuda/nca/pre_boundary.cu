#include "nca/pre_boundary.hpp"

#include "cuda/core/for_each.cuh"
#include "nca/boundary_cell.hpp"

namespace mg::nca::cuda {

template <class T>
void apply_boundary(CUstream_st* stream, Boundary kind, View<const T> y, View<const T> mask, View<T> out) {
  mg::cuda::for_each_index("apply_boundary", stream, y.shape.size(), ApplyBoundary<T>{kind, y, mask, out});
}
template <class T>
void apply_boundary_adjoint(CUstream_st* stream, Boundary kind, View<const T> out_bar, View<const T> mask,
                            View<T> y_bar) {
  mg::cuda::for_each_index("apply_boundary_adjoint", stream, out_bar.shape.size(),
                           ApplyBoundaryAdjoint<T>{kind, out_bar, mask, y_bar});
}

#define MG_INSTANTIATE(T)                                                                         \
  template void apply_boundary<T>(CUstream_st*, Boundary, View<const T>, View<const T>, View<T>); \
  template void apply_boundary_adjoint<T>(CUstream_st*, Boundary, View<const T>, View<const T>, View<T>);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::nca::cuda
