#pragma once
#include <cfloat>
#include <cmath>
#include <cstddef>

#include "core/macros.hpp"
#include "core/view.hpp"
#include "train/plane_ops.hpp"

// Per-cell and per-sample maths of the losses, each beside its adjoint. `plane` = n C + c.
// Sums are double; per-sample factors are what the pulling loop multiplies with.
namespace mg::train {

/// A 0/1 mask that may be absent, per plane, or per cell.
template <class T>
struct CellMask {
  const T* data = nullptr;
  std::size_t plane_stride = 0, cell_stride = 0;
  MG_HD bool operator()(std::size_t plane, std::size_t cell) const {
    return data == nullptr || data[plane * plane_stride + cell * cell_stride] != T(0);
  }
};

template <class T>
MG_HD T largest();
template <>
MG_HD float largest<float>() {
  return FLT_MAX;
}
template <>
MG_HD double largest<double>() {
  return DBL_MAX;
}

template <class T>
MG_HD bool is_finite(double v) {
  return v >= -double(largest<T>()) && v <= double(largest<T>());
}

/// NaN -> 0, +-inf -> +- the largest finite number: the value of every loss. Its derivative at those is 0.
template <class T>
MG_HD T nan_to_num(double v) {
  if (is_finite<T>(v)) return T(v);
  return v > 0 ? largest<T>() : v < 0 ? -largest<T>() : T(0);
}

// ---- l1, l2, euclidean ---------------------------------------------------------------------------------------------
enum class Difference { l1, l2, euclidean };

/// v[0] = |x - y| or (x - y)^2 where counted, v[1] = 1 where counted.
template <class T>
struct DifferenceSums {
  static constexpr int kSums = 2;
  const T *x, *y;
  CellMask<T> mask;
  std::size_t cells;
  bool absolute;
  MG_HD Sums<2> operator()(std::size_t plane, std::size_t cell) const {
    const T d = x[plane * cells + cell] - y[plane * cells + cell];
    const bool counted = mask(plane, cell);
    const T v = absolute ? (d < T(0) ? -d : d) : d * d;
    return {{counted ? double(v) : 0.0, counted ? 1.0 : 0.0}};
  }
};

MG_HD double difference_loss(Difference kind, const double* sums) {
  if (sums[1] == 0) return 0;
  const double mean = sums[0] / sums[1];
  return kind == Difference::euclidean ? sqrt(mean) : mean;
}

template <class T>
struct DifferenceValue {
  Difference kind;
  const double* sums;
  T* losses;
  MG_HD void operator()(int n) const { losses[n] = nan_to_num<T>(difference_loss(kind, sums + 2 * n)); }
};

/// factor[n] so that x_bar += factor[n] sign(x - y) (l1) or factor[n] (x - y).
template <class T>
struct DifferenceFactor {
  Difference kind;
  const double* sums;
  const T* losses_bar;
  T* factors;
  MG_HD void operator()(int n) const {
    const double count = sums[2 * n + 1], loss = difference_loss(kind, sums + 2 * n);
    double f = 0;
    if (count > 0 && is_finite<T>(loss)) {
      if (kind == Difference::l1) f = 1 / count;
      if (kind == Difference::l2) f = 2 / count;
      if (kind == Difference::euclidean) f = loss > 0 ? 1 / (count * loss) : 0;
    }
    factors[n] = T(f * double(losses_bar[n]));
  }
};

template <class T>
struct DifferencePull {
  const T *x, *y;
  CellMask<T> mask;
  std::size_t cells;
  int channels;
  bool absolute;
  const T* factors;
  T* x_bar;
  MG_HD void operator()(std::size_t plane, std::size_t cell) const {
    const T factor = factors[plane / std::size_t(channels)];
    if (factor == T(0) || !mask(plane, cell)) return;
    const std::size_t i = plane * cells + cell;
    const T d = x[i] - y[i];
    x_bar[i] += factor * (absolute ? T(d > T(0)) - T(d < T(0)) : d);
  }
};

// ---- cosine --------------------------------------------------------------------------------------------------------
/// v = {m x y, m x^2, m y^2, m, x^2, y^2}.
template <class T>
struct CosineSums {
  static constexpr int kSums = 6;
  const T *x, *y;
  CellMask<T> mask;
  std::size_t cells;
  MG_HD Sums<6> operator()(std::size_t plane, std::size_t cell) const {
    const T a = x[plane * cells + cell], b = y[plane * cells + cell];
    const bool m = mask(plane, cell);
    const double xx = double(a * a), yy = double(b * b);
    return {{m ? double(a * b) : 0.0, m ? xx : 0.0, m ? yy : 0.0, m ? 1.0 : 0.0, xx, yy}};
  }
};

/// The loss of sample n and the lengths it divides by, from the sums of all samples.
struct CosineParts {
  double loss = 0, x_norm = 0, y_norm = 0, count = 1;
};
MG_HD CosineParts cosine_parts(bool global_norm, const double* sums, int samples, int n) {
  const double* s = sums + 6 * n;
  CosineParts p;
  double xx = s[1], yy = s[2];
  if (global_norm) {
    xx = yy = 0;
    for (int i = 0; i < samples; ++i) xx += sums[6 * i + 4], yy += sums[6 * i + 5];
    p.count = s[3];
  }
  p.x_norm = sqrt(xx);
  p.y_norm = sqrt(yy);
  if (p.count > 0 && p.x_norm > 0 && p.y_norm > 0) p.loss = -s[0] / (p.count * p.x_norm * p.y_norm);
  return p;
}

template <class T>
struct CosineValue {
  bool global_norm;
  int samples;
  const double* sums;
  T* losses;
  MG_HD void operator()(int n) const { losses[n] = nan_to_num<T>(cosine_parts(global_norm, sums, samples, n).loss); }
};

/// x_bar += factors[2 n] y (where counted) + factors[2 n + 1] x (where counted; everywhere with global_norm).
template <class T>
struct CosineFactor {
  bool global_norm;
  int samples;
  const double* sums;
  const T* losses_bar;
  T* factors;
  MG_HD static bool flat(const CosineParts& p) {
    return !(p.count > 0 && p.x_norm > 0 && p.y_norm > 0) || !is_finite<T>(p.loss);
  }
  MG_HD void operator()(int n) const {
    const CosineParts p = cosine_parts(global_norm, sums, samples, n);
    double of_x = 0;
    for (int i = global_norm ? 0 : n; i < (global_norm ? samples : n + 1); ++i) {
      const CosineParts q = cosine_parts(global_norm, sums, samples, i);
      if (!flat(q)) of_x -= double(losses_bar[i]) * q.loss / (q.x_norm * q.x_norm);
    }
    factors[2 * n] = flat(p) ? T(0) : T(-double(losses_bar[n]) / (p.count * p.x_norm * p.y_norm));
    factors[2 * n + 1] = T(of_x);
  }
};

template <class T>
struct CosinePull {
  const T *x, *y;
  CellMask<T> mask;
  std::size_t cells;
  int channels;
  bool global_norm;
  const T* factors;
  T* x_bar;
  MG_HD void operator()(std::size_t plane, std::size_t cell) const {
    const T *f = factors + 2 * (plane / std::size_t(channels)), of_y = f[0], of_x = f[1];
    const std::size_t i = plane * cells + cell;
    const bool m = mask(plane, cell);
    if (m && of_y != T(0)) x_bar[i] += of_y * y[i];
    if ((m || global_norm) && of_x != T(0)) x_bar[i] += of_x * x[i];
  }
};

// ---- spectral losses, on half-plane spectra zx, zy (re, im interleaved) --------------------------------------------
/// v = {m (|zx| - |zy|)^2, m}.
template <class T>
struct SpectralSums {
  static constexpr int kSums = 2;
  const T *zx, *zy;
  CellMask<T> mask;
  std::size_t cells;
  MG_HD Sums<2> operator()(std::size_t plane, std::size_t cell) const {
    const std::size_t i = 2 * (plane * cells + cell);
    const T d = hypot(zx[i], zx[i + 1]) - hypot(zy[i], zy[i + 1]);
    const bool m = mask(plane, cell);
    return {{m ? double(d * d) : 0.0, m ? 1.0 : 0.0}};
  }
};

/// z_bar = factor (|zx| - |zy|) zx / |zx|, 0 at zx = 0. Overwrites zx.
template <class T>
struct SpectralPull {
  T* zx;
  const T* zy;
  CellMask<T> mask;
  std::size_t cells;
  int channels;
  const T* factors;
  MG_HD void operator()(std::size_t plane, std::size_t cell) const {
    const std::size_t i = 2 * (plane * cells + cell);
    const T factor = factors[plane / std::size_t(channels)], a = hypot(zx[i], zx[i + 1]);
    const bool pulls = factor != T(0) && mask(plane, cell) && a > T(0);
    const T f = pulls ? factor * (a - hypot(zy[i], zy[i + 1])) / a : T(0);
    zx[i] = pulls ? f * zx[i] : T(0);
    zx[i + 1] = pulls ? f * zx[i + 1] : T(0);
  }
};

/// v = {m |d|^2, m Re d^2, m Im d^2, m} with d = zx - zy.
template <class T>
struct SpectralFullSums {
  static constexpr int kSums = 4;
  const T *zx, *zy;
  CellMask<T> mask;
  std::size_t cells;
  MG_HD Sums<4> operator()(std::size_t plane, std::size_t cell) const {
    const std::size_t i = 2 * (plane * cells + cell);
    const double re = double(zx[i] - zy[i]), im = double(zx[i + 1] - zy[i + 1]);
    if (!mask(plane, cell)) return {{0, 0, 0, 0}};
    return {{re * re + im * im, re * re - im * im, 2 * re * im, 1.0}};
  }
};

MG_HD double spectral_full_loss(bool complex_square, const double* s) {
  if (s[3] == 0) return 0;
  return (complex_square ? hypot(s[1], s[2]) : s[0]) / s[3];
}

template <class T>
struct SpectralFullValue {
  bool complex_square;
  const double* sums;
  T* losses;
  MG_HD void operator()(int n) const { losses[n] = nan_to_num<T>(spectral_full_loss(complex_square, sums + 4 * n)); }
};

/// Complex factor p of z_bar = p d (modulus) or p conj(d) (complex square, p along the mean; 0 where that is 0).
template <class T>
struct SpectralFullFactor {
  bool complex_square;
  const double* sums;
  const T* losses_bar;
  T* factors;
  MG_HD void operator()(int n) const {
    const double *s = sums + 4 * n, loss = spectral_full_loss(complex_square, s);
    double re = 0, im = 0;
    if (s[3] > 0 && is_finite<T>(loss)) {
      const double f = 2 * double(losses_bar[n]) / s[3], length = hypot(s[1], s[2]);
      re = !complex_square ? f : length > 0 ? f * s[1] / length : 0;
      im = !complex_square || length == 0 ? 0 : f * s[2] / length;
    }
    factors[2 * n] = T(re);
    factors[2 * n + 1] = T(im);
  }
};

/// Overwrites zx with z_bar.
template <class T>
struct SpectralFullPull {
  T* zx;
  const T* zy;
  CellMask<T> mask;
  std::size_t cells;
  int channels;
  bool complex_square;
  const T* factors;
  MG_HD void operator()(std::size_t plane, std::size_t cell) const {
    const std::size_t i = 2 * (plane * cells + cell);
    const T *p = factors + 2 * (plane / std::size_t(channels)), re = p[0], im = p[1];
    const bool pulls = (re != T(0) || im != T(0)) && mask(plane, cell);
    const T d_re = zx[i] - zy[i], d_im = complex_square ? zy[i + 1] - zx[i + 1] : zx[i + 1] - zy[i + 1];
    zx[i] = pulls ? re * d_re - im * d_im : T(0);
    zx[i + 1] = pulls ? re * d_im + im * d_re : T(0);
  }
};

}  // namespace mg::train
