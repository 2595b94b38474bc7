#pragma once
#include "core/reduce.hpp"
#include "cuda/core/launch.cuh"

// Device twin of host::reduce_segments: the same chunks, lanes and stages, hence the same order of operations.
namespace mg::cuda {

/// All lanes of the block reduce value(begin) .. value(end - 1); the result is valid in lane 0 only.
template <class Op, int K, class Value>
__device__ ReduceValues<K> reduce_range(const Value& value, std::size_t begin, std::size_t end) {
  __shared__ double lanes[K][kReduceLanes];
  const int t = int(threadIdx.x);
  ReduceValues<K> sum;
  for (int k = 0; k < K; ++k) sum.v[k] = Op::identity();
  for (std::size_t i = begin + t; i < end; i += kReduceLanes) {
    const ReduceValues<K> x = value(i);
    for (int k = 0; k < K; ++k) sum.v[k] = Op::combine(sum.v[k], x.v[k]);
  }
  for (int k = 0; k < K; ++k) lanes[k][t] = sum.v[k];
  __syncthreads();
  if (t < kReduceHeads)
    for (int k = 0; k < K; ++k)
      for (int u = t + kReduceHeads; u < kReduceLanes; u += kReduceHeads)
        lanes[k][t] = Op::combine(lanes[k][t], lanes[k][u]);
  __syncthreads();
  if (t == 0)
    for (int k = 0; k < K; ++k) {
      sum.v[k] = Op::identity();
      for (int u = 0; u < kReduceHeads; ++u) sum.v[k] = Op::combine(sum.v[k], lanes[k][u]);
    }
  return sum;
}

template <class Value>
struct ReduceSegmentAt {
  const Value& value;
  std::size_t segment;
  __device__ auto operator()(std::size_t i) const { return value(segment, i); }
};
template <int K>
struct ReducePartialAt {
  const ReduceValues<K>* partials;
  __device__ ReduceValues<K> operator()(std::size_t i) const { return partials[i]; }
};

template <class Op, int K, class Value, class Store>
__global__ void reduce_chunks_kernel(Value value, Store store, std::size_t chunks, ReduceValues<K>* partials) {
  const std::size_t s = blockIdx.x / chunks, c = blockIdx.x % chunks, length = value.length(s);
  const std::size_t begin = c * kReduceChunk, end = begin + kReduceChunk;
  const ReduceValues<K> r = reduce_range<Op, K>(ReduceSegmentAt<Value>{value, s}, begin < length ? begin : length,
                                                end < length ? end : length);
  if (threadIdx.x != 0) return;
  if (chunks == 1)
    store(s, r);
  else
    partials[blockIdx.x] = r;
}

template <class Op, int K, class Store>
__global__ void reduce_partials_kernel(Store store, std::size_t chunks, const ReduceValues<K>* partials) {
  const ReduceValues<K> r = reduce_range<Op, K>(ReducePartialAt<K>{partials + blockIdx.x * chunks}, 0, chunks);
  if (threadIdx.x == 0) store(std::size_t(blockIdx.x), r);
}

/// As host::reduce_segments; `value` and `store` are device functors. Partial results: workspace "reduce.partials".
template <class Op, int K, class Value, class Store>
void reduce_segments(const char* name, cudaStream_t stream, std::size_t segments, std::size_t max_length,
                     const Value& value, const Store& store, Workspace& workspace) {
  if (segments == 0) return;
  const std::size_t chunks = std::max<std::size_t>(1, (max_length + kReduceChunk - 1) / kReduceChunk);
  ReduceValues<K>* partials = nullptr;
  if (chunks > 1)
    partials = workspace.get<ReduceValues<K>>({Backend::cuda, stream}, "reduce.partials", segments * chunks);
  launch(name, {dim3(unsigned(segments * chunks)), dim3(kReduceLanes)}, stream,
         reduce_chunks_kernel<Op, K, Value, Store>, value, store, chunks, partials);
  if (chunks > 1)
    launch(name, {dim3(unsigned(segments)), dim3(kReduceLanes)}, stream, reduce_partials_kernel<Op, K, Store>, store,
           chunks, partials);
}

}  // namespace mg::cuda
