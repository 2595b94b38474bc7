#include "core/reduce.hpp"

namespace mg {

namespace host {
template <class T>
void reduce(Reduction reduction, const T* data, std::size_t segments, std::size_t length, T* out,
            Workspace& workspace) {
  const ReduceArray<T> value{reduction, data, length};
  if (reduction == Reduction::max || reduction == Reduction::max_abs)
    reduce_segments<Max, 1>(segments, length, value, StoreReduced<T>{out}, workspace);
  else
    reduce_segments<Add, 1>(segments, length, value, StoreReduced<T>{out}, workspace);
}
}  // namespace host

#if MG_WITH_CUDA
namespace cuda {  // cuda/core/reduce.cu
template <class T>
void reduce(CUstream_st* stream, Reduction reduction, const T* data, std::size_t segments, std::size_t length, T* out,
            Workspace& workspace);
}  // namespace cuda
#endif

template <class T>
void reduce(const Exec& exec, Reduction reduction, const T* data, std::size_t segments, std::size_t length, T* out,
            Workspace& workspace) {
  if (segments == 0) return;
  MG_DISPATCH(exec, reduce, reduction, data, segments, length, out, workspace);
}

template void reduce(const Exec&, Reduction, const float*, std::size_t, std::size_t, float*, Workspace&);
template void reduce(const Exec&, Reduction, const double*, std::size_t, std::size_t, double*, Workspace&);

}  // namespace mg
