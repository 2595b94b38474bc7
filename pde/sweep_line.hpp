#pragma once
#include <cstddef>

/// One row of one pass. Read by files that are compiled once per instruction set: plain data only.
namespace mg::pde::sweep {

/// A row of every field: field c begins at p + c stride.
template <class T>
struct RowOf {
  T* p = nullptr;
  std::size_t stride = 0;
};

/// Columns [x0, x1) of a row; x0 is a whole number of vectors, and so is x1 unless it is w.
template <class T>
struct Line {
  int w, x0, x1;
  int left, right;               // column that padding puts at -1 and w, or -1 for zeros
  T corner, edge, centre;        // taps of the Laplacian
  const T* params;               // [kParams]
  RowOf<const T> up, mid, down;  // what the stencil reads
  RowOf<T> r;                    // result; column x0 at p
};

/// out = base + sum_k weight[k] term[k] + r_weight r over n cells, in this order.
template <class T>
struct SumLine {
  T* out;
  const T *base, *r;  // null = 0
  T r_weight;
  int terms, n;
  const T* weight;       // [terms]
  const T* const* term;  // [terms]
  bool stream;           // past the caches; out is aligned to 64 bytes and n a multiple of that
};

/// r = F of the cells of a line.
template <class T>
using Value = void (*)(const Line<T>&);

}  // namespace mg::pde::sweep
