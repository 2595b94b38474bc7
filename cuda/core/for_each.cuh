#pragma once
#include <algorithm>
#include <cstddef>

#include "core/view.hpp"
#include "cuda/core/launch.cuh"

namespace mg::cuda {

inline constexpr int kForEachBlock = 256;

template <class F>
__global__ void for_each_index_kernel(std::size_t n, F f) {
  const std::size_t stride = std::size_t(blockDim.x) * gridDim.x;
  for (std::size_t i = std::size_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += stride) f(i);
}

/// Calls the device functor f(i) once for every i in [0, n). First version of every elementwise kernel.
template <class F>
void for_each_index(const char* name, cudaStream_t stream, std::size_t n, const F& f) {
  if (n == 0) return;
  const auto blocks = unsigned(std::min<std::size_t>((n + kForEachBlock - 1) / kForEachBlock, 65535));
  launch(name, {dim3(blocks), dim3(kForEachBlock)}, stream, for_each_index_kernel<F>, n, f);
}

/// Calls the device functor f(n, y, x) once for every cell of `shape`.
template <class F>
struct CellCall {
  Shape shape;
  F f;
  __device__ void operator()(std::size_t i) const {
    f(int(i / shape.w / shape.h), int(i / shape.w % shape.h), int(i % shape.w));
  }
};
template <class F>
void for_each_cell(const char* name, cudaStream_t stream, Shape shape, const F& f) {
  for_each_index(name, stream, shape.cells(), CellCall<F>{shape, f});
}

}  // namespace mg::cuda
