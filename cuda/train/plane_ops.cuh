#pragma once
#include "cuda/core/for_each.cuh"
#include "cuda/core/reduce.cuh"
#include "train/plane_ops.hpp"

// Device halves of train/plane_ops.hpp.
namespace mg::train::cuda {

template <class F>
void sample_sums(CUstream_st* stream, Shape shape, const F& f, double* partials, double* sums, Workspace& workspace) {
  constexpr int K = F::kSums;
  const auto channels = std::size_t(shape.c);
  mg::cuda::reduce_segments<Add, K>("plane_sums", stream, std::size_t(shape.n) * channels, shape.plane(),
                                    PlaneValues<F>{f, shape.plane()}, StoreSums<K>{partials}, workspace);
  mg::cuda::reduce_segments<Add, K>("sample_sums", stream, std::size_t(shape.n), channels,
                                    SampleValues<K>{partials, channels}, StoreSums<K>{sums}, workspace);
}

template <class F>
struct PlaneCellCall {
  F f;
  std::size_t cells;
  __device__ void operator()(std::size_t i) const { f(i / cells, i % cells); }
};
template <class F>
void for_plane_cells(CUstream_st* stream, Shape shape, const F& f) {
  mg::cuda::for_each_index("plane_cells", stream, shape.size(), PlaneCellCall<F>{f, shape.plane()});
}

template <class F>
struct SampleCall {
  F f;
  __device__ void operator()(std::size_t i) const { f(int(i)); }
};
template <class F>
void for_samples(CUstream_st* stream, int n, const F& f) {
  mg::cuda::for_each_index("samples", stream, std::size_t(n), SampleCall<F>{f});
}

}  // namespace mg::train::cuda

/// Explicit instantiation of the device halves for one functor type.
#define MG_INSTANTIATE_SUMS(...) \
  template void sample_sums<__VA_ARGS__>(CUstream_st*, Shape, const __VA_ARGS__&, double*, double*, Workspace&)
#define MG_INSTANTIATE_CELLS(...) template void for_plane_cells<__VA_ARGS__>(CUstream_st*, Shape, const __VA_ARGS__&)
#define MG_INSTANTIATE_SAMPLES(...) template void for_samples<__VA_ARGS__>(CUstream_st*, int, const __VA_ARGS__&)
