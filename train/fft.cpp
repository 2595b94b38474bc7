#include "train/fft.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/threads.hpp"
#include "train/plane_ops_host.hpp"

namespace mg::train {
namespace {

template <class T>
struct Complex {
  T re = 0, im = 0;
};
template <class T>
Complex<T> operator+(Complex<T> a, Complex<T> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
Complex<T> operator*(Complex<T> a, Complex<T> b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

int smallest_factor(int n) {
  for (int p : {4, 2, 3, 5})
    if (n % p == 0) return p;
  for (int p = 7; p * p <= n; p += 2)
    if (n % p == 0) return p;
  return n;
}

/// One complex transform of any length: decimation in time, one radix per level. Twiddle factors and scratch memory are
/// the caller's.
template <class T>
class Fft {
 public:
  /// @param twiddles  [n], filled
  Fft(int n, bool inverse, Complex<T>* twiddles) : n_(n), twiddles_(twiddles) {
    for (int k = 0; k < n; ++k) {
      const double phi = (inverse ? 2 : -2) * 3.14159265358979323846 * k / n;
      twiddles[k] = {T(std::cos(phi)), T(std::sin(phi))};
    }
  }
  /// out[k] = sum_j in[j] w^(j k).
  /// @param scratch  [n]
  void run(const Complex<T>* in, Complex<T>* out, Complex<T>* scratch) const { level(in, out, n_, 1, scratch); }

 private:
  /// Transform of in[0], in[stride], ... (m values) into out[0 .. m).
  void level(const Complex<T>* in, Complex<T>* out, int m, int stride, Complex<T>* scratch) const {
    if (m == 1) {
      out[0] = in[0];
      return;
    }
    const int p = smallest_factor(m), part = m / p;
    for (int q = 0; q < p; ++q) level(in + q * stride, out + q * part, part, stride * p, scratch);
    for (int u = 0; u < part; ++u) {
      for (int q = 0; q < p; ++q) scratch[q] = out[u + q * part];
      for (int v = 0; v < p; ++v) {
        const int k = u + v * part;
        Complex<T> sum = scratch[0];
        for (int q = 1; q < p; ++q) sum = sum + scratch[q] * twiddles_[std::size_t(stride) * k * q % std::size_t(n_)];
        out[k] = sum;
      }
    }
  }

  int n_;
  const Complex<T>* twiddles_;
};

/// Both transforms of a plane, with scratch memory for every thread.
template <class T>
struct PlaneFft {
  int h, w;
  Fft<T> rows, columns;
  Complex<T>* scratch;  // [threads][3 longest]

  PlaneFft(int h_, int w_, bool inverse, Workspace& workspace)
      : h(h_),
        w(w_),
        rows(w, inverse, workspace.get<Complex<T>>({}, "fft.twiddles_w", std::size_t(w))),
        columns(h, inverse, workspace.get<Complex<T>>({}, "fft.twiddles_h", std::size_t(h))),
        scratch(workspace.get<Complex<T>>({}, "fft.scratch", std::size_t(max_threads()) * 3 * longest())) {}
  std::size_t longest() const { return std::size_t(std::max(h, w)); }

  /// Transforms the columns of z (h, half) in place.
  void run_columns(Complex<T>* z, int half, Complex<T>* mine) const {
    Complex<T>*in = mine, *out = mine + longest(), *rest = mine + 2 * longest();
    for (int l = 0; l < half; ++l) {
      for (int k = 0; k < h; ++k) in[k] = z[k * half + l];
      columns.run(in, out, rest);
      for (int k = 0; k < h; ++k) z[k * half + l] = out[k];
    }
  }
};

template <class T>
void require_field(View<T> x, const char* what) {
  if (x.data == nullptr || x.shape.size() == 0) throw std::invalid_argument(std::string(what) + ": empty field");
}

}  // namespace

namespace host {

template <class T>
void rfft2(View<const T> x, T* z, Workspace& workspace) {
  const int half = x.shape.w / 2 + 1;
  const PlaneFft<T> fft(x.shape.h, x.shape.w, false, workspace);
  for_parts(std::size_t(x.shape.n) * std::size_t(x.shape.c), x.shape.size(), [&](std::size_t plane, int thread) {
    Complex<T>*mine = fft.scratch + std::size_t(thread) * 3 * fft.longest(), *out = mine + fft.longest();
    const T* from = x.data + plane * x.shape.plane();
    auto* to = reinterpret_cast<Complex<T>*>(z) + plane * std::size_t(x.shape.h * half);
    for (int i = 0; i < fft.h; ++i) {
      for (int j = 0; j < fft.w; ++j) mine[j] = {from[i * fft.w + j], T(0)};
      fft.rows.run(mine, out, mine + 2 * fft.longest());
      std::copy(out, out + half, to + i * half);
    }
    fft.run_columns(to, half, mine);
  });
}

template <class T>
void rfft2_adjoint(T* z_bar, View<T> x_bar, Workspace& workspace) {
  const int half = x_bar.shape.w / 2 + 1;
  const PlaneFft<T> fft(x_bar.shape.h, x_bar.shape.w, true, workspace);
  for_parts(std::size_t(x_bar.shape.n) * std::size_t(x_bar.shape.c), x_bar.shape.size(),
            [&](std::size_t plane, int thread) {
              Complex<T>*mine = fft.scratch + std::size_t(thread) * 3 * fft.longest(), *out = mine + fft.longest();
              T* to = x_bar.data + plane * x_bar.shape.plane();
              auto* from = reinterpret_cast<Complex<T>*>(z_bar) + plane * std::size_t(x_bar.shape.h * half);
              fft.run_columns(from, half, mine);
              for (int i = 0; i < fft.h; ++i) {
                std::copy(from + i * half, from + (i + 1) * half, mine);
                std::fill(mine + half, mine + fft.w, Complex<T>{});
                fft.rows.run(mine, out, mine + 2 * fft.longest());
                for (int j = 0; j < fft.w; ++j) to[i * fft.w + j] += out[j].re;
              }
            });
}

}  // namespace host

template <class T>
void rfft2(const Exec& exec, ConstView<T> x, T* z, Workspace& workspace) {
  require_field(x, "rfft2");
  MG_DISPATCH(exec, rfft2<T>, x, z, workspace);
}

template <class T>
void rfft2_adjoint(const Exec& exec, T* z_bar, View<T> x_bar, Workspace& workspace) {
  require_field(x_bar, "rfft2_adjoint");
  MG_DISPATCH(exec, rfft2_adjoint<T>, z_bar, x_bar, workspace);
}

#define MG_INSTANTIATE(T)                                            \
  template void host::rfft2<T>(View<const T>, T*, Workspace&);       \
  template void host::rfft2_adjoint<T>(T*, View<T>, Workspace&);     \
  template void rfft2<T>(const Exec&, ConstView<T>, T*, Workspace&); \
  template void rfft2_adjoint<T>(const Exec&, T*, View<T>, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train
