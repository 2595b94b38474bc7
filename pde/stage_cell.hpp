#pragma once
#include <cstddef>

#include "core/macros.hpp"
#include "pde/combination.hpp"

// One stage of a model on fields that are extended by a halo: features phi are the fields z and what the stage computes from
// them in each cell; the result is a function of the features and their derivatives,
//   phi = (z, e(z)),   out = q(phi, G0 phi, G1 phi, L phi).
// A stage St says q and e with adjoint and tangent (pde/model_cell.hpp).
namespace mg::pde {

/// Bit k.
MG_HD constexpr bool has(unsigned bits, int k) { return (bits >> k & 1U) != 0; }

template <class T>
struct StageTaps {
  T side = 0, axis = 0;                ///< derivative along an axis: beside it and on it
  T corner = 0, edge = 0, centre = 0;  ///< Laplacian
};

/// Features of one cell with their derivatives: G0 along axis 1, G1 along axis 0.
template <class T, int K>
struct Jets {
  T v[K] = {}, g0[K] = {}, g1[K] = {}, l[K] = {};
};

/// Everything the passes of a stage read and write.
template <class T, class St>
struct StagePass {
  static constexpr int kFeatures = St::kIn + St::kExtra;
  St stage;
  const T* p = nullptr;  // parameters of the stage
  int n = 0, h = 0, w = 0, planes = 0;
  StageTaps<T> taps;
  const T* z = nullptr;        // (n, planes, h + 2, w + 2), the first kIn planes count
  const T* z_dot = nullptr;    // likewise
  T* e = nullptr;              // (n, kExtra, h + 2, w + 2)
  T* e_dot = nullptr;          // likewise
  const T* out_bar = nullptr;  // (n, kOut, h, w)
  T* bars = nullptr;           // (n, 4 kFeatures, h + 4, w + 4): of v, g0, g1, l; 0 outside the lattice
  T* z_bar = nullptr;          // as z
  bool add = false;            ///< to z_bar, else it is overwritten
  T* out = nullptr;            // (n, kOut, h, w) or null
  Combinations<T> sums;        // of out
  const T* open = nullptr;     // (n, h + 2, w + 2) 1 in the medium, 0 in obstacles; null = no obstacles
  int samples_per_mask = 1;    ///< samples n that share one mask
  bool no_flux = false;        ///< a neighbour in an obstacle reads as the cell itself

  MG_HD std::size_t cell(int planes_of, int sample, int k, int i, int j) const {
    return ((std::size_t(sample) * planes_of + k) * (h + 2) + i) * (w + 2) + j;
  }
  /// The cell (y, x) of the lattice in the extended plane of feature k.
  MG_HD const T* feature(const T* fields, const T* extra, int sample, int k, int y, int x) const {
    return k < St::kIn ? fields + cell(planes, sample, k, y + 1, x + 1)
                       : extra + cell(St::kExtra, sample, k - St::kIn, y + 1, x + 1);
  }
  MG_HD const T* open_at(int sample, int y, int x) const {
    return open + cell(1, sample / samples_per_mask, 0, y + 1, x + 1);
  }
  MG_HD T* bar_at(int sample, int k, int y, int x) const {
    return bars + ((std::size_t(sample) * 4 * kFeatures + k) * (h + 4) + y + 2) * (w + 4) + x + 2;
  }
  MG_HD T gradient_tap(int across, int along) const { return T(along) * (across == 0 ? taps.axis : taps.side); }
  MG_HD T laplacian_tap(int a, int b) const {
    return a != 0 && b != 0 ? taps.corner : a == 0 && b == 0 ? taps.centre : taps.edge;
  }

  MG_HD Jets<T, kFeatures> jets(const T* fields, const T* extra, int sample, int y, int x) const {
    Jets<T, kFeatures> j;
    const int W = w + 2;
    MG_UNROLL
    for (int k = 0; k < kFeatures; ++k) {
      const T* f = feature(fields, extra, sample, k, y, x);
      j.v[k] = f[0];
      if (!has(St::kGrad, k) && !has(St::kLap, k)) continue;
      T r[3][3];
      MG_UNROLL
      for (int a = -1; a <= 1; ++a) MG_UNROLL
      for (int b = -1; b <= 1; ++b) r[a + 1][b + 1] = f[a * W + b];
      if (no_flux) {
        const T* o = open_at(sample, y, x);
        for (int a = -1; a <= 1; ++a)
          for (int b = -1; b <= 1; ++b)
            if (o[a * W + b] == T(0)) r[a + 1][b + 1] = f[0];
      }
      if (has(St::kGrad, k)) {
        j.g0[k] = taps.axis * (r[1][2] - r[1][0]) + taps.side * ((r[0][2] - r[0][0]) + (r[2][2] - r[2][0]));
        j.g1[k] = taps.axis * (r[2][1] - r[0][1]) + taps.side * ((r[2][0] - r[0][0]) + (r[2][2] - r[0][2]));
      }
      if (has(St::kLap, k))
        j.l[k] = taps.centre * r[1][1] + taps.edge * ((r[0][1] + r[2][1]) + (r[1][0] + r[1][2])) +
                 taps.corner * ((r[0][0] + r[0][2]) + (r[2][0] + r[2][2]));
    }
    return j;
  }
  MG_HD void fields_at(const T* fields, int sample, int i, int j, T* values) const {
    MG_UNROLL
    for (int k = 0; k < St::kIn; ++k) values[k] = fields[cell(planes, sample, k, i, j)];
  }
  MG_HD void write(int sample, int y, int x, const T* r) const {
    const T o = open != nullptr ? *open_at(sample, y, x) : T(1);
    MG_UNROLL
    for (int c = 0; c < St::kOut; ++c) {
      const std::size_t at = ((std::size_t(sample) * St::kOut + c) * h + y) * w + x;
      const T value = o == T(0) ? T(0) : r[c];
      if (out != nullptr) out[at] = value;
      sums.write(at, value);
    }
  }
};

/// e = e(z) in all cells of the extended lattice.
template <class T, class St>
struct StageExtra {
  static constexpr int kParams = 0;
  StagePass<T, St> s;
  MG_HD void operator()(int n, int i, int j, T*) const {
    if constexpr (St::kExtra > 0) {
      T z[St::kIn], e[St::kExtra];
      s.fields_at(s.z, n, i, j, z);
      s.stage.extra(s.p, z, e);
      for (int k = 0; k < St::kExtra; ++k) s.e[s.cell(St::kExtra, n, k, i, j)] = e[k];
    }
  }
};
/// e_dot = (de/dz) z_dot, and e.
template <class T, class St>
struct StageExtraTangent {
  static constexpr int kParams = 0;
  StagePass<T, St> s;
  MG_HD void operator()(int n, int i, int j, T*) const {
    if constexpr (St::kExtra > 0) {
      T z[St::kIn], d[St::kIn], e[St::kExtra];
      s.fields_at(s.z, n, i, j, z);
      s.fields_at(s.z_dot, n, i, j, d);
      s.stage.extra(s.p, z, e);
      for (int k = 0; k < St::kExtra; ++k) s.e[s.cell(St::kExtra, n, k, i, j)] = e[k];
      s.stage.extra_tangent(s.p, z, d, e);
      for (int k = 0; k < St::kExtra; ++k) s.e_dot[s.cell(St::kExtra, n, k, i, j)] = e[k];
    }
  }
};

template <class T, class St>
struct StageValue {
  static constexpr int kParams = 0;
  StagePass<T, St> s;
  MG_HD void operator()(int n, int y, int x, T*) const {
    T r[St::kOut];
    s.stage.out(s.p, s.jets(s.z, s.e, n, y, x), r);
    s.write(n, y, x, r);
  }
};
template <class T, class St>
struct StageTangent {
  static constexpr int kParams = 0;
  StagePass<T, St> s;
  MG_HD void operator()(int n, int y, int x, T*) const {
    T r[St::kOut];
    s.stage.out_tangent(s.p, s.jets(s.z, s.e, n, y, x), s.jets(s.z_dot, s.e_dot, n, y, x), r);
    s.write(n, y, x, r);
  }
};

/// Adjoint of out with respect to the jets, over the lattice with two cells of zeros around it.
template <class T, class St>
struct StageBars {
  static constexpr int kParams = St::kParams;
  StagePass<T, St> s;
  MG_HD void operator()(int n, int i, int j, T* p_bar) const {
    constexpr int K = St::kIn + St::kExtra;
    const int y = i - 2, x = j - 2;
    Jets<T, K> bar;
    if (y >= 0 && y < s.h && x >= 0 && x < s.w && (s.open == nullptr || *s.open_at(n, y, x) != T(0))) {
      T b[St::kOut];
      MG_UNROLL
      for (int c = 0; c < St::kOut; ++c) b[c] = s.out_bar[((std::size_t(n) * St::kOut + c) * s.h + y) * s.w + x];
      s.stage.out_adjoint(s.p, s.jets(s.z, s.e, n, y, x), b, bar, p_bar);
    }
    MG_UNROLL
    for (int k = 0; k < K; ++k) {
      *s.bar_at(n, 4 * k, y, x) = bar.v[k];
      if (has(St::kGrad, k)) *s.bar_at(n, 4 * k + 1, y, x) = bar.g0[k];
      if (has(St::kGrad, k)) *s.bar_at(n, 4 * k + 2, y, x) = bar.g1[k];
      if (has(St::kLap, k)) *s.bar_at(n, 4 * k + 3, y, x) = bar.l[k];
    }
  }
};

/// z_bar from the bars of the jets, in all cells of the extended lattice.
template <class T, class St>
struct StageGather {
  static constexpr int kParams = St::kExtra > 0 ? St::kParams : 0;
  StagePass<T, St> s;

  /// Weight with which a neighbour at the offset (a, b) enters, times the bars of the cell that reads it.
  MG_HD T tap_bar(int n, int k, int y, int x, int a, int b) const {
    T sum = 0;
    if (has(St::kGrad, k))
      sum +=
          s.gradient_tap(a, b) * *s.bar_at(n, 4 * k + 1, y, x) + s.gradient_tap(b, a) * *s.bar_at(n, 4 * k + 2, y, x);
    if (has(St::kLap, k)) sum += s.laplacian_tap(a, b) * *s.bar_at(n, 4 * k + 3, y, x);
    return sum;
  }
  MG_HD void operator()(int n, int i, int j, T* p_bar) const {
    constexpr int K = St::kIn + St::kExtra;
    const int y = i - 1, x = j - 1;
    const bool inside = y >= 0 && y < s.h && x >= 0 && x < s.w;
    T bar[K];
    MG_UNROLL
    for (int k = 0; k < K; ++k) {
      bar[k] = *s.bar_at(n, 4 * k, y, x);
      MG_UNROLL
      for (int a = -1; a <= 1; ++a) MG_UNROLL
      for (int b = -1; b <= 1; ++b) {
        const bool reads = !s.no_flux || (a == 0 && b == 0) || *s.open_at(n, y, x) != T(0);
        if (reads) bar[k] += tap_bar(n, k, y - a, x - b, a, b);
        if (s.no_flux && inside && *s.open_at(n, y + a, x + b) == T(0)) bar[k] += tap_bar(n, k, y, x, a, b);
      }
    }
    if constexpr (St::kExtra > 0) {
      T z[St::kIn];
      s.fields_at(s.z, n, i, j, z);
      s.stage.extra_adjoint(s.p, z, bar + St::kIn, bar, p_bar);
    }
    MG_UNROLL
    for (int k = 0; k < St::kIn; ++k) {
      T& target = s.z_bar[s.cell(s.planes, n, k, i, j)];
      target = s.add ? target + bar[k] : bar[k];
    }
  }
};

}  // namespace mg::pde
