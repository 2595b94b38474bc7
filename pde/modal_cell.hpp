#pragma once
#include <cmath>
#include <cstdint>

#include "core/macros.hpp"
#include "core/philox.hpp"
#include "core/reduce.hpp"
#include "core/view.hpp"

// Per-mode maths of the solvers that work in the modes of core/modes.hpp, each functor beside its adjoint. Arrays of modes
// are (n, channels, h, w); the solvers keep those of their stages one after another.
namespace mg::pde::modal {

inline constexpr int kMostStages = 4;
inline constexpr int kMostChannels = 16;  ///< of a linear part that couples channels

/// The Laplacian's symbol over the modes of a lattice.
template <class T>
struct Symbol {
  const T *rows, *columns;  // [h], [w]: cosines
  int h, w;
  bool smooth;
  double scale;  // 1 / dx^2
  MG_HD double operator()(std::size_t cell) const {
    const double a = rows[cell / std::size_t(w) % std::size_t(h)], b = columns[cell % std::size_t(w)];
    return scale * ((smooth ? (1 + a) * (1 + b) : 2 * (a + b)) - 4);
  }
};

/// e^z and phi_k(z) = sum_j z^j / (j + k)!, k = 1, 2, 3, with their derivatives.
struct Phi {
  double f[4], d[4];
};
MG_HD Phi phi_functions(double z) {
  Phi p;
  if (fabs(z) < 1) {
    double series = 0, slope = 0, factorial = 6;
    double inverse[20];
    for (int j = 0; j < 20; ++j) inverse[j] = 1 / factorial, factorial *= j + 4;
    for (int j = 19; j >= 0; --j) {
      slope = slope * z + series;
      series = series * z + inverse[j];
    }
    p.f[3] = series, p.d[3] = slope;
    const double constants[3] = {1, 1, 0.5};
    for (int k = 2; k >= 0; --k) {
      p.f[k] = constants[k] + z * p.f[k + 1];
      p.d[k] = p.f[k + 1] + z * p.d[k + 1];
    }
    return p;
  }
  p.f[0] = exp(z);
  p.f[1] = (p.f[0] - 1) / z;
  p.f[2] = (p.f[1] - 1) / z;
  p.f[3] = (p.f[2] - 0.5) / z;
  p.d[0] = p.f[0];
  for (int k = 1; k < 4; ++k) p.d[k] = (p.f[k - 1] - k * p.f[k]) / z;
  return p;
}

/// Y_s = e U + h sum_j a_j N_j for one mode of decay z = h l, with the derivatives in z.
struct Exponential {
  double e = 1, de = 0;
  double a[kMostStages] = {}, da[kMostStages] = {};
};
/// Stage s of the scheme of that order; s = order is the step itself.
/// @source Cox and Matthews, J. Comput. Phys. 176 (2002), equations 20-22 and 26-29
MG_HD Exponential exponential_stage(int order, int s, double z) {
  Exponential c;
  if (s == 0) return c;
  const Phi whole = phi_functions(z);
  if (order == 2) {
    c.e = whole.f[0], c.de = whole.d[0];
    c.a[0] = whole.f[1], c.da[0] = whole.d[1];
    if (s == 2) {
      c.a[0] -= whole.f[2], c.da[0] -= whole.d[2];
      c.a[1] = whole.f[2], c.da[1] = whole.d[2];
    }
    return c;
  }
  if (s < 3) {
    const Phi half = phi_functions(z / 2);
    c.e = half.f[0], c.de = half.d[0] / 2;
    c.a[s - 1] = half.f[1] / 2, c.da[s - 1] = half.d[1] / 4;
    return c;
  }
  c.e = whole.f[0], c.de = whole.d[0];
  if (s == 3) {
    const Phi half = phi_functions(z / 2);
    c.a[0] = half.f[1] / 2 * (half.f[0] - 1);
    c.da[0] = (half.d[1] * (half.f[0] - 1) + half.f[1] * half.d[0]) / 4;
    c.a[2] = half.f[1], c.da[2] = half.d[1] / 2;
    return c;
  }
  const auto weights = [](const double* f, double* to) {
    to[0] = f[1] - 3 * f[2] + 4 * f[3];
    to[1] = to[2] = 2 * f[2] - 4 * f[3];
    to[3] = 4 * f[3] - f[2];
  };
  weights(whole.f, c.a);
  weights(whole.d, c.da);
  return c;
}

/// What the functors of one step share.
template <class T>
struct Modes {
  Symbol<T> symbol;
  const double* poly;  // [channels][channels][3]: coefficients of L^0, L, L^2, to-channel first
  int channels;
  double h;          // step
  std::size_t size;  // elements of one array of modes
  T *y, *g;          // [stages][size]: stage arguments and transforms of their slopes
  T *y_bar, *g_bar;  // likewise, cotangents; null in a forward step

  MG_HD std::size_t cells() const { return std::size_t(symbol.h) * symbol.w; }
  MG_HD int channel(std::size_t i) const { return int(i / cells() % std::size_t(channels)); }
  /// The coefficient from channel `from` to channel `to` at symbol value v.
  MG_HD double l(int to, int from, double v) const {
    const double* const p = poly + (to * channels + from) * 3;
    return p[0] + v * (p[1] + v * p[2]);
  }
};

/// out = Y_s of an exponential scheme, with N_j = g_j - l y_j and U = y_0.
template <class T>
struct ExponentialStage {
  Modes<T> m;
  int order, s;
  T* out;
  MG_HD void operator()(std::size_t i) const {
    const int c = m.channel(i);
    const double l = m.l(c, c, m.symbol(i));
    const Exponential k = exponential_stage(order, s, m.h * l);
    double sum = k.e * m.y[i];
    for (int j = 0; j < s; ++j)
      if (k.a[j] != 0) sum += m.h * k.a[j] * (double(m.g[j * m.size + i]) - l * m.y[j * m.size + i]);
    out[i] = T(sum);
  }
};
/// Spreads the cotangent `bar` of Y_s over y_bar, g_bar of the stages before it and over l_bar, all accumulated.
template <class T>
struct ExponentialStageAdjoint {
  Modes<T> m;
  int order, s;
  const T* bar;
  T* l_bar;
  MG_HD void operator()(std::size_t i) const {
    const int c = m.channel(i);
    const double l = m.l(c, c, m.symbol(i)), b = bar[i];
    const Exponential k = exponential_stage(order, s, m.h * l);
    double to_l = m.h * k.de * m.y[i];
    m.y_bar[i] += T(k.e * b);
    for (int j = 0; j < s; ++j) {
      const std::size_t at = j * m.size + i;
      const double n = double(m.g[at]) - l * m.y[at];
      m.g_bar[at] += T(m.h * k.a[j] * b);
      m.y_bar[at] -= T(m.h * k.a[j] * l * b);
      to_l += m.h * (m.h * k.da[j] * n - k.a[j] * m.y[at]);
    }
    l_bar[i] += T(b * to_l);
  }
};

/// Solves (I - w L) y = r in place for the channels of one mode, or with L^T; by elimination with pivots on the diagonal.
template <class T>
MG_HD void solve_channels(const Modes<T>& m, double w, double v, bool transposed, double* r) {
  double a[kMostChannels][kMostChannels];
  const int n = m.channels;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) a[i][j] = (i == j ? 1 : 0) - w * (transposed ? m.l(j, i, v) : m.l(i, j, v));
  for (int k = 0; k < n; ++k)
    for (int i = k + 1; i < n; ++i) {
      const double f = a[i][k] / a[k][k];
      if (f == 0) continue;
      for (int j = k; j < n; ++j) a[i][j] -= f * a[k][j];
      r[i] -= f * r[k];
    }
  for (int i = n - 1; i >= 0; --i) {
    for (int j = i + 1; j < n; ++j) r[i] -= a[i][j] * r[j];
    r[i] /= a[i][i];
  }
}

/// One implicit stage s of an implicit-explicit scheme, one call per cell of the batch:
///   (I - h d L) y_s = y_0 + h sum_{j<s} (e_j g_j + (i_j - e_j) L y_j)
template <class T>
struct ImexStage {
  Modes<T> m;
  int s;
  double diagonal, e[kMostStages], i[kMostStages];
  MG_HD std::size_t at(std::size_t cell, int c) const {
    return (cell / m.cells() * std::size_t(m.channels) + std::size_t(c)) * m.cells() + cell % m.cells();
  }
  MG_HD void operator()(std::size_t cell) const {
    const double v = m.symbol(cell);
    double r[kMostChannels];
    for (int c = 0; c < m.channels; ++c) {
      r[c] = m.y[at(cell, c)];
      for (int j = 0; j < s; ++j) r[c] += m.h * e[j] * m.g[j * m.size + at(cell, c)];
      for (int k = 0; k < m.channels; ++k) {
        const double l = m.l(c, k, v);
        if (l == 0) continue;
        for (int j = 0; j < s; ++j) r[c] += m.h * (i[j] - e[j]) * l * m.y[j * m.size + at(cell, k)];
      }
    }
    solve_channels(m, m.h * diagonal, v, false, r);
    for (int c = 0; c < m.channels; ++c) m.y[s * m.size + at(cell, c)] = T(r[c]);
  }
};
/// Spreads y_bar_s over the stages before it (accumulated), and writes r = (I - h d L)^-T y_bar_s and
/// x = h d y_s + h sum_j (i_j - e_j) y_j: the coefficient from k to c gets sum over modes of r_c x_k.
template <class T>
struct ImexStageAdjoint {
  ImexStage<T> stage;
  T *r, *x;  // [size] each, overwritten
  MG_HD void operator()(std::size_t cell) const {
    const Modes<T>& m = stage.m;
    const double v = m.symbol(cell);
    double w[kMostChannels];
    for (int c = 0; c < m.channels; ++c) w[c] = m.y_bar[stage.s * m.size + stage.at(cell, c)];
    solve_channels(m, m.h * stage.diagonal, v, true, w);
    for (int c = 0; c < m.channels; ++c) {
      const std::size_t own = stage.at(cell, c);
      r[own] = T(w[c]);
      m.y_bar[own] += T(w[c]);
      double lw = 0, sum = stage.diagonal * m.y[stage.s * m.size + own];
      for (int k = 0; k < m.channels; ++k) lw += m.l(k, c, v) * w[k];
      for (int j = 0; j < stage.s; ++j) {
        const double d = stage.i[j] - stage.e[j];
        m.g_bar[j * m.size + own] += T(m.h * stage.e[j] * w[c]);
        m.y_bar[j * m.size + own] += T(m.h * d * lw);
        sum += d * m.y[j * m.size + own];
      }
      x[own] = T(m.h * sum);
    }
  }
};

/// sum over samples and modes of a[to] b[from] symbol^power; segment = term. b null = 1.
template <class T>
struct TermSums {
  Symbol<T> symbol;
  const int* terms;  // [segments][3]: to, from, power
  int channels, n;
  const T *a, *b;
  static constexpr int kSums = 1;
  MG_HD std::size_t length(std::size_t) const { return std::size_t(n) * symbol.h * symbol.w; }
  MG_HD ReduceValues<1> operator()(std::size_t s, std::size_t i) const {
    const std::size_t cells = std::size_t(symbol.h) * symbol.w, sample = i / cells, cell = i % cells;
    const int* const t = terms + 3 * s;
    const auto at = [&](int c) { return (sample * std::size_t(channels) + std::size_t(c)) * cells + cell; };
    double value = a[at(t[0])];
    if (b != nullptr) value *= b[at(t[1])];
    if (t[2] > 0) {
      const double v = symbol(cell);
      value *= t[2] == 2 ? v * v : v;
    }
    return {{value}};
  }
};

/// z /= max(|1 - w (c0 + c1 v + c2 v^2)|, 1/10) with the fitted coefficients of each channel.
template <class T>
struct Precondition {
  Symbol<T> symbol;
  const double* fit;  // [channels][3]
  int channels;
  double w;
  T* z;
  MG_HD void operator()(std::size_t i) const {
    const double* const c = fit + 3 * (i / (std::size_t(symbol.h) * symbol.w) % std::size_t(channels));
    const double v = symbol(i), p = fabs(1 - w * (c[0] + v * (c[1] + v * c[2])));
    z[i] = T(z[i] / (p > 0.1 ? p : 0.1));
  }
};
/// z = +-1 at random, the same for every step.
template <class T>
struct RandomSigns {
  T* z;
  MG_HD void operator()(std::size_t i) const {
    const RandomStream stream{.seed = 20, .purpose = RandomPurpose::noise};
    z[i] = T(stream.words(std::uint32_t(i)).v[0] & 1U ? 1 : -1);
  }
};
/// Normal equations of j = c0 z + c1 L z + c2 L^2 z over one channel.
template <class T>
struct FitSums {
  const T *z, *lz, *llz, *j;  // (n, channels, cells)
  int channels, n;
  std::size_t cells;
  static constexpr int kSums = 9;
  MG_HD std::size_t length(std::size_t) const { return std::size_t(n) * cells; }
  MG_HD ReduceValues<9> operator()(std::size_t c, std::size_t i) const {
    const std::size_t at = (i / cells * std::size_t(channels) + c) * cells + i % cells;
    const double a = z[at], b = lz[at], d = llz[at], y = j[at];
    return {{a * a, a * b, a * d, b * b, b * d, d * d, a * y, b * y, d * y}};
  }
};
/// sum of v_s w over all elements; segment = vector.
template <class T>
struct Dots {
  const T *v, *w;  // [segments][n], [n]
  std::size_t n;
  static constexpr int kSums = 1;
  MG_HD std::size_t length(std::size_t) const { return n; }
  MG_HD ReduceValues<1> operator()(std::size_t s, std::size_t i) const {
    return {{double(v[s * n + i]) * double(w[i])}};
  }
};
/// (d / (atol + rtol |f|))^2 and its largest modulus' square.
template <class T>
struct ScaledSquares {
  const T *d, *f;
  double atol, rtol;
  std::size_t n;
  static constexpr int kSums = 1;
  MG_HD std::size_t length(std::size_t) const { return n; }
  MG_HD ReduceValues<1> operator()(std::size_t, std::size_t i) const {
    const double q = d[i] / (atol + rtol * fabs(double(f[i])));
    return {{q * q}};
  }
};
template <class T>
struct AddValue {
  T* target;
  double value;
  MG_HD void operator()(std::size_t) const { *target = T(*target + value); }
};
template <int K>
struct StoreSums {
  double* to;  // [segments][K]
  MG_HD void operator()(std::size_t s, const ReduceValues<K>& r) const {
    for (int k = 0; k < K; ++k) to[s * K + std::size_t(k)] = r.v[k];
  }
};

}  // namespace mg::pde::modal
