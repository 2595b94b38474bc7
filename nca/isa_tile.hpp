#pragma once
#include <cstddef>

#include "nca/isa_vector.hpp"

/// Matrix products of one block of cells in register tiles of kRows x kCols vectors.
namespace mg::nca::MG_ISA {

template <int N>
struct Tile {
  static constexpr int kWidth = N;
  V c[kRows][N];
};

/// Tile of A B: c[i][:] = start[i] + sum_k a[k][i] b[k][:] for N vectors of columns, a packed [K][kRows], b [K][stride].
template <int N>
inline Tile<N> product(const float* a, const float* b, int K, int stride, const float* start) {
  Tile<N> t;
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 3
    for (int j = 0; j < N; ++j) t.c[i][j] = start != nullptr ? splat(start[i]) : V{};
  for (int k = 0; k < K; ++k) {
    V col[N];
#pragma GCC unroll 3
    for (int j = 0; j < N; ++j) col[j] = load(b + j * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const V s = splat(a[i]);
#pragma GCC unroll 3
      for (int j = 0; j < N; ++j) t.c[i][j] += s * col[j];
    }
    a += kRows;
    b += stride;
  }
  return t;
}

/// out[i][:] = fn(i, column, value) for a tile at column 0 of out.
template <int N, class Fn>
inline void store_tile(const Tile<N>& t, float* out, int stride, const Fn& fn) {
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 3
    for (int j = 0; j < N; ++j) store(out + i * stride + j * kLanes, fn(i, j * kLanes, t.c[i][j]));
}

template <int N>
struct Columns {
  static constexpr int kCount = N;
};

/// Calls fn(first cell, Columns<N>) for the register tiles that cover the first `cells` cells of a block; the last one is as
/// narrow as they allow.
template <class Fn>
inline void for_tiles(int cells, const Fn& fn) {
  int k = 0;
  for (; k + kSpan - kLanes < cells; k += kSpan) fn(k, Columns<kCols>{});
  if (k + kLanes < cells)
    fn(k, Columns<2>{});
  else if (k < cells)
    fn(k, Columns<1>{});
}

/// c[i][:] += sum over the first `cells` cells k of a block of a[i][k] b[k][:] for R rows and N vectors; a [R][kBlock],
/// b [kBlock][stride].
template <int R, int N>
inline void accumulate(const float* a, const float* b, int stride, int cells, float* c) {
  V acc[R][N];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 6
    for (int j = 0; j < N; ++j) acc[i][j] = load(c + i * stride + j * kLanes);
  for (int k = 0; k < cells; ++k) {
    V row[N];
#pragma GCC unroll 6
    for (int j = 0; j < N; ++j) row[j] = load(b + j * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const V s = splat(a[i * kBlock + k]);
#pragma GCC unroll 6
      for (int j = 0; j < N; ++j) acc[i][j] += s * row[j];
    }
    b += stride;
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 6
    for (int j = 0; j < N; ++j) store(c + i * stride + j * kLanes, acc[i][j]);
}
/// The same for kRows rows in two halves, which leaves registers for more columns.
template <int N>
inline void accumulate_halves(const float* a, const float* b, int stride, int cells, float* c) {
  accumulate<kRows / 2, N>(a, b, stride, cells, c);
  accumulate<kRows / 2, N>(a + kRows / 2 * kBlock, b, stride, cells, c + kRows / 2 * stride);
}

/// The same for kRows rows and all `width` columns, a multiple of kLanes.
inline void accumulate_all(const float* a, const float* b, int width, int cells, float* c) {
  int left = width / kLanes;
  for (; left > 0; b += 3 * kLanes, c += 3 * kLanes, left -= 3) {
    if constexpr (kLanes == 16) {
      if (left == 5) return accumulate_halves<5>(a, b, width, cells, c);
      if (left == 4) return accumulate_halves<4>(a, b, width, cells, c);
    }
    if (left == 2) return accumulate<kRows, 2>(a, b, width, cells, c);
    if (left == 1) return accumulate<kRows, 1>(a, b, width, cells, c);
    accumulate<kRows, 3>(a, b, width, cells, c);
  }
}

/// One stage of a transposition: exchanges off-diagonal blocks of size `half`.
template <int half>
inline void exchange(V (&r)[kLanes]) {
  Vi low, high;
#pragma GCC unroll 16
  for (int l = 0; l < kLanes; ++l) {
    low[l] = (l & half) == 0 ? l : kLanes + l - half;
    high[l] = (l & half) == 0 ? l + half : kLanes + l;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i)
    if ((i & half) == 0) {
      const V a = r[i], b = r[i + half];
      r[i] = __builtin_shuffle(a, b, low);
      r[i + half] = __builtin_shuffle(a, b, high);
    }
}
/// Transposes kLanes x kLanes values.
inline void transpose(V (&r)[kLanes]) {
  exchange<1>(r);
  exchange<2>(r);
  if constexpr (kLanes > 4) exchange<4>(r);
  if constexpr (kLanes > 8) exchange<8>(r);
}

/// out[k][f] = in[f][k] for the cells k of a block; in [rows][stride], out [kBlock][width], columns beyond rows are 0.
inline void transpose_block(const float* in, int rows, int stride, float* out, int width) {
  for (int f = 0; f < width; f += kLanes)
    for (int k = 0; k < kBlock; k += kLanes) {
      V r[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) r[i] = f + i < rows ? load(in + std::size_t(f + i) * stride + k) : V{};
      transpose(r);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) store(out + std::size_t(k + i) * width + f, r[i]);
    }
}

}  // namespace mg::nca::MG_ISA
