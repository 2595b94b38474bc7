#include "cuda/core/for_each.cuh"
#include "cuda/core/reduce.cuh"
#include "pde/modal_run.hpp"

namespace mg::pde::modal::cuda {

template <class F>
void run_each(CUstream_st* stream, std::size_t n, const F& f) {
  mg::cuda::for_each_index("modal", stream, n, f);
}
template <class Op, class Value>
void run_sums(CUstream_st* stream, std::size_t segments, std::size_t length, const Value& value, double* to,
              Workspace& workspace) {
  mg::cuda::reduce_segments<Op, Value::kSums>("modal_sums", stream, segments, length, value,
                                              StoreSums<Value::kSums>{to}, workspace);
}

#define MG_INSTANTIATE_EACH(Name)                                        \
  template void run_each(CUstream_st*, std::size_t, const Name<float>&); \
  template void run_each(CUstream_st*, std::size_t, const Name<double>&);
#define MG_INSTANTIATE_SUMS(Op, Name)                                                                          \
  template void run_sums<Op>(CUstream_st*, std::size_t, std::size_t, const Name<float>&, double*, Workspace&); \
  template void run_sums<Op>(CUstream_st*, std::size_t, std::size_t, const Name<double>&, double*, Workspace&);
MG_INSTANTIATE_EACH(ExponentialStage)
MG_INSTANTIATE_EACH(ExponentialStageAdjoint)
MG_INSTANTIATE_EACH(ImexStage)
MG_INSTANTIATE_EACH(ImexStageAdjoint)
MG_INSTANTIATE_EACH(Precondition)
MG_INSTANTIATE_EACH(RandomSigns)
MG_INSTANTIATE_EACH(AddValue)
MG_INSTANTIATE_SUMS(Add, TermSums)
MG_INSTANTIATE_SUMS(Add, FitSums)
MG_INSTANTIATE_SUMS(Add, Dots)
MG_INSTANTIATE_SUMS(Add, ScaledSquares)
MG_INSTANTIATE_SUMS(Max, ScaledSquares)
#undef MG_INSTANTIATE_EACH
#undef MG_INSTANTIATE_SUMS

}  // namespace mg::pde::modal::cuda
