#include "pde/combination.hpp"

#include "pde/sweep.hpp"

namespace mg::pde {

namespace host {

template <class T>
void write_combinations(const Combinations<T>& sums, const T* r, std::size_t size) {
  sweep::host::add_up(sums, r, size);
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
