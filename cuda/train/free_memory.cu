#include <cuda_runtime.h>

#include "cuda/core/check.cuh"
#include "train/free_memory.hpp"

namespace mg::train::cuda {

/// Of the current device; emulated devices do not know.
std::size_t free_memory() {
  std::size_t free = 0;
#if !defined(MG_CUDA_EMULATION)
  std::size_t total = 0;
  MG_CUDA_CHECK(cudaMemGetInfo(&free, &total));
#endif
  return free;
}

}  // namespace mg::train::cuda
