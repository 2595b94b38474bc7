#pragma once
#include <algorithm>

#include "cuda/core/for_each.cuh"
#include "train/plane_ops.hpp"

// Device halves of train/plane_ops.hpp. Sums run over fixed chunks and fixed trees: no atomics.
namespace mg::train::cuda {

inline constexpr int kSumBlock = 128;

/// Sums the K values of all threads of a block into out[k], as a tree in shared memory.
template <int K>
__device__ void block_sums(const double* mine, double* out) {
  __shared__ double tree[K][kSumBlock];
  const int t = int(threadIdx.x);
  for (int k = 0; k < K; ++k) tree[k][t] = mine[k];
  for (int half = kSumBlock / 2; half > 0; half /= 2) {
    __syncthreads();
    if (t < half)
      for (int k = 0; k < K; ++k) tree[k][t] += tree[k][t + half];
  }
  if (t == 0)
    for (int k = 0; k < K; ++k) out[k] = tree[k][0];
}

/// One block per chunk of a plane.
template <class F>
__global__ void chunk_sums_kernel(F f, std::size_t chunks, std::size_t cells, double* partials) {
  constexpr int K = F::kSums;
  const std::size_t plane = blockIdx.x / chunks, begin = blockIdx.x % chunks * kSumChunk;
  const std::size_t end = begin + kSumChunk < cells ? begin + kSumChunk : cells;
  double mine[K] = {};
  for (std::size_t i = begin + threadIdx.x; i < end; i += kSumBlock) {
    const auto s = f(plane, i);
    for (int k = 0; k < K; ++k) mine[k] += s.v[k];
  }
  block_sums<K>(mine, partials + std::size_t(blockIdx.x) * K);
}

/// One block per sample.
template <int K>
__global__ void sample_sums_kernel(std::size_t per_sample, const double* partials, double* sums) {
  const double* from = partials + blockIdx.x * per_sample * K;
  double mine[K] = {};
  for (std::size_t j = threadIdx.x; j < per_sample; j += kSumBlock)
    for (int k = 0; k < K; ++k) mine[k] += from[j * K + std::size_t(k)];
  block_sums<K>(mine, sums + std::size_t(blockIdx.x) * K);
}

template <class F>
void sample_sums(CUstream_st* stream, Shape shape, const F& f, double* partials, double* sums) {
  const std::size_t chunks = sum_chunks(shape), per_sample = std::size_t(shape.c) * chunks;
  if (shape.size() == 0) return;
  mg::cuda::launch("chunk_sums", {dim3(unsigned(std::size_t(shape.n) * per_sample)), dim3(kSumBlock)}, stream,
                   chunk_sums_kernel<F>, f, chunks, shape.plane(), partials);
  mg::cuda::launch("sample_sums", {dim3(unsigned(shape.n)), dim3(kSumBlock)}, stream, sample_sums_kernel<F::kSums>,
                   per_sample, partials, sums);
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
  template void sample_sums<__VA_ARGS__>(CUstream_st*, Shape, const __VA_ARGS__&, double*, double*)
#define MG_INSTANTIATE_CELLS(...) template void for_plane_cells<__VA_ARGS__>(CUstream_st*, Shape, const __VA_ARGS__&)
#define MG_INSTANTIATE_SAMPLES(...) template void for_samples<__VA_ARGS__>(CUstream_st*, int, const __VA_ARGS__&)
