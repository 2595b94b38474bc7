#include "pde/error_norm.hpp"

#include "cuda/core/reduce.cuh"

namespace mg::pde::cuda {

template <class T>
void reduce_error(CUstream_st* stream, const ScaledError<T>& error, std::size_t segments, double* out,
                  Workspace& workspace) {
  const StoreReduced<double> store{out};
  if (error.squared)
    mg::cuda::reduce_segments<Add, 1>("error_norm", stream, segments, error.n, error, store, workspace);
  else
    mg::cuda::reduce_segments<Max, 1>("error_norm_max", stream, segments, error.n, error, store, workspace);
}
template void reduce_error(CUstream_st*, const ScaledError<float>&, std::size_t, double*, Workspace&);
template void reduce_error(CUstream_st*, const ScaledError<double>&, std::size_t, double*, Workspace&);

}  // namespace mg::pde::cuda
