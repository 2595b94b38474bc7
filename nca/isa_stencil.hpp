#pragma once
#include <cstddef>

#include "nca/isa_vector.hpp"
#include "nca/nca_fast.hpp"

/// Perception of the rows of a strip and its adjoint, channel by channel, vectors along a row.
namespace mg::nca::MG_ISA {

using fast::Step;

/// A strip of rows [y0, y0 + rows) of one sample and its copy with one padded cell on each side.
struct Strip {
  Strip(const Step& s, int unit) : n(unit / s.strips), y0(unit % s.strips * s.strip_rows), w(s.w), stride(s.w + 2) {
    rows = s.h - y0 < s.strip_rows ? s.h - y0 : s.strip_rows;
    cells = rows * w;
    plane = std::size_t(s.h) * w;
    first = std::size_t(y0) * w;
  }
  static std::size_t padded_size(const Step& s) {
    return std::size_t(s.C) * (s.strip_rows + 2) * (s.w + 2) + 2 * kLanes;
  }
  /// Row -1 <= r <= rows of channel c in the padded copy, at column -1.
  float* at(float* padded, int c, int r) const { return padded + (std::size_t(c) * (rows + 2) + r + 1) * stride; }
  const float* at(const float* padded, int c, int r) const {
    return padded + (std::size_t(c) * (rows + 2) + r + 1) * stride;
  }
  int n, y0, w, stride, rows, cells;
  std::size_t plane, first;  ///< cells of the lattice; cells of it before the strip
};

/// Fills the padded copy of a strip; x points to the sample (C, h, w).
inline void pad_strip(const Step& s, const Strip& t, const float* x, float* padded) {
  for (int c = 0; c < s.C; ++c)
    for (int r = -1; r <= t.rows; ++r) {
      float* to = t.at(padded, c, r);
      const int y = s.row_of[t.y0 + r + 1];
      if (y < 0) {
        __builtin_memset(to, 0, sizeof(float) * t.stride);
        continue;
      }
      const float* from = x + c * t.plane + std::size_t(y) * t.w;
      __builtin_memcpy(to + 1, from, sizeof(float) * t.w);
      to[0] = s.left < 0 ? 0.0F : from[s.left];
      to[t.w + 1] = s.right < 0 ? 0.0F : from[s.right];
    }
}

/// Features of the cells [x, x + len) of row r: p[f][k], f `stride` apart; may write up to kLanes - 1 values beyond len.
inline void perceive_row(const Step& s, const Strip& t, const float* padded, int r, int x, int len, float* p,
                         int stride) {
  const V side = splat(s.taps.grad_side), axis = splat(s.taps.grad_axis);
  const std::size_t block = std::size_t(s.C) * stride;
  for (int c = 0; c < s.C; ++c) {
    const float *a = t.at(padded, c, r - 1) + x, *b = t.at(padded, c, r) + x, *d = t.at(padded, c, r + 1) + x;
    for (int k = 0; k < len; k += kLanes) {
      const V a0 = load(a + k), a1 = load(a + k + 1), a2 = load(a + k + 2);
      const V b0 = load(b + k), b1 = load(b + k + 1), b2 = load(b + k + 2);
      const V d0 = load(d + k), d1 = load(d + k + 1), d2 = load(d + k + 2);
      float* out = p + std::size_t(c) * stride + k;
      if (s.id) store(out, b1), out += block;
      if (s.grad) {
        store(out, side * ((a2 - a0) + (d2 - d0)) + axis * (b2 - b0)), out += block;
        store(out, side * ((d0 - a0) + (d2 - a2)) + axis * (d1 - a1)), out += block;
      }
      if (s.av || s.lap) {
        const V corner = (a0 + a2) + (d0 + d2), edge = (a1 + d1) + (b0 + b2);
        if (s.av) {
          store(out, splat(s.taps.av_corner) * corner + splat(s.taps.av_edge) * edge + splat(s.taps.av_centre) * b1);
          out += block;
        }
        if (s.lap)
          store(out, splat(s.taps.lap_corner) * corner + splat(s.taps.lap_edge) * edge + splat(s.taps.lap_centre) * b1);
      }
    }
  }
}

/// Copies one row of w cells to the middle of a line with two zeros before and zeros behind.
inline void widen(const float* from, int w, float* line) {
  line[0] = line[1] = 0;
  __builtin_memcpy(line + 2, from, sizeof(float) * w);
  for (int k = 0; k < kLanes + 2; ++k) line[w + 2 + k] = 0;
}

/// Adjoint of perceive_row for whole rows: adds what the features of row r owe to the padded cells of rows r - 1, r, r + 1.
/// @param p_bar   [F][p_stride], row r at the pointer
/// @param padded  accumulated, of the form of the padded copy
/// @param lines   scratch, 4 lines of w + 2 kLanes + 4
inline void perceive_row_adjoint(const Step& s, const Strip& t, const float* p_bar, std::size_t p_stride, int r,
                                 float* padded, float* lines) {
  const V side = splat(s.taps.grad_side), axis = splat(s.taps.grad_axis);
  const std::size_t line = t.w + 2 * kLanes + 4, block = s.C * p_stride;
  float *g0 = lines, *g1 = lines + line, *av = lines + 2 * line, *lap = lines + 3 * line;
  for (int c = 0; c < s.C; ++c) {
    const float* from = p_bar + c * p_stride;
    const float* id = from;
    if (s.id) from += block;
    if (s.grad) widen(from, t.w, g0), widen(from + block, t.w, g1), from += 2 * block;
    if (s.av) widen(from, t.w, av), from += block;
    if (s.lap) widen(from, t.w, lap);
    float *up = t.at(padded, c, r - 1), *mid = t.at(padded, c, r), *down = t.at(padded, c, r + 1);
    const auto add = [](float* to, V v, int count) {
      if (count >= kLanes)
        store(to, load(to) + v);
      else
        for (int i = 0; i < count; ++i) to[i] += v[i];
    };
    for (int k = 0; k < t.stride; k += kLanes) {  // padded column k reads features at columns k - 2, k - 1, k
      V u{}, m{}, d{};
      if (s.grad) {
        const V h0 = load(g0 + k) - load(g0 + k + 2), h1 = load(g1 + k) + load(g1 + k + 2), v1 = load(g1 + k + 1);
        m = axis * h0;
        const V cross = side * h0, along = side * h1 + axis * v1;
        u = cross - along;
        d = cross + along;
      }
      if (s.av) {
        const V beside = load(av + k) + load(av + k + 2), at = load(av + k + 1);
        const V vertical = splat(s.taps.av_corner) * beside + splat(s.taps.av_edge) * at;
        u += vertical, d += vertical;
        m += splat(s.taps.av_edge) * beside + splat(s.taps.av_centre) * at;
      }
      if (s.lap) {
        const V beside = load(lap + k) + load(lap + k + 2), at = load(lap + k + 1);
        const V vertical = splat(s.taps.lap_corner) * beside + splat(s.taps.lap_edge) * at;
        u += vertical, d += vertical;
        m += splat(s.taps.lap_edge) * beside + splat(s.taps.lap_centre) * at;
      }
      const int count = t.stride - k;
      add(up + k, u, count), add(mid + k, m, count), add(down + k, d, count);
    }
    if (s.id)
      for (int k = 0; k < t.w; ++k) mid[k + 1] += id[k];
  }
}

/// Folds the padded columns of row r back to the cells they stand for.
inline void fold_columns(const Step& s, const Strip& t, float* padded) {
  for (int c = 0; c < s.C; ++c)
    for (int r = -1; r <= t.rows; ++r) {
      float* row = t.at(padded, c, r);
      if (s.left >= 0) row[1 + s.left] += row[0];
      if (s.right >= 0) row[1 + s.right] += row[t.w + 1];
    }
}

}  // namespace mg::nca::MG_ISA
