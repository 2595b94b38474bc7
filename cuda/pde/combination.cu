#include "pde/combination.hpp"

#include "cuda/core/for_each.cuh"

namespace mg::pde::cuda {

template <class T>
struct WriteCombinations {
  Combinations<T> sums;
  const T* r;
  __device__ void operator()(std::size_t i) const { sums.write(i, r != nullptr ? r[i] : T(0)); }
};

template <class T>
void write_combinations(CUstream_st* stream, const Combinations<T>& sums, const T* r, std::size_t size) {
  mg::cuda::for_each_index("write_combinations", stream, size, WriteCombinations<T>{sums, r});
}
template void write_combinations(CUstream_st*, const Combinations<float>&, const float*, std::size_t);
template void write_combinations(CUstream_st*, const Combinations<double>&, const double*, std::size_t);

}  // namespace mg::pde::cuda
