#pragma once
#include "core/buffer.hpp"
#include "core/macros.hpp"
#include "cuda/core/reduce.cuh"

// Gradients of parameters in kernels with one thread a cell: every block leaves one partial sum per parameter, and the
// partial sums of all blocks are added in one fixed order.
namespace mg::pde::cuda {

inline constexpr int kParamBlock = 256;  ///< threads of a block

/// Block `blockIdx.x` writes partials[blockIdx.x][k] = sum over its threads of p_bar[k]. All threads must call it.
/// @param p_bar     [kParams] of this thread   @param partials  [blocks][kParams] overwritten
template <int kParams, class T>
__device__ void write_partials(const T* p_bar, double* partials) {
  __shared__ double sums[kParamBlock];
  MG_UNROLL
  for (int k = 0; k < kParams; ++k) {
    sums[threadIdx.x] = double(p_bar[k]);
    __syncthreads();
    for (unsigned half = kParamBlock / 2; half > 0; half /= 2) {
      if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
      __syncthreads();
    }
    if (threadIdx.x == 0) partials[std::size_t(blockIdx.x) * kParams + k] = sums[0];
    __syncthreads();
  }
}

struct PartialOf {
  const double* partials;  // [blocks][params]
  std::size_t blocks;
  int params;
  __device__ std::size_t length(std::size_t) const { return blocks; }
  __device__ ReduceValues<1> operator()(std::size_t s, std::size_t i) const { return {{partials[i * params + s]}}; }
};
template <class T>
struct AddReduced {
  T* out;  // [params]
  __device__ void operator()(std::size_t s, const ReduceValues<1>& r) const { out[s] += T(r.v[0]); }
};

/// params_bar += the sums of all blocks.  @param partials  [blocks][params]   @param params_bar  [params] accumulated
template <class T>
void add_partials(const char* name, CUstream_st* stream, const double* partials, std::size_t blocks, int params,
                  T* params_bar, Workspace& workspace) {
  mg::cuda::reduce_segments<Add, 1>(name, stream, std::size_t(params), blocks, PartialOf{partials, blocks, params},
                                    AddReduced<T>{params_bar}, workspace);
}

}  // namespace mg::pde::cuda
