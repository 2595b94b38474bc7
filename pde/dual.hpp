#pragma once
#include "core/macros.hpp"

namespace mg::pde {

/// A value with its derivatives in N directions: arithmetic by the chain rule. A comparison looks at the value alone.
template <class T, int N>
struct Dual {
  T v = 0;
  T d[N] = {};
  Dual() = default;
  MG_HD Dual(T value) : v(value) {}
  MG_HD Dual(T value, int direction) : v(value) { d[direction] = 1; }
};

template <class T, int N>
MG_HD Dual<T, N> operator+(Dual<T, N> a, const Dual<T, N>& b) {
  a.v += b.v;
  MG_UNROLL
  for (int k = 0; k < N; ++k) a.d[k] += b.d[k];
  return a;
}
template <class T, int N>
MG_HD Dual<T, N> operator-(Dual<T, N> a, const Dual<T, N>& b) {
  a.v -= b.v;
  MG_UNROLL
  for (int k = 0; k < N; ++k) a.d[k] -= b.d[k];
  return a;
}
template <class T, int N>
MG_HD Dual<T, N> operator*(Dual<T, N> a, const Dual<T, N>& b) {
  MG_UNROLL
  for (int k = 0; k < N; ++k) a.d[k] = a.d[k] * b.v + a.v * b.d[k];
  a.v *= b.v;
  return a;
}
template <class T, int N>
MG_HD Dual<T, N> operator/(Dual<T, N> a, const Dual<T, N>& b) {
  a.v /= b.v;
  MG_UNROLL
  for (int k = 0; k < N; ++k) a.d[k] = (a.d[k] - a.v * b.d[k]) / b.v;
  return a;
}
template <class T, int N>
MG_HD bool operator>(const Dual<T, N>& a, const Dual<T, N>& b) {
  return a.v > b.v;
}

}  // namespace mg::pde
