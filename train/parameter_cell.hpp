#pragma once
#include <cstddef>

#include "core/macros.hpp"

// What happens to parameters and gradients beside the update rule, element by element.
namespace mg::train {

/// theta = max(theta, 0).
template <class T>
struct KeepNonNegative {
  T* theta;
  MG_HD void operator()(std::size_t, std::size_t i) const { theta[i] = theta[i] > T(0) ? theta[i] : T(0); }
};

/// The gradient is bounded as if it were the step: g = -theta where theta + g < 0.
template <class T>
struct BoundGradient {
  const T* theta;
  T* gradient;
  MG_HD void operator()(std::size_t, std::size_t i) const {
    if (theta[i] + gradient[i] < T(0)) gradient[i] = -theta[i];
  }
};

}  // namespace mg::train
