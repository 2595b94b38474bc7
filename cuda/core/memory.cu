#include <cuda_runtime.h>

#include <cstddef>
#include <cstdio>

#include "cuda/core/check.cuh"

// Device memory behind core/buffer.hpp: allocated, cleared and freed in the order of a stream.
namespace mg::cuda {

void* allocate_bytes(CUstream_st* stream, std::size_t bytes) {
  void* data = nullptr;
  MG_CUDA_CHECK(cudaMallocAsync(&data, bytes, stream));
  return data;
}

void free_bytes(CUstream_st* stream, void* data) noexcept {
  const cudaError_t status = cudaFreeAsync(data, stream);
  if (status != cudaSuccess) std::fprintf(stderr, "cudaFreeAsync: %s\n", cudaGetErrorString(status));
}

void zero_bytes(CUstream_st* stream, void* data, std::size_t bytes) {
  MG_CUDA_CHECK(cudaMemsetAsync(data, 0, bytes, stream));
}

void copy_bytes(CUstream_st* stream, void* to, const void* from, std::size_t bytes) {
  MG_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream));
}

void synchronise(CUstream_st* stream) { MG_CUDA_CHECK(cudaStreamSynchronize(stream)); }

}  // namespace mg::cuda
