#include "pde/rhs.hpp"

namespace mg::pde {

template <class T>
void Rhs<T>::run_passes(const RhsContext<T>& at, Shape shape, std::span<const RhsPass<T>> passes, std::span<T>) const {
  RhsContext<T> here = at;
  for (const RhsPass<T>& pass : passes) {
    here.t = pass.t;
    rhs(here, {pass.x, shape}, pass.slope, pass.sums);
  }
}

template class Rhs<float>;
template class Rhs<double>;

}  // namespace mg::pde
