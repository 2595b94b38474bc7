#include "cuda/core/for_each.cuh"
#include "cuda/core/reduce.cuh"
#include "train/optimiser_cell.hpp"

namespace mg::train::cuda {
namespace {

/// One thread: a few tensors, a few scalars.
template <class T>
struct Prepare {
  OptimiserSettings settings;
  UpdateArrays<T> arrays;
  __device__ void operator()(std::size_t) const { prepare(settings, arrays); }
};

/// The tensor of element i: offsets[t] <= i < offsets[t + 1].
template <class T>
__device__ std::size_t tensor_of(const UpdateArrays<T>& arrays, std::size_t i) {
  std::size_t low = 0, high = arrays.tensors;
  while (high - low > 1) {
    const std::size_t middle = (low + high) / 2;
    (arrays.offsets[middle] <= i ? low : high) = middle;
  }
  return low;
}

template <class T>
struct Update {
  OptimiserSettings settings;
  UpdateArrays<T> arrays;
  __device__ void operator()(std::size_t i) const {
    if (!arrays.scalars->apply) return;
    const T factor = T(arrays.factors[tensor_of(arrays, i)]);
    update_element(settings, UpdateElement<T>(settings, *arrays.scalars), arrays, i, factor);
  }
};

template <class T>
struct PrepareTrust {
  UpdateArrays<T> arrays;
  __device__ void operator()(std::size_t) const { prepare_trust(arrays); }
};

template <class T>
struct Trust {
  UpdateArrays<T> arrays;
  __device__ void operator()(std::size_t i) const {
    if (arrays.scalars->apply) trust_element(arrays, i, T(arrays.factors[tensor_of(arrays, i)]));
  }
};

template <class T>
struct Accumulate {
  T *mean, *gradient;
  int n;
  bool last;
  __device__ void operator()(std::size_t i) const { accumulate_element(mean[i], gradient[i], n, last); }
};

}  // namespace

template <class T>
void update(CUstream_st* stream, const OptimiserSettings& s, const UpdateArrays<T>& a, Workspace& workspace) {
  if (s.needs_norms())
    mg::cuda::reduce_segments<Add, 3>("optimiser_norms", stream, a.tensors, a.largest,
                                      TensorSumsAt<T>{a.theta, a.gradient, a.offsets}, StoreTensorSums{a.sums},
                                      workspace);
  mg::cuda::for_each_index("optimiser_prepare", stream, 1, Prepare<T>{s, a});
  mg::cuda::for_each_index("optimiser_update", stream, a.size, Update<T>{s, a});
  if (!s.two_passes()) return;
  mg::cuda::reduce_segments<Add, 3>("optimiser_norms", stream, a.tensors, a.largest,
                                    TensorSumsAt<T>{a.theta, a.gradient, a.offsets}, StoreTensorSums{a.sums},
                                    workspace);
  mg::cuda::for_each_index("optimiser_prepare_trust", stream, 1, PrepareTrust<T>{a});
  mg::cuda::for_each_index("optimiser_trust", stream, a.size, Trust<T>{a});
}

template <class T>
void accumulate(CUstream_st* stream, T* mean, T* gradient, std::size_t size, int n, bool last) {
  mg::cuda::for_each_index("optimiser_accumulate", stream, size, Accumulate<T>{mean, gradient, n, last});
}

template void update(CUstream_st*, const OptimiserSettings&, const UpdateArrays<float>&, Workspace&);
template void update(CUstream_st*, const OptimiserSettings&, const UpdateArrays<double>&, Workspace&);
template void accumulate(CUstream_st*, float*, float*, std::size_t, int, bool);
template void accumulate(CUstream_st*, double*, double*, std::size_t, int, bool);

}  // namespace mg::train::cuda
