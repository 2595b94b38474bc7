#pragma once
#include <cstddef>

#include "nca/isa_vector.hpp"
#include "nca/nca_fast.hpp"

/// Perception of the rows of a strip and its adjoint, channel by channel, vectors along a row.
namespace mg::nca::MG_ISA {

using fast::Step;

/// A strip of rows [y0, y0 + rows) of one sample. Its rows -1 .. rows with one padded cell on each side pass through a ring
/// of kRing rows, so that they stay in the first cache.
struct Strip {
  Strip(const Step& s, int unit)
      : n(unit / s.strips), y0(unit % s.strips * s.strip_rows), w(s.w), stride(row_stride(s)) {
    rows = s.h - y0 < s.strip_rows ? s.h - y0 : s.strip_rows;
    cells = rows * w;
    plane = std::size_t(s.h) * w;
    first = std::size_t(y0) * w;
  }
  /// A padded row: a margin that ends with column -1, so that column 0 is aligned, then w cells and more.
  static int row_stride(const Step& s) { return kMargin + (s.w + kMargin) / kMargin * kMargin; }
  static std::size_t ring_size(const Step& s) { return std::size_t(s.C) * kRing * row_stride(s) + kMargin; }
  /// Column 0 of row -1 <= r <= rows of channel c in a ring.
  float* at(float* ring, int c, int r) const {
    return ring + std::size_t(c * kRing + ((r + 1) & (kRing - 1))) * stride + kMargin;
  }
  static constexpr int kMargin = 16, kRing = 4;
  int n, y0, w, stride, rows, cells;
  std::size_t plane, first;  ///< cells of the lattice; cells of it before the strip
};

/// Fetches row `row` of all channels of an array (C, ., w) whose channels lie `plane` apart: rows of one channel are
/// short, and the processor does not see that the next channel follows.
template <int kWrite>
inline void prefetch_row(const Step& s, const float* array, std::size_t plane, std::size_t row) {
  for (int c = 0; c < s.C; ++c)
    for (int i = 0; i < s.w + 15; i += 16) __builtin_prefetch(array + c * plane + row * s.w + i, kWrite, 2);
}

/// Puts row -1 <= r <= rows into the ring; x points to the sample (C, h, w), whose memory may end with the last cell.
inline void pad_row(const Step& s, const Strip& t, const float* x, int r, float* ring) {
  const int y = s.row_of[t.y0 + r + 1];
  for (int c = 0; c < s.C; ++c) {
    float* to = t.at(ring, c, r);
    if (y < 0) {
      for (int i = -1; i <= t.w; ++i) to[i] = 0;
      continue;
    }
    const float* from = x + c * t.plane + std::size_t(y) * t.w;
    int i = 0;
    for (; i + kLanes <= t.w; i += kLanes) store(to + i, load(from + i));
    if (i > 0 && i < t.w)
      store(to + t.w - kLanes, load(from + t.w - kLanes));  // over what is there already
    else
      for (; i < t.w; ++i) to[i] = from[i];
    to[-1] = s.left < 0 ? 0.0F : from[s.left];
    to[t.w] = s.right < 0 ? 0.0F : from[s.right];
  }
}

/// One channel of perceive_row; a, b, d point into the rows above, of and below the cells.
template <bool kGrad, bool kAverage, bool kLaplacian>
inline void perceive_channel(const Step& s, const float* a, const float* b, const float* d, int len, float* p,
                             std::size_t block) {
  const V side = splat(s.taps.grad_side), axis = splat(s.taps.grad_axis);
  for (int k = 0; k < len; k += kLanes) {
    const V a0 = load(a + k - 1), a1 = load(a + k), a2 = load(a + k + 1);
    const V b0 = load(b + k - 1), b1 = load(b + k), b2 = load(b + k + 1);
    const V d0 = load(d + k - 1), d1 = load(d + k), d2 = load(d + k + 1);
    float* out = p + k;
    if (s.id) store(out, b1), out += block;
    if constexpr (kGrad) {
      store(out, side * ((a2 - a0) + (d2 - d0)) + axis * (b2 - b0));
      store(out + block, side * ((d0 - a0) + (d2 - a2)) + axis * (d1 - a1));
      out += 2 * block;
    }
    if constexpr (kAverage || kLaplacian) {
      const V corner = (a0 + a2) + (d0 + d2), edge = (a1 + d1) + (b0 + b2);
      if constexpr (kAverage) {
        store(out, splat(s.taps.av_corner) * corner + splat(s.taps.av_edge) * edge + splat(s.taps.av_centre) * b1);
        out += block;
      }
      if constexpr (kLaplacian)
        store(out, splat(s.taps.lap_corner) * corner + splat(s.taps.lap_edge) * edge + splat(s.taps.lap_centre) * b1);
    }
  }
}

using PerceiveChannel = void (*)(const Step&, const float*, const float*, const float*, int, float*, std::size_t);
template <bool kGrad>
inline PerceiveChannel perceive_channel_with(const Step& s) {
  if (s.av) return s.lap ? perceive_channel<kGrad, true, true> : perceive_channel<kGrad, true, false>;
  return s.lap ? perceive_channel<kGrad, false, true> : perceive_channel<kGrad, false, false>;
}
inline PerceiveChannel perceive_channel_of(const Step& s) {
  return s.grad ? perceive_channel_with<true>(s) : perceive_channel_with<false>(s);
}

/// Features of the cells [x, x + len) of row r: p[f][k], f `stride` apart; may write up to kLanes - 1 values beyond len.
inline void perceive_row(const Step& s, const Strip& t, float* ring, int r, int x, int len, float* p, int stride) {
  const std::size_t block = std::size_t(s.C) * stride;
  const auto channel = perceive_channel_of(s);
  for (int c = 0; c < s.C; ++c) {
    const float *a = t.at(ring, c, r - 1) + x, *b = t.at(ring, c, r) + x, *d = t.at(ring, c, r + 1) + x;
    channel(s, a, b, d, len, p + std::size_t(c) * stride, block);
  }
}

/// All ones in the lanes whose column, `first` and following, lies in [0, w).
inline Vi inside(int first, int w) {
  Vi column;
  for (int i = 0; i < kLanes; ++i) column[i] = first + i;
  return (column >= 0) & (column < w);
}

/// Adjoint of perceive_row for whole rows: adds what the features of row r owe to the padded cells of rows r - 1, r, r + 1.
/// @param p_bar   [F][p_stride], row r at the pointer; read from one value before the row to kLanes + 1 behind it
/// @param ring    accumulated
inline void perceive_row_adjoint(const Step& s, const Strip& t, const float* p_bar, std::size_t p_stride, int r,
                                 float* ring) {
  const V side = splat(s.taps.grad_side), axis = splat(s.taps.grad_axis);
  const V lap_corner = splat(s.taps.lap_corner), lap_edge = splat(s.taps.lap_edge);
  const V lap_centre = splat(s.taps.lap_centre);
  const V av_corner = splat(s.taps.av_corner), av_edge = splat(s.taps.av_edge), av_centre = splat(s.taps.av_centre);
  const std::size_t block = s.C * p_stride;
  // Column k reads the features of columns k - 1, k, k + 1. The margin takes the column -1 as the last of a vector.
  for (int k = s.left < 0 ? 0 : -kLanes; k <= t.w; k += kLanes) {
    const Vi mask[3] = {inside(k - 1, t.w), inside(k, t.w), inside(k + 1, t.w)};
    const auto at = [&](const float* p, int shift) { return (V)(load<Vi>(p + k + shift - 1) & mask[shift]); };
    const auto add = [&](int c, int row, V v) {
      float* to = t.at(ring, c, row) + k;
      store(to, load(to) + v);
    };
    for (int c = 0; c < s.C; ++c) {
      const float* from = p_bar + c * p_stride;
      V u{}, m{}, d{};
      if (s.id) m = at(from, 1), from += block;
      if (s.grad) {
        const V h0 = at(from, 0) - at(from, 2);
        from += block;
        const V h1 = at(from, 0) + at(from, 2), v1 = at(from, 1);
        from += block;
        const V cross = side * h0, along = side * h1 + axis * v1;
        m += axis * h0;
        u = cross - along;
        d = cross + along;
      }
      if (s.av) {
        const V beside = at(from, 0) + at(from, 2), here = at(from, 1), vertical = av_corner * beside + av_edge * here;
        from += block;
        u += vertical, d += vertical;
        m += av_edge * beside + av_centre * here;
      }
      if (s.lap) {
        const V beside = at(from, 0) + at(from, 2), here = at(from, 1);
        const V vertical = lap_corner * beside + lap_edge * here;
        u += vertical, d += vertical;
        m += lap_edge * beside + lap_centre * here;
      }
      if (s.grad || s.av || s.lap) add(c, r - 1, u), add(c, r + 1, d);
      add(c, r, m);
    }
  }
}

/// Clears row r of the ring.
inline void clear_row(const Step& s, const Strip& t, int r, float* ring) {
  for (int c = 0; c < s.C; ++c)
    for (int k = -Strip::kMargin; k < t.stride - Strip::kMargin; k += kLanes) store(t.at(ring, c, r) + k, V{});
}

/// Folds the padded columns of row r back to the cells they stand for.
inline void fold_columns(const Step& s, const Strip& t, int r, float* ring) {
  if (s.left < 0) return;
  for (int c = 0; c < s.C; ++c) {
    float* row = t.at(ring, c, r);
    row[s.left] += row[-1];
    row[s.right] += row[t.w];
  }
}

}  // namespace mg::nca::MG_ISA
