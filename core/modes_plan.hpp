#pragma once
#include <cmath>

#include "core/buffer.hpp"
#include "core/macros.hpp"
#include "core/padding.hpp"
#include "core/view.hpp"

// The two halves behind core/modes.hpp: z = Q W^(+-1/2) x, or the inverse.
namespace mg {

/// Factors along one axis of n cells, before and after its RealTransform (core/fft.hpp), that make it Q W^(+-1/2) or the
/// inverse of that.
struct ModeFactors {
  double before = 1, after = 1;
};
MG_HD ModeFactors mode_factors(Padding padding, int n, int i, bool inverse, bool transposed) {
  ModeFactors f;
  if (padding == Padding::circular) {
    f.after = 1 / sqrt(double(n));
  } else if (padding == Padding::zeros) {
    f.after = sqrt(0.5 / (n + 1));
  } else if (padding == Padding::replicate) {
    if (inverse)
      f.before = i == 0 ? 1 / sqrt(double(n)) : sqrt(0.5 / n);
    else
      f.after = i == 0 ? sqrt(0.25 / n) : sqrt(0.5 / n);
  } else {
    const bool edge = i == 0 || i == n - 1;
    const double unit = sqrt(0.5 / (n - 1)), gamma = edge ? sqrt(0.5) : 1;
    if (inverse) {
      f.before = unit / gamma;
      if (transposed) f.after = gamma * gamma;
    } else {
      if (transposed) f.before = 1 / (gamma * gamma);
      f.after = unit * gamma;
    }
  }
  return f;
}

namespace host {
template <class T>
void transform_modes(Padding padding, View<const T> x, T* z, bool inverse, bool transposed, Workspace& workspace);
}
namespace cuda {  // cuda/core/modes.cu
template <class T>
void transform_modes(CUstream_st* stream, Padding padding, View<const T> x, T* z, bool inverse, bool transposed,
                     Workspace& workspace);
}

}  // namespace mg
