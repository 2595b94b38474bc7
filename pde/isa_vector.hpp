#pragma once
#include <cstddef>
#include <cstdint>

#include "pde/net_activation.hpp"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

/// Vectors of float or double of the instruction set that the including file is compiled for. Everything lives in namespace
/// MG_ISA, so that no copy is linked in place of another.
namespace mg::pde::MG_ISA {

#if defined(__AVX512F__)
inline constexpr int kBytes = 64, kCols = 4;
#elif defined(__AVX2__)
inline constexpr int kBytes = 32, kCols = 2;
#else
inline constexpr int kBytes = 16, kCols = 2;
#endif
inline constexpr int kRows = 4;  ///< a register tile has kRows x kCols vectors

template <class T>
struct Types;
template <>
struct Types<float> {
  typedef float V __attribute__((vector_size(kBytes)));
  typedef std::int32_t I __attribute__((vector_size(kBytes)));
};
template <>
struct Types<double> {
  typedef double V __attribute__((vector_size(kBytes)));
  typedef std::int64_t I __attribute__((vector_size(kBytes)));
};
template <class T>
using Vec = typename Types<T>::V;
template <class T>
using Int = typename Types<T>::I;
template <class T>
inline constexpr int kLanes = kBytes / int(sizeof(T));
template <class T>
inline constexpr int kBlock = 256 / int(sizeof(T));  ///< cells that go through the networks together

template <class W, class T>
inline W load_as(const T* p) {
  W v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
inline Vec<T> load(const T* p) {
  return load_as<Vec<T>>(p);
}
template <class T, class W>
inline void store(T* p, W v) {
  __builtin_memcpy(p, &v, sizeof v);
}
template <class T>
inline Vec<T> splat(T s) {
  return s - Vec<T>{};  // not V{} + s, which is no copy of -0
}
/// The first `count` values; the other lanes are 0.
template <class T>
inline Vec<T> load_some(const T* p, int count) {
  if (count >= kLanes<T>) return load(p);
  T part[kLanes<T>] = {};
  for (int i = 0; i < count; ++i) part[i] = p[i];
  return load(part);
}
template <class T>
inline void store_some(T* p, Vec<T> v, int count) {
  if (count >= kLanes<T>) return store(p, v);
  T part[kLanes<T>];
  store(part, v);
  for (int i = 0; i < count; ++i) p[i] = part[i];
}

/// A NaN of the second argument stays.
template <class V>
inline V vmax(V bound, V x) {
  return x < bound ? bound : x;
}
template <class V>
inline V vmin(V bound, V x) {
  return x > bound ? bound : x;
}

using F = Vec<float>;
using D = Vec<double>;

inline F reciprocal(F x) {
#if defined(__AVX512F__)
  const F r = F(_mm512_maskz_rcp14_ps(0xFFFF, __m512(x)));
  return r * (splat(2.0F) - x * r);
#else
  return splat(1.0F) / x;
#endif
}

/// e^x, relative error 2e-7; saturates instead of overflowing.
inline F vexp(F x) {
  x = vmin(splat(88.0F), vmax(splat(-87.0F), x));
  const F shift = splat(12582912.0F);
  const F n = (x * splat(1.44269504088896F) + shift) - shift;  // round to nearest
  const F r = (x - n * splat(0.693359375F)) - n * splat(-2.12194440e-4F);
  F p = splat(1.9875691500e-4F);
  p = p * r + splat(1.3981999507e-3F);
  p = p * r + splat(8.3334519073e-3F);
  p = p * r + splat(4.1665795894e-2F);
  p = p * r + splat(1.6666665459e-1F);
  p = p * r + splat(5.0000001201e-1F);
  const Int<float> power = (__builtin_convertvector(n, Int<float>) + 127) << 23;
  F scale;
  __builtin_memcpy(&scale, &power, sizeof scale);
  return (p * r * r + r + splat(1.0F)) * scale;
}
/// The nearest whole number, and 2 to the power of a whole number.
inline F vround(F x) {
#if defined(__AVX512F__)
  return F(_mm512_maskz_roundscale_ps(0xFFFF, __m512(x), 0x08));
#else
  const F shift = splat(12582912.0F);
  return (x + shift) - shift;
#endif
}
inline F vpower(F n) {
#if defined(__AVX512F__)
  return F(_mm512_maskz_scalef_ps(0xFFFF, __m512(splat(1.0F)), __m512(n)));
#else
  return (F)((__builtin_convertvector(n, Int<float>) + 127) << 23);
#endif
}

/// tanh x, relatively within 2e-7, as (1 - e) / (1 + e) with e = 2^(n + r) = e^(-2 |x|). 1 - e has no cancellation: near 0
/// n = 0, and 2^r - 1 is a polynomial without constant term. `slope`, unless null, is 1 - tanh^2 = 4 e / (1 + e)^2.
inline F vtanh(F x, F* slope = nullptr) {
  const F one = splat(1.0F);
  const Int<float> sign = (Int<float>)x & (Int<float>{} - 0x7FFFFFFF - 1);
  const F a = vmin(splat(40.0F), (F)((Int<float>)x ^ sign));
  const F y = a * splat(-2.88539008177793F), n = vround(y), r = y - n, s = vpower(n);
  F p = splat(1.535336188319500e-4F);
  p = p * r + splat(1.339887440266574e-3F);
  p = p * r + splat(9.618437357674640e-3F);
  p = p * r + splat(5.550332471162809e-2F);
  p = p * r + splat(2.402264791363012e-1F);
  p = p * r + splat(6.931472028550421e-1F);
  const F rest = s * (p * r);
  const F inverse = reciprocal((one + s) + rest), t = ((one - s) - rest) * inverse;
  if (slope != nullptr) *slope = splat(4.0F) * (s + rest) * inverse * inverse;
  return (F)((Int<float>)t | sign);
}

/// Functions without a vector form, lane by lane.
template <class V, class Fn>
inline V by_lane(V x, const Fn& fn) {
  for (int i = 0; i < int(sizeof(V) / sizeof(x[0])); ++i) x[i] = fn(x[i]);
  return x;
}
inline D vexp(D x) {
  return by_lane(x, [](double v) { return __builtin_exp(v); });
}
inline D vtanh(D x, D* slope = nullptr) {
  const D t = by_lane(x, [](double v) { return __builtin_tanh(v); });
  if (slope != nullptr) *slope = splat(1.0) - t * t;
  return t;
}
inline F vexpm1(F x) {
  return by_lane(x, [](float v) { return __builtin_expm1f(v); });
}
inline D vexpm1(D x) {
  return by_lane(x, [](double v) { return __builtin_expm1(v); });
}
inline F vlog1p(F x) {
  return by_lane(x, [](float v) { return __builtin_log1pf(v); });
}
inline D vlog1p(D x) {
  return by_lane(x, [](double v) { return __builtin_log1p(v); });
}
inline F vsqrt(F x) {
  return by_lane(x, [](float v) { return __builtin_sqrtf(v); });
}
inline D vsqrt(D x) {
  return by_lane(x, [](double v) { return __builtin_sqrt(v); });
}

/// As net_activate.
template <class T>
inline Vec<T> vactivate(NetActivation a, Vec<T> x) {
  using V = Vec<T>;
  const V zero = V{}, one = splat(T(1));
  switch (a) {
    case NetActivation::relu:
      return vmax(zero, x);
    case NetActivation::tanh:
      return vtanh(x);
    case NetActivation::sigmoid:
      return one / (one + vexp(-x));
    case NetActivation::leaky_relu:
      return x >= zero ? x : splat(T(0.01)) * x;
    case NetActivation::relu6:
      return vmin(splat(T(6)), vmax(zero, x));
    case NetActivation::celu:
      return x > zero ? x : vexpm1(vmin(zero, x));
    case NetActivation::softplus:
      return vmax(zero, x) + vlog1p(vexp(x < zero ? x : -x));
    case NetActivation::sparse_plus:
      return x >= one ? x : (x <= -one ? zero : (x + one) * (x + one) * splat(T(0.25)));
    case NetActivation::linear:
      break;
  }
  return x;
}
/// As net_slope.
template <class T>
inline Vec<T> vslope(NetActivation a, Vec<T> y) {
  using V = Vec<T>;
  const V zero = V{}, one = splat(T(1));
  switch (a) {
    case NetActivation::relu:
      return y > zero ? one : zero;
    case NetActivation::tanh:
      return one - y * y;
    case NetActivation::sigmoid:
      return y * (one - y);
    case NetActivation::leaky_relu:
      return y >= zero ? one : splat(T(0.01));
    case NetActivation::relu6:
      return (y > zero) & (y < splat(T(6))) ? one : zero;
    case NetActivation::celu:
      return y > zero ? one : y + one;
    case NetActivation::softplus:
      return -vexpm1(-y);
    case NetActivation::sparse_plus:
      return y >= one ? one : vsqrt(y);
    case NetActivation::linear:
      break;
  }
  return one;
}

}  // namespace mg::pde::MG_ISA
