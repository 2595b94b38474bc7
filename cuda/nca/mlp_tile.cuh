#pragma once
#include "core/macros.hpp"
#include "cuda/core/launch.cuh"

// Matrix products of one warp on shared memory, with register tiles. A warp always works on 32 cells (columns). Lane
// l owns the cells 4 (l / 8) + {0..3} and 16 + 4 (l / 8) + {0..3}, so that its 8 values of a row are two 16-byte loads,
// and with l % 8 some of the rows.
//
// Cost with four rows per lane (32 rows x 32 cells, 32 sums per lane): per 4 steps of the inner dimension 4 weight and
// 8 cell loads of 16 bytes feed 128 FMA, 10.7 FMA per load instruction; an SM issues one shared load and four FMA
// instructions per cycle, so the loads fill 37 % of their slots. With two rows per lane 6.4 FMA per load, 62 %.
//
// Bank rule: a pitch is 4 (mod 8) elements of 4 bytes. Then the 8 lanes of a quarter warp, which touch 8 consecutive
// rows at one column, hit 8 different 16-byte bank groups.
namespace mg::nca::cuda {

constexpr int kWarp = 32;
constexpr int kColumns = 8;  ///< cells of one lane

/// Smallest multiple of `to` that is not below n.
MG_HD int round_up(int n, int to) { return (n + to - 1) / to * to; }
/// Row pitch that obeys the bank rule for rows of n elements, n a multiple of 4.
MG_HD int pitch_of(int n) { return n % 8 == 4 ? n : n + 4; }

template <class T>
struct alignas(16) Four {
  T v[4];
};
template <class T>
__device__ Four<T> load4(const T* p) {
  return *reinterpret_cast<const Four<T>*>(p);
}
template <class T>
__device__ void store4(T* p, const T* v) {
  *reinterpret_cast<Four<T>*>(p) = {{v[0], v[1], v[2], v[3]}};
}

__device__ inline int lane_of_thread() { return int(threadIdx.x) % kWarp; }
__device__ inline int row_of_lane() { return lane_of_thread() % 8; }
__device__ inline int column_of_lane() { return lane_of_thread() / 8 * 4; }

/// sums[i][*] += sum_k w[r + 8 i][k] x[k][*] for the lane's rows r + 8 i and cells.
/// @param w  first of 8 kRows rows, rows of `pitch`; depth a multiple of 4
/// @param x  (depth, x_pitch) at the first of the warp's 32 cells
template <int kRows, class T>
__device__ void multiply(const T* w, int pitch, int depth, const T* x, int x_pitch, T (&sums)[kRows][kColumns]) {
  w += row_of_lane() * pitch;
  x += column_of_lane();
  for (int k = 0; k < depth; k += 4) {
    Four<T> a[kRows];
    MG_UNROLL
    for (int i = 0; i < kRows; ++i) a[i] = load4(w + 8 * i * pitch + k);
    MG_UNROLL
    for (int step = 0; step < 4; ++step) {
      const Four<T> left = load4(x + (k + step) * x_pitch), right = load4(x + (k + step) * x_pitch + 16);
      MG_UNROLL
      for (int i = 0; i < kRows; ++i) {
        MG_UNROLL
        for (int e = 0; e < 4; ++e) {
          sums[i][e] += a[i].v[step] * left.v[e];
          sums[i][4 + e] += a[i].v[step] * right.v[e];
        }
      }
    }
  }
}

/// sums[i][*] += sum_k w[k][kRows r + i] x[k][*]: the transposed weights; the lane's rows are consecutive.
/// @param w  (depth, pitch) at the first of 8 kRows columns
template <int kRows, class T>
__device__ void multiply_transposed(const T* w, int pitch, int depth, const T* x, int x_pitch,
                                    T (&sums)[kRows][kColumns]) {
  w += kRows * row_of_lane();
  x += column_of_lane();
  for (int k = 0; k < depth; ++k) {
    T a[kRows];
    if constexpr (kRows == 4) {
      const Four<T> f = load4(w + k * pitch);
      MG_UNROLL
      for (int i = 0; i < 4; ++i) a[i] = f.v[i];
    } else {
      MG_UNROLL
      for (int i = 0; i < kRows; ++i) a[i] = w[k * pitch + i];
    }
    const Four<T> left = load4(x + k * x_pitch), right = load4(x + k * x_pitch + 16);
    MG_UNROLL
    for (int i = 0; i < kRows; ++i) {
      MG_UNROLL
      for (int e = 0; e < 4; ++e) {
        sums[i][e] += a[i] * left.v[e];
        sums[i][4 + e] += a[i] * right.v[e];
      }
    }
  }
}

/// sums[i][j] += sum over cells of x[l % 8 + 8 i][cell] y[l / 8 + 4 j][cell] for lane l: 32 rows of x against 16 of y.
/// @param cells  a multiple of 4; both operands share the pitch
template <class T>
__device__ void multiply_cells(const T* x, const T* y, int pitch, int cells, T (&sums)[4][4]) {
  x += row_of_lane() * pitch;
  y += lane_of_thread() / 8 * pitch;
  for (int k = 0; k < cells; k += 4) {
    Four<T> a[4], b[4];
    MG_UNROLL
    for (int i = 0; i < 4; ++i) {
      a[i] = load4(x + 8 * i * pitch + k);
      b[i] = load4(y + 4 * i * pitch + k);
    }
    MG_UNROLL
    for (int i = 0; i < 4; ++i) {
      MG_UNROLL
      for (int j = 0; j < 4; ++j) {
        MG_UNROLL
        for (int e = 0; e < 4; ++e) sums[i][j] += a[i].v[e] * b[j].v[e];
      }
    }
  }
}

/// Sets the sums to zero, or to one value per row.
template <int kRows, class T>
__device__ void clear(T (&sums)[kRows][kColumns]) {
  MG_UNROLL
  for (int i = 0; i < kRows; ++i) {
    MG_UNROLL
    for (int e = 0; e < kColumns; ++e) sums[i][e] = 0;
  }
}
template <int kRows, class T>
__device__ void start_with(const T* bias, T (&sums)[kRows][kColumns]) {
  MG_UNROLL
  for (int i = 0; i < kRows; ++i) {
    const T b = bias[row_of_lane() + 8 * i];
    MG_UNROLL
    for (int e = 0; e < kColumns; ++e) sums[i][e] = b;
  }
}

/// Rows and cells of `multiply` (stride 8 between the lane's rows) in shared memory; `to` is the warp's first element.
template <int kRows, class T>
__device__ void store_rows(const T (&sums)[kRows][kColumns], T* to, int pitch) {
  to += row_of_lane() * pitch + column_of_lane();
  MG_UNROLL
  for (int i = 0; i < kRows; ++i) {
    store4(to + 8 * i * pitch, sums[i]);
    store4(to + 8 * i * pitch + 16, sums[i] + 4);
  }
}
template <int kRows, class T>
__device__ void load_rows(const T* from, int pitch, T (&sums)[kRows][kColumns]) {
  from += row_of_lane() * pitch + column_of_lane();
  MG_UNROLL
  for (int i = 0; i < kRows; ++i) {
    const Four<T> left = load4(from + 8 * i * pitch), right = load4(from + 8 * i * pitch + 16);
    MG_UNROLL
    for (int e = 0; e < 4; ++e) {
      sums[i][e] = left.v[e];
      sums[i][4 + e] = right.v[e];
    }
  }
}

}  // namespace mg::nca::cuda
