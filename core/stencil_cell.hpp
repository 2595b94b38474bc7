#pragma once
#include <cmath>
#include <cstddef>

#include "core/macros.hpp"
#include "core/padding.hpp"
#include "core/view.hpp"

// Per-cell maths of the stencil operators and their adjoints, written once for every backend. A stencil of capacity R
// has (2r+1)^2 taps, r <= R; with R = 1 the loops have constant bounds.
namespace mg {

template <class T, int R>
struct Stencils {
  static constexpr int kSide = 2 * R + 1;
  int scale = R;             ///< r
  bool axis0_first = false;  ///< derivative 0 runs along axis 0 (original scaled kernels), else along axis 1
  T grad[kSide * kSide];     // [2r+1][2r+1] derivative along axis 1, odd in its column offset
  T lap[kSide * kSide];      // [2r+1][2r+1] symmetric under both reflections and transposition
  T average[kSide * kSide];  // [2r+1][2r+1] likewise

  MG_HD int radius() const {
    if constexpr (R == 1) return 1;
    return scale;
  }
  /// Whether derivative d runs along axis 0.
  MG_HD bool along0(int d) const {
    if constexpr (R == 1) return d == 1;
    return (d == 0) == axis0_first;
  }
  MG_HD int at(int a, int b) const { return (a + radius()) * (2 * radius() + 1) + b + radius(); }
};

/// Reads and folds at cells of one lattice (h, w). `kInside`: the caller promises that nothing leaves the lattice.
template <bool kInside>
struct Lattice {
  int h, w;
  Padding padding;

  /// The padded field: u(y, x) inside, by `padding` outside.
  template <class U>
  MG_HD auto read(const U& u, int y, int x) const {
    if constexpr (kInside) return u(y, x);
    y = padded_index(padding, y, h);
    x = padded_index(padding, x, w);
    using Value = decltype(u(y, x));
    return y < 0 || x < 0 ? Value(0) : u(y, x);
  }

  /// Adjoint of reading with offsets: the sum of term(i, j, a, b) over the cells (i, j) that read (y, x) at the offset
  /// (a, b), -r <= a, b <= r. A border cell stands for several padded positions.
  template <class T, class Term>
  MG_HD T fold(int r, int y, int x, const Term& term) const {
    T sum = 0;
    if constexpr (kInside) {
      for (int a = -r; a <= r; ++a)
        for (int b = -r; b <= r; ++b) sum += term(y - a, x - b, a, b);
    } else {
      for (int p = position(0, r, y, h); p >= 0; p = position(p, r, y, h))
        for (int q = position(0, r, x, w); q >= 0; q = position(q, r, x, w))
          sum += fold_at<T>(r, padded(p, r, y, h), padded(q, r, x, w), term);
    }
    return sum;
  }

 private:
  // Padded positions that may stand for cell k: itself (number 1), then -r .. -1 and n .. n + r - 1.
  static MG_HD int padded(int number, int r, int k, int n) {
    return number == 1 ? k : number <= r + 1 ? 1 - number : n + number - r - 2;
  }
  /// The next number after `number` whose padded position stands for k; -1 after the last.
  MG_HD int position(int number, int r, int k, int n) const {
    for (++number; number <= 2 * r + 1; ++number)
      if (number == 1 || padded_index(padding, padded(number, r, k, n), n) == k) return number;
    return -1;
  }
  template <class T, class Term>
  MG_HD T fold_at(int r, int y, int x, const Term& term) const {
    T sum = 0;
    for (int a = -r; a <= r; ++a)
      for (int b = -r; b <= r; ++b)
        if (y - a >= 0 && y - a < h && x - b >= 0 && x - b < w) sum += term(y - a, x - b, a, b);
    return sum;
  }
};

/// One channel plane as a function of the cell.
template <class T>
struct Plane {
  const T* data;
  int w;
  MG_HD T operator()(int y, int x) const { return data[std::size_t(y) * w + x]; }
};
template <class T>
MG_HD Plane<T> plane_of(const View<const T>& v, int n, int c) {
  return {v.plane(n, c), v.shape.w};
}
template <class T>
MG_HD void store(const View<T>& v, int n, int c, int y, int x, T value, bool add) {
  T& target = v.plane(n, c)[std::size_t(y) * v.shape.w + x];
  target = add ? target + value : value;
}

/// sum_ab k(a, b) u(y + a, x + b)
template <class T, int R, bool I, class U>
MG_HD T correlate_cell(const Stencils<T, R>& s, const T* k, const Lattice<I>& l, const U& u, int y, int x) {
  const int r = s.radius();
  T sum = 0;
  for (int a = -r; a <= r; ++a)
    for (int b = -r; b <= r; ++b) sum += k[s.at(a, b)] * l.read(u, y + a, x + b);
  return sum;
}
/// Away from the border the adjoint of a symmetric stencil is the stencil itself.
template <class T, int R, bool I, class U>
MG_HD T correlate_adjoint_cell(const Stencils<T, R>& s, const T* k, const Lattice<I>& l, const U& u, int y, int x) {
  if constexpr (I)
    return correlate_cell(s, k, l, u, y, x);
  else
    return l.template fold<T>(s.radius(), y, x, [&](int i, int j, int a, int b) { return k[s.at(a, b)] * u(i, j); });
}

/// Derivative d (0 or 1) of u at a cell. Taken as differences of mirrored cells, so that it is exactly 0 across a
/// REFLECT wall and DIFF sees the exact zero that the reference implementation has.
template <class T, int R, bool I, class U>
MG_HD T derivative_cell(const Stencils<T, R>& s, int d, const Lattice<I>& l, const U& u, int y, int x) {
  const int r = s.radius();
  T sum = 0;
  if (s.along0(d)) {
    for (int b = 1; b <= r; ++b)
      for (int a = -r; a <= r; ++a) sum += s.grad[s.at(a, b)] * (l.read(u, y + b, x + a) - l.read(u, y - b, x + a));
  } else {
    for (int a = -r; a <= r; ++a)
      for (int b = 1; b <= r; ++b) sum += s.grad[s.at(a, b)] * (l.read(u, y + a, x + b) - l.read(u, y + a, x - b));
  }
  return sum;
}
/// Away from the border the adjoint of an odd stencil is its negative.
template <class T, int R, bool I, class U>
MG_HD T derivative_adjoint_cell(const Stencils<T, R>& s, int d, const Lattice<I>& l, const U& u, int y, int x) {
  if constexpr (I) {
    return -derivative_cell(s, d, l, u, y, x);
  } else {
    const bool along0 = s.along0(d);
    return l.template fold<T>(s.radius(), y, x, [&](int i, int j, int a, int b) {
      return s.grad[along0 ? s.at(b, a) : s.at(a, b)] * u(i, j);
    });
  }
}

}  // namespace mg
