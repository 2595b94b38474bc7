#include "cuda/core/sort.cuh"

#include <algorithm>
#include <numeric>
#include <vector>

#include "cuda/core/check.cuh"
#if defined(MG_CUDA_EMULATION)
#include "emulator.hpp"
#else
#include <cub/device/device_radix_sort.cuh>
#endif

// The only file that sorts with CUB. Under emulation the library call runs on the host.
namespace mg::cuda {

#if defined(MG_CUDA_EMULATION)

void sort_pairs(CUstream_st* stream, const unsigned* keys, unsigned* keys_out, const int* values, int* values_out,
                std::size_t n, int bits, Workspace&) {
  const emulation::LibraryCall scope(stream);
  const unsigned mask = bits >= 32 ? ~0U : (1U << bits) - 1;
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return (keys[a] & mask) < (keys[b] & mask); });
  for (std::size_t i = 0; i < n; ++i) {
    keys_out[i] = keys[order[i]];
    values_out[i] = values[order[i]];
  }
}

#else

void sort_pairs(CUstream_st* stream, const unsigned* keys, unsigned* keys_out, const int* values, int* values_out,
                std::size_t n, int bits, Workspace& workspace) {
  std::size_t bytes = 0;
  MG_CUDA_CHECK(
      cub::DeviceRadixSort::SortPairs(nullptr, bytes, keys, keys_out, values, values_out, n, 0, bits, stream));
  void* temporary = workspace.get<std::byte>({Backend::cuda, stream}, "sort.temporary", bytes);
  MG_CUDA_CHECK(
      cub::DeviceRadixSort::SortPairs(temporary, bytes, keys, keys_out, values, values_out, n, 0, bits, stream));
}

#endif

}  // namespace mg::cuda
