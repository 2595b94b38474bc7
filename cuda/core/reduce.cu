#include "cuda/core/reduce.cuh"

namespace mg::cuda {

template <class T>
void reduce(CUstream_st* stream, Reduction reduction, const T* data, std::size_t segments, std::size_t length, T* out,
            Workspace& workspace) {
  const ReduceArray<T> value{reduction, data, length};
  if (reduction == Reduction::max || reduction == Reduction::max_abs)
    reduce_segments<Max, 1>("reduce_max", stream, segments, length, value, StoreReduced<T>{out}, workspace);
  else
    reduce_segments<Add, 1>("reduce_sum", stream, segments, length, value, StoreReduced<T>{out}, workspace);
}

template void reduce(CUstream_st*, Reduction, const float*, std::size_t, std::size_t, float*, Workspace&);
template void reduce(CUstream_st*, Reduction, const double*, std::size_t, std::size_t, double*, Workspace&);

}  // namespace mg::cuda
