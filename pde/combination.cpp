#include "pde/combination.hpp"

#include <algorithm>

namespace mg::pde {

namespace host {

/// Cells [begin, begin + n) of one sum, array after array: loops that are vector code.
template <class T>
void write_block(const Combination<T>& sum, const T* r, std::size_t begin, std::size_t n, T* block) {
  if (sum.base != nullptr)
    std::copy_n(sum.base + begin, n, block);
  else
    std::fill_n(block, n, T(0));
  for (int k = 0; k < sum.terms; ++k) {
    const T weight = sum.weight[k];
    const T* const term = sum.term[k] + begin;
    for (std::size_t i = 0; i < n; ++i) block[i] += weight * term[i];
  }
  if (r != nullptr)
    for (std::size_t i = 0; i < n; ++i) block[i] += sum.r_weight * r[begin + i];
  std::copy_n(block, n, sum.out + begin);
}

template <class T>
void write_combinations(const Combinations<T>& sums, const T* r, std::size_t size) {
  constexpr std::size_t kBlock = 1024;
  const long long blocks = (long long)((size + kBlock - 1) / kBlock);
  for (int k = 0; k < sums.count; ++k) {
    const Combination<T> sum = sums.sum[k];
#pragma omp parallel for schedule(static) if (size > 16384)
    for (long long b = 0; b < blocks; ++b) {
      T block[kBlock];
      const std::size_t begin = std::size_t(b) * kBlock;
      write_block(sum, r, begin, std::min(kBlock, size - begin), block);
    }
  }
}

}  // namespace host
#if MG_WITH_CUDA
namespace cuda {
template <class T>
void write_combinations(CUstream_st* stream, const Combinations<T>& sums, const T* r, std::size_t size);
}
#endif

template <class T>
void write_combinations(const Exec& exec, const Combinations<T>& sums, const T* r, std::size_t size) {
  MG_DISPATCH(exec, write_combinations<T>, sums, r, size);
}
template void write_combinations(const Exec&, const Combinations<float>&, const float*, std::size_t);
template void write_combinations(const Exec&, const Combinations<double>&, const double*, std::size_t);

}  // namespace mg::pde
