#pragma once
#include <cstddef>

#include "pde/isa_vector.hpp"
#include "pde/neural_plan.hpp"

/// Rows of a plane with what lies beside them, and the stencils on three of them.
namespace mg::pde::MG_ISA {

using neural::Plan;
using neural::Taps;

/// Whole rows [y0, y0 + rows) of sample n.
template <class T>
struct Unit {
  Unit(const Plan<T>& p, int unit) : n(unit / p.units), y0(unit % p.units * p.unit_rows) {
    rows = p.h - y0 < p.unit_rows ? p.h - y0 : p.unit_rows;
    cells = rows * p.w;
    plane = std::size_t(p.h) * p.w;
    first = std::size_t(y0) * p.w;
  }
  int n, y0, rows, cells;
  std::size_t plane, first;  ///< cells of the lattice; cells of it before the unit
  const T* of(const T* field, int channels, int c) const { return field + (std::size_t(n) * channels + c) * plane; }
  T* of(T* field, int channels, int c) const { return field + (std::size_t(n) * channels + c) * plane; }
};

/// Three neighbouring rows; column 0 at the pointers, two values beside the row on each side.
template <class T>
struct Three {
  const T *above, *here, *below;
};

/// The rows of one plane in ascending order, through a ring that stays in the first cache. For a stencil: the padded
/// field. For the transposed stencil: zeros outside, and beside row y what rows beyond the border owe to it.
template <class T>
class Rows {
 public:
  static constexpr int kMargin = 16, kRing = 4;
  static int stride(const Plan<T>& p) { return kMargin + (p.w + 2 + 15) / 16 * 16 + kMargin; }
  static std::size_t size(const Plan<T>& p) { return std::size_t(kRing + 2) * stride(p); }

  Rows(const Plan<T>& p, const T* plane, int y0, bool transposed, T* memory)
      : p_(p), plane_(plane), memory_(memory), stride_(stride(p)), next_(y0 - 1), transposed_(transposed) {}

  Three<T> at(int y) {
    for (; next_ <= y + 1; ++next_) fill(next_);
    Three<T> three{slot(y - 1), slot(y), slot(y + 1)};
    if (!transposed_) return three;
    if (p_.row_of[0] == y) three.below = sum(kRing, three.below, 0);
    if (p_.row_of[p_.h + 1] == y) three.above = sum(kRing + 1, three.above, p_.h - 1);
    return three;
  }

 private:
  T* slot(int y) { return at_slot((y + 1) & (kRing - 1)); }
  T* at_slot(int k) { return memory_ + k * stride_ + kMargin; }
  void fill(int y) {
    T* to = slot(y);
    const int row = !transposed_ ? p_.row_of[y + 1] : y < 0 || y >= p_.h ? -1 : y;
    if (row < 0) {
      for (int i = -2; i < p_.w + 2; ++i) to[i] = 0;
      return;
    }
    const T* from = plane_ + std::size_t(row) * p_.w;
    int i = 0;
    for (; i + kLanes<T> <= p_.w; i += kLanes<T>) store(to + i, load(from + i));
    for (; i < p_.w; ++i) to[i] = from[i];
    const bool pad = !transposed_ && p_.left >= 0;
    to[-2] = to[p_.w + 1] = 0;
    to[-1] = pad ? from[p_.left] : T(0);
    to[p_.w] = pad ? from[p_.right] : T(0);
  }
  const T* sum(int slot, const T* row, int y) {
    T* to = at_slot(slot);
    for (int i = -2; i < p_.w + 2; ++i) to[i] = row[i];
    for (int i = 0; i < p_.w; ++i) to[i] += plane_[std::size_t(y) * p_.w + i];
    return to;
  }
  const Plan<T>& p_;
  const T* plane_;
  T* memory_;
  int stride_, next_;
  bool transposed_;
};

/// The 3x3 neighbourhood of the cells at a column, as vectors or as one value.
template <class W>
struct Near {
  template <class T>
  Near(const Three<T>& r, int x)
      : a0(load_as<W>(r.above + x - 1)),
        a1(load_as<W>(r.above + x)),
        a2(load_as<W>(r.above + x + 1)),
        b0(load_as<W>(r.here + x - 1)),
        b1(load_as<W>(r.here + x)),
        b2(load_as<W>(r.here + x + 1)),
        d0(load_as<W>(r.below + x - 1)),
        d1(load_as<W>(r.below + x)),
        d2(load_as<W>(r.below + x + 1)) {}
  template <class T>
  W along1(const Taps<T>& t) const {
    return t.grad_side * ((a2 - a0) + (d2 - d0)) + t.grad_axis * (b2 - b0);
  }
  template <class T>
  W along0(const Taps<T>& t) const {
    return t.grad_side * ((d0 - a0) + (d2 - a2)) + t.grad_axis * (d1 - a1);
  }
  template <class T>
  W laplacian(const Taps<T>& t) const {
    return t.lap_corner * ((a0 + a2) + (d0 + d2)) + t.lap_edge * ((a1 + d1) + (b0 + b2)) + t.lap_centre * b1;
  }
  W a0, a1, a2, b0, b1, b2, d0, d1, d2;
};

/// row[x] = fn(x) of a transposed stencil, plus what the columns beyond the border owe; fn takes a column and the kind of
/// value to return.
template <class T, class Fn>
inline void transposed_row(const Plan<T>& p, T* row, bool add, const Fn& fn) {
  for (int x = 0; x < p.w; x += kLanes<T>) {
    const int count = p.w - x;
    const Vec<T> v = fn(x, Vec<T>{});
    store_some(row + x, add ? load_some(row + x, count) + v : v, count);
  }
  if (p.left < 0) return;
  row[p.left] += fn(-1, T());
  row[p.right] += fn(p.w, T());
}

}  // namespace mg::pde::MG_ISA
