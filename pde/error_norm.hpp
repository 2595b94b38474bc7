#pragma once
#include "core/buffer.hpp"
#include "core/reduce.hpp"
#include "core/view.hpp"
#include "pde/stepping.hpp"

namespace mg::pde {

/// Channels that may have tolerances of their own.
inline constexpr int kMostTolerances = 64;

/// err over tolerance, tolerance = atol[channel] + rtol max(|y|, |y1|); where y1 is NaN, of |y|.
template <class T>
struct ScaledError {
  const T *err, *y, *y1;  // [segments][n]
  std::size_t n;          // cells of one plane
  int channels;           ///< of atol: segment s has channel s % channels
  bool squared;
  T rtol, atol[kMostTolerances];
  MG_HD std::size_t length(std::size_t) const { return n; }
  MG_HD ReduceValues<1> operator()(std::size_t s, std::size_t i) const {
    const std::size_t at = s * n + i;
    const T a = y[at] < 0 ? -y[at] : y[at], b = y1[at] < 0 ? -y1[at] : y1[at];
    const T ratio = err[at] / (atol[s % std::size_t(channels)] + rtol * (b > a ? b : a));
    return {{squared ? double(ratio) * double(ratio) : double(ratio < 0 ? -ratio : ratio)}};
  }
};

/// The error norm E of a step, and the channel with the largest share of it.
struct ErrorMeasure {
  double norm = 0;  ///< infinite when not finite
  int channel = 0;
};

/// E = sqrt(mean ratio^2) over everything handed in, or max |ratio|; ratios as in ScaledError. Waits for the device.
/// The order of the sum depends on the shape alone.
/// @param err, y, y1  (n, c, h, w) each
/// @throws std::invalid_argument when channel_atol has neither no nor c elements
template <class T>
ErrorMeasure error_norm(const Exec& exec, const StepControl& control, Shape shape, const T* err, const T* y,
                        const T* y1, Workspace& workspace);

}  // namespace mg::pde
