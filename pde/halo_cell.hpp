#pragma once
#include <cstddef>

#include "core/macros.hpp"
#include "core/padding.hpp"
#include "core/reduce.hpp"
#include "pde/combination.hpp"

// What surrounds a lattice. A field (n, channels, h, w) is extended by one cell on each side to (n, planes, h + 2, w + 2);
// stencils then read without looking at borders. A padded side copies a cell, a valued side holds a u + b du/dn = g midway
// between the outermost cell and its ghost:
//   ghost = gain inner + scale g,   gain = (b / dx - a / 2) / (b / dx + a / 2),   scale = 1 / (b / dx + a / 2)
// Rows are extended first, then columns of the extended rows.
namespace mg::pde {

inline constexpr int kMaxHaloFields = 3;  ///< fields and intermediate fields of a model
enum Side { kTop, kBottom, kLeft, kRight, kSides };

/// A valued side of one field.
template <class T>
struct SideValue {
  bool valued = false;
  T gain = 0, scale = 0;
  T constant = 0;  ///< g, when it is no parameter
  int param = -1;  ///< index of g among the parameters
  MG_HD T value(const T* p) const { return param < 0 ? constant : p[param]; }
};

template <class T>
struct Surroundings {
  int h = 0, w = 0;
  Padding padding = Padding::circular;
  SideValue<T> side[kMaxHaloFields][kSides];

  /// ghost = gain (cell `source`) + offset
  struct Ghost {
    int source;
    T gain, offset;
  };
  /// What position k of an axis of n cells, -1 <= k <= n, holds.
  MG_HD Ghost ghost(const SideValue<T>& before, const SideValue<T>& after, int k, int n, const T* p) const {
    if (k >= 0 && k < n) return {k, 1, 0};
    const SideValue<T>& s = k < 0 ? before : after;
    if (s.valued) return {k < 0 ? 0 : n - 1, s.gain, p == nullptr ? T(0) : s.scale * s.value(p)};
    const int source = padded_index(padding, k, n);
    return {source < 0 ? 0 : source, source < 0 ? T(0) : T(1), 0};
  }
  MG_HD Ghost row(int field, int y, const T* p) const {
    return ghost(side[field][kTop], side[field][kBottom], y, h, p);
  }
  MG_HD Ghost column(int field, int x, const T* p) const {
    return ghost(side[field][kLeft], side[field][kRight], x, w, p);
  }
};

/// Extends `fields` channels into the planes first .. of z. Linear part only when p is null.
template <class T>
struct FillHalo {
  static constexpr int kParams = 0;
  Surroundings<T> around;
  const T* p;
  const T* x;  // (n, fields, h, w)
  T* z;        // (n, planes, h + 2, w + 2)
  int fields, first, planes;
  MG_HD void operator()(int n, int i, int j, T*) const {
    const int W = around.w + 2;
    for (int c = 0; c < fields; ++c) {
      const auto r = around.row(first + c, i - 1, p), q = around.column(first + c, j - 1, p);
      const T inner = x[((std::size_t(n) * fields + c) * around.h + r.source) * around.w + q.source];
      const T row = r.gain == 0 ? r.offset : r.gain * inner + r.offset;
      z[((std::size_t(n) * planes + first + c) * (around.h + 2) + i) * W + j] =
          q.gain == 0 ? q.offset : q.gain * row + q.offset;
    }
  }
};

/// x_bar = adjoint of the linear part of FillHalo, and the sums of x_bar.
template <class T>
struct FoldHalo {
  static constexpr int kParams = 0;
  Surroundings<T> around;
  const T* z_bar;        // (n, planes, h + 2, w + 2)
  T* x_bar;              // (n, fields, h, w) or null
  Combinations<T> sums;  // of x_bar
  int fields, first, planes;
  MG_HD void operator()(int n, int y, int x, T*) const {
    const int H = around.h + 2, W = around.w + 2, h = around.h, w = around.w;
    for (int c = 0; c < fields; ++c) {
      const T* bar = z_bar + (std::size_t(n) * planes + first + c) * H * W;
      const bool inside = y > 1 && y < h - 2 && x > 1 && x < w - 2;  // no ghost copies it
      T sum = inside ? bar[(y + 1) * W + x + 1] : T(0);
      for (int a = inside ? 3 : 0; a < 3; ++a) {
        const int i = a == 0 ? y : a == 1 ? -1 : h;
        const auto r = around.row(first + c, i, nullptr);
        if (r.source != y || r.gain == 0) continue;
        for (int b = 0; b < 3; ++b) {
          const int j = b == 0 ? x : b == 1 ? -1 : w;
          const auto q = around.column(first + c, j, nullptr);
          if (q.source == x && q.gain != 0) sum += r.gain * q.gain * bar[(i + 1) * W + j + 1];
        }
      }
      const std::size_t at = ((std::size_t(n) * fields + c) * h + y) * w + x;
      if (x_bar != nullptr) x_bar[at] = sum;
      sums.write(at, sum);
    }
  }
};

/// Gradient of the values: segment field kSides + side has one term for each ghost of that side.
template <class T>
struct SideBar {
  Surroundings<T> around;
  const T* z_bar;  // (n, planes, h + 2, w + 2)
  int n, planes;
  MG_HD std::size_t length(std::size_t segment) const {
    return std::size_t(n) * (int(segment) % kSides < kLeft ? around.w + 2 : around.h + 2);
  }
  MG_HD ReduceValues<1> operator()(std::size_t segment, std::size_t k) const { return {{term(segment, k)}}; }
  MG_HD double term(std::size_t segment, std::size_t k) const {
    const int field = int(segment) / kSides, s = int(segment) % kSides, H = around.h + 2, W = around.w + 2;
    const SideValue<T>& value = around.side[field][s];
    if (!value.valued) return 0;
    const int along = s < kLeft ? W : H, sample = int(k / along), at = int(k % along);
    const T* bar = z_bar + (std::size_t(sample) * planes + field) * H * W;
    if (s >= kLeft) return double(value.scale * bar[std::size_t(at) * W + (s == kLeft ? 0 : W - 1)]);
    const auto q = around.column(field, at - 1, nullptr);
    return q.gain == 0 ? 0.0 : double(value.scale * q.gain * bar[std::size_t(s == kTop ? 0 : H - 1) * W + at]);
  }
};

/// open(y, x) = 1 - obstacle, extended like a padded field; 1 outside ZEROS and valued sides.
template <class T>
struct FillOpen {
  static constexpr int kParams = 0;
  Surroundings<T> around;
  const T* obstacle;  // (n, h, w) 0 or 1
  T* open;            // (n, h + 2, w + 2)
  MG_HD void operator()(int n, int i, int j, T*) const {
    const int y = padded_index(around.padding, i - 1, around.h), x = padded_index(around.padding, j - 1, around.w);
    const bool solid = y >= 0 && x >= 0 && obstacle[(std::size_t(n) * around.h + y) * around.w + x] > T(0.5);
    open[(std::size_t(n) * (around.h + 2) + i) * (around.w + 2) + j] = solid ? T(0) : T(1);
  }
};

}  // namespace mg::pde
