#pragma once
#include "core/activation.hpp"
#include "nca/isa_vector.hpp"

/// Activations on vectors, within 2e-7 of core/activation.hpp.
namespace mg::nca::MG_ISA {

/// e^x, relative error 2e-7; saturates instead of overflowing.
inline V vexp(V x) {
  x = vmin(vmax(x, splat(-87.0F)), splat(88.0F));
  const V shift = splat(12582912.0F);
  const V n = (x * splat(1.44269504088896F) + shift) - shift;  // round to nearest
  const V r = (x - n * splat(0.693359375F)) - n * splat(-2.12194440e-4F);
  V p = splat(1.9875691500e-4F);
  p = p * r + splat(1.3981999507e-3F);
  p = p * r + splat(8.3334519073e-3F);
  p = p * r + splat(4.1665795894e-2F);
  p = p * r + splat(1.6666665459e-1F);
  p = p * r + splat(5.0000001201e-1F);
  const Vi power = (__builtin_convertvector(n, Vi) + 127) << 23;
  V scale;
  __builtin_memcpy(&scale, &power, sizeof scale);
  return (p * r * r + r + splat(1.0F)) * scale;
}
inline V vsigmoid(V x) { return splat(1.0F) / (splat(1.0F) + vexp(-x)); }
inline V vtanh(V x) {
  const V a = vmax(x, -x), s = x * x;
  V p = splat(-5.70498872745e-3F);
  p = p * s + splat(2.06390887954e-2F);
  p = p * s + splat(-5.37397155531e-2F);
  p = p * s + splat(1.33314422036e-1F);
  p = p * s + splat(-3.33332819422e-1F);
  const V near = p * s * x + x;
  const V far = splat(1.0F) - splat(2.0F) / (vexp(a + a) + splat(1.0F));
  return select(a < splat(0.625F), near, select(x < V{}, -far, far));
}

/// a(x) and, where `slope` is asked for, a'(x).
inline V vactivate(Activation kind, V x, V* slope) {
  const V zero = V{}, one = splat(1.0F);
  switch (kind) {
    case Activation::relu:
      if (slope) *slope = select(x > zero, one, zero);
      return vmax(x, zero);
    case Activation::tanh: {
      const V t = vtanh(x);
      if (slope) *slope = one - t * t;
      return t;
    }
    case Activation::sigmoid: {
      const V s = vsigmoid(x);
      if (slope) *slope = s * (one - s);
      return s;
    }
    case Activation::swish: {
      const V s = vsigmoid(x);
      if (slope) *slope = s * (one + x * (one - s));
      return x * s;
    }
    case Activation::gelu: {
      const V k = splat(0.7978845608028654F), t = vtanh(k * (x + splat(0.044715F) * x * x * x));
      const V half = splat(0.5F);
      if (slope) *slope = half * (one + t) + half * x * (one - t * t) * k * (one + splat(3 * 0.044715F) * x * x);
      return half * x * (one + t);
    }
    case Activation::leaky_relu:
      if (slope) *slope = select(x >= zero, one, splat(0.01F));
      return select(x >= zero, x, splat(0.01F) * x);
    case Activation::relu6:
      if (slope) *slope = select((x > zero) & (x < splat(6.0F)), one, zero);
      return vmin(vmax(x, zero), splat(6.0F));
    case Activation::linear:
      break;
  }
  if (slope) *slope = one;
  return x;
}

}  // namespace mg::nca::MG_ISA
