#pragma once
// The slice of the CUDA runtime and device language that the kernels use, for a plain C++ compiler.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "emulator.hpp"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static  // blocks run one after another, the threads of a block share it
#define __syncthreads() ::mg::emulation::block_barrier()
#define __syncwarp(...) ::mg::emulation::warp_barrier()

using cudaStream_t = struct CUstream_st*;
enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2 };
enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
inline const char* cudaGetErrorName(cudaError_t) { return "emulated"; }
inline const char* cudaGetErrorString(cudaError_t) { return "emulated error"; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* n) {
  *n = 1;
  return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
template <class T>
cudaError_t cudaMallocAsync(T** p, std::size_t bytes, cudaStream_t) {
  *p = static_cast<T*>(std::malloc(bytes));
  return *p != nullptr ? cudaSuccess : cudaErrorMemoryAllocation;
}
inline cudaError_t cudaFreeAsync(void* p, cudaStream_t) {
  std::free(p);
  return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                                   cudaStream_t) {
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}

inline cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t) {
  std::memset(p, value, bytes);
  return cudaSuccess;
}

template <class T>
T __shfl_down_sync(unsigned, T value, int delta) {
  return ::mg::emulation::shuffle(value, ::mg::emulation::lane() + delta);
}
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  return ::mg::emulation::shuffle(value, ::mg::emulation::lane() ^ mask);
}
template <class T>
T atomicAdd(T* at, T v) {
  T old = *at;
  *at += v;
  return old;
}

inline unsigned __ballot_sync(unsigned, bool predicate) {
  unsigned bits = 0;
  for (int lane = 0; lane < warpSize; ++lane) bits |= unsigned(::mg::emulation::shuffle(predicate, lane)) << lane;
  return bits;
}
inline int __popc(unsigned v) { return __builtin_popcount(v); }
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
enum cudaDeviceAttr { cudaDevAttrMaxSharedMemoryPerBlockOptin };
template <class F>
cudaError_t cudaFuncSetAttribute(F*, cudaFuncAttribute, int) {
  return cudaSuccess;
}
inline cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 227 * 1024;
  return cudaSuccess;
}
