#pragma once
#include <algorithm>
#include <bit>
#include <cmath>

#include "core/macros.hpp"

// e^x and tanh(x) without branches or library calls, for loops that shall become vector code. In float within 3e-7; in
// double they are the library's.
namespace mg {

/// Saturates at x = -87 and 88.
MG_HD float lane_exp(float x) {
  const float c = std::min(std::max(x, -87.0F), 88.0F);
  const float n = (c * 1.44269504088896F + 12582912.0F) - 12582912.0F;  // round to nearest
  const float r = (c - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  return (p * r * r + r + 1.0F) * std::bit_cast<float>((int(n) + 127) << 23);
}
MG_HD float lane_tanh(float x) {
  const float a = std::abs(x), s = x * x;
  float p = -5.70498872745e-3F;
  p = p * s + 2.06390887954e-2F;
  p = p * s - 5.37397155531e-2F;
  p = p * s + 1.33314422036e-1F;
  p = p * s - 3.33332819422e-1F;
  const float near = p * s * x + x;
  const float far = std::copysign(1.0F - 2.0F / (lane_exp(2 * a) + 1.0F), x);
  return a < 0.625F ? near : far;
}
MG_HD double lane_exp(double x) { return std::exp(x); }
MG_HD double lane_tanh(double x) { return std::tanh(x); }

}  // namespace mg
