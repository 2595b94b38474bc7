#include "cuda/core/cell_loop.cuh"
#include "cuda/core/reduce.cuh"
#include "pde/fluids_run.hpp"

namespace mg::pde::fluids::cuda {

template <class Op>
void run_cells(CUstream_st* stream, Padding padding, Shape shape, const Op& op) {
  mg::cuda::for_lattice_cells("fluids", stream, padding, shape, op);
}
template <class Value>
void run_sums(CUstream_st* stream, std::size_t segments, std::size_t length, const Value& value, double* to,
              Workspace& workspace) {
  mg::cuda::reduce_segments<Add, Value::kSums>("fluids_sums", stream, segments, length, value,
                                               StorePartials<Value::kSums>{to}, workspace);
}
template <class F>
void run_each(CUstream_st* stream, std::size_t n, const F& f) {
  mg::cuda::for_each_index("fluids_each", stream, n, f);
}

#define MG_INSTANTIATE_OP(Name)                                              \
  template void run_cells(CUstream_st*, Padding, Shape, const Name<float>&); \
  template void run_cells(CUstream_st*, Padding, Shape, const Name<double>&);
#define MG_INSTANTIATE_SUM(Name)                                                                           \
  template void run_sums(CUstream_st*, std::size_t, std::size_t, const Name<float>&, double*, Workspace&); \
  template void run_sums(CUstream_st*, std::size_t, std::size_t, const Name<double>&, double*, Workspace&);
#define MG_INSTANTIATE_EACH(Name)                                        \
  template void run_each(CUstream_st*, std::size_t, const Name<float>&); \
  template void run_each(CUstream_st*, std::size_t, const Name<double>&);
MG_INSTANTIATE_OP(Momentum)
MG_INSTANTIATE_OP(MomentumAdjoint)
MG_INSTANTIATE_OP(MomentumTangent)
MG_INSTANTIATE_OP(PressureFlow)
MG_INSTANTIATE_OP(PressureFlowAdjoint)
MG_INSTANTIATE_OP(PressureFlowTangent)
MG_INSTANTIATE_OP(Divergence)
MG_INSTANTIATE_OP(DivergenceAdjoint)
MG_INSTANTIATE_OP(SubtractGradient)
MG_INSTANTIATE_OP(SubtractGradientAdjoint)
MG_INSTANTIATE_OP(JacobiSweep)
MG_INSTANTIATE_OP(JacobiSweepAdjoint)
MG_INSTANTIATE_OP(CopyChannels)
MG_INSTANTIATE_OP(AddChannels)
MG_INSTANTIATE_OP(FlipPairs)
MG_INSTANTIATE_OP(InverseWideLaplacian)
MG_INSTANTIATE_SUM(MomentumParams)
MG_INSTANTIATE_SUM(PressureFlowParams)
MG_INSTANTIATE_SUM(ProjectionRho)
MG_INSTANTIATE_EACH(AddParams)
MG_INSTANTIATE_EACH(AddSum)
#undef MG_INSTANTIATE_OP
#undef MG_INSTANTIATE_SUM
#undef MG_INSTANTIATE_EACH

}  // namespace mg::pde::fluids::cuda
