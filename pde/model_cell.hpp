#pragma once
#include "core/macros.hpp"
#include "pde/stage_cell.hpp"

// The stages of models beyond reaction and diffusion, with adjoint and tangent side by side. Features come first the fields,
// then what `extra` computes. The adjoints of out add to the bars of the jets and to p_bar, that of extra to z_bar and p_bar.
// kGrad and kLap have a bit for every feature whose derivatives the stage uses.
// N(f, g) = G0 f G0 g + G1 f G1 g + f L g, the product-rule form of div(f grad g).
namespace mg::pde {

namespace stage {

template <class T, int K>
MG_HD T product(const Jets<T, K>& j, int f, int g) {
  return j.g0[f] * j.g0[g] + j.g1[f] * j.g1[g] + j.v[f] * j.l[g];
}
template <class T, int K>
MG_HD T product_tangent(const Jets<T, K>& j, const Jets<T, K>& d, int f, int g) {
  return d.g0[f] * j.g0[g] + j.g0[f] * d.g0[g] + d.g1[f] * j.g1[g] + j.g1[f] * d.g1[g] + d.v[f] * j.l[g] +
         j.v[f] * d.l[g];
}
template <class T, int K>
MG_HD void product_adjoint(const Jets<T, K>& j, int f, int g, T b, Jets<T, K>& bar) {
  bar.g0[f] += b * j.g0[g], bar.g0[g] += b * j.g0[f];
  bar.g1[f] += b * j.g1[g], bar.g1[g] += b * j.g1[f];
  bar.v[f] += b * j.l[g], bar.l[g] += b * j.v[f];
}

/// Nothing: a model of one stage has this as its first.
struct None {
  static constexpr int kIn = 0, kExtra = 0, kOut = 0, kParams = 0;
};

/// out = L z, channel by channel.
struct Laplacian {
  static constexpr int kIn = 1, kExtra = 0, kOut = 1, kParams = 0;
  static constexpr unsigned kGrad = 0b0, kLap = 0b1;
  template <class T>
  MG_HD void out(const T*, const Jets<T, 1>& j, T* r) const {
    r[0] = j.l[0];
  }
  template <class T>
  MG_HD void out_adjoint(const T*, const Jets<T, 1>&, const T* b, Jets<T, 1>& bar, T*) const {
    bar.l[0] += b[0];
  }
  template <class T>
  MG_HD void out_tangent(const T*, const Jets<T, 1>&, const Jets<T, 1>& d, T* r) const {
    r[0] = d.l[0];
  }
};

/// c' = N(D c, c) - N(m, s) + r c (1 - c);  s' = L s + c / (1 + phi c) - s;  m = chi c (1 - c / gamma) / (1 + alpha s)^2.
/// With `linear` the cells diffuse by D L c instead. Parameters r, gamma, alpha, chi, phi, D.
struct HillenPainter {
  static constexpr int kIn = 2, kExtra = 1, kOut = 2, kParams = 6;
  static constexpr unsigned kGrad = 0b111, kLap = 0b011;
  bool linear = false;

  template <class T>
  MG_HD void extra(const T* p, const T* z, T* e) const {
    const T q = T(1) + p[2] * z[1];
    e[0] = p[3] * z[0] * (T(1) - z[0] / p[1]) / (q * q);
  }
  template <class T>
  MG_HD void extra_adjoint(const T* p, const T* z, const T* e_bar, T* z_bar, T* p_bar) const {
    const T q = T(1) + p[2] * z[1], f = e_bar[0] / (q * q), m = p[3] * z[0] * (T(1) - z[0] / p[1]);
    z_bar[0] += f * p[3] * (T(1) - T(2) * z[0] / p[1]);
    z_bar[1] -= T(2) * p[2] * m * f / q;
    p_bar[1] += f * p[3] * z[0] * z[0] / (p[1] * p[1]);
    p_bar[2] -= T(2) * z[1] * m * f / q;
    p_bar[3] += f * z[0] * (T(1) - z[0] / p[1]);
  }
  template <class T>
  MG_HD void extra_tangent(const T* p, const T* z, const T* d, T* e) const {
    const T q = T(1) + p[2] * z[1];
    e[0] = p[3] / (q * q) * ((T(1) - T(2) * z[0] / p[1]) * d[0] - T(2) * p[2] * z[0] * (T(1) - z[0] / p[1]) * d[1] / q);
  }
  template <class T>
  MG_HD void out(const T* p, const Jets<T, 3>& j, T* r) const {
    const T c = j.v[0];
    r[0] = p[5] * (linear ? j.l[0] : product(j, 0, 0)) - product(j, 2, 1) + p[0] * c * (T(1) - c);
    r[1] = j.l[1] + c / (T(1) + p[4] * c) - j.v[1];
  }
  template <class T>
  MG_HD void out_adjoint(const T* p, const Jets<T, 3>& j, const T* b, Jets<T, 3>& bar, T* p_bar) const {
    const T c = j.v[0], q = T(1) / (T(1) + p[4] * c);
    if (linear)
      bar.l[0] += p[5] * b[0];
    else
      product_adjoint(j, 0, 0, p[5] * b[0], bar);
    product_adjoint(j, 2, 1, -b[0], bar);
    bar.v[0] += p[0] * (T(1) - T(2) * c) * b[0] + q * q * b[1];
    bar.v[1] -= b[1];
    bar.l[1] += b[1];
    p_bar[0] += b[0] * c * (T(1) - c);
    p_bar[4] -= b[1] * c * c * q * q;
    p_bar[5] += b[0] * (linear ? j.l[0] : product(j, 0, 0));
  }
  template <class T>
  MG_HD void out_tangent(const T* p, const Jets<T, 3>& j, const Jets<T, 3>& d, T* r) const {
    const T c = j.v[0], q = T(1) / (T(1) + p[4] * c);
    r[0] = p[5] * (linear ? d.l[0] : product_tangent(j, d, 0, 0)) - product_tangent(j, d, 2, 1) +
           p[0] * (T(1) - T(2) * c) * d.v[0];
    r[1] = d.l[1] + q * q * d.v[0] - d.v[1];
  }
};

/// n' = L n - N(t, s) + n (1 - n) - epsilon n^3;  s' = D L s + n - alpha s;  t = c n / (1 + n^2).
/// Parameters c, alpha, D, epsilon.
struct KellerSegel {
  static constexpr int kIn = 2, kExtra = 1, kOut = 2, kParams = 4;
  static constexpr unsigned kGrad = 0b110, kLap = 0b011;

  template <class T>
  MG_HD void extra(const T* p, const T* z, T* e) const {
    e[0] = p[0] * z[0] / (T(1) + z[0] * z[0]);
  }
  template <class T>
  MG_HD void extra_adjoint(const T* p, const T* z, const T* e_bar, T* z_bar, T* p_bar) const {
    const T q = T(1) / (T(1) + z[0] * z[0]);
    z_bar[0] += e_bar[0] * p[0] * (T(1) - z[0] * z[0]) * q * q;
    p_bar[0] += e_bar[0] * z[0] * q;
  }
  template <class T>
  MG_HD void extra_tangent(const T* p, const T* z, const T* d, T* e) const {
    const T q = T(1) / (T(1) + z[0] * z[0]);
    e[0] = p[0] * (T(1) - z[0] * z[0]) * q * q * d[0];
  }
  template <class T>
  MG_HD void out(const T* p, const Jets<T, 3>& j, T* r) const {
    const T n = j.v[0];
    r[0] = j.l[0] - product(j, 2, 1) + n * (T(1) - n) - p[3] * n * n * n;
    r[1] = p[2] * j.l[1] + n - p[1] * j.v[1];
  }
  template <class T>
  MG_HD void out_adjoint(const T* p, const Jets<T, 3>& j, const T* b, Jets<T, 3>& bar, T* p_bar) const {
    const T n = j.v[0];
    product_adjoint(j, 2, 1, -b[0], bar);
    bar.l[0] += b[0];
    bar.v[0] += (T(1) - T(2) * n - T(3) * p[3] * n * n) * b[0] + b[1];
    bar.l[1] += p[2] * b[1];
    bar.v[1] -= p[1] * b[1];
    p_bar[1] -= b[1] * j.v[1];
    p_bar[2] += b[1] * j.l[1];
    p_bar[3] -= b[0] * n * n * n;
  }
  template <class T>
  MG_HD void out_tangent(const T* p, const Jets<T, 3>& j, const Jets<T, 3>& d, T* r) const {
    const T n = j.v[0];
    r[0] = d.l[0] - product_tangent(j, d, 2, 1) + (T(1) - T(2) * n - T(3) * p[3] * n * n) * d.v[0];
    r[1] = p[2] * d.l[1] + d.v[0] - p[1] * d.v[1];
  }
};

/// mu = u^3 - u - gamma L u.  Parameters gamma, D.
struct ChemicalPotential {
  static constexpr int kIn = 1, kExtra = 0, kOut = 1, kParams = 2;
  static constexpr unsigned kGrad = 0b0, kLap = 0b1;
  template <class T>
  MG_HD void out(const T* p, const Jets<T, 1>& j, T* r) const {
    r[0] = j.v[0] * j.v[0] * j.v[0] - j.v[0] - p[0] * j.l[0];
  }
  template <class T>
  MG_HD void out_adjoint(const T* p, const Jets<T, 1>& j, const T* b, Jets<T, 1>& bar, T* p_bar) const {
    bar.v[0] += (T(3) * j.v[0] * j.v[0] - T(1)) * b[0];
    bar.l[0] -= p[0] * b[0];
    p_bar[0] -= j.l[0] * b[0];
  }
  template <class T>
  MG_HD void out_tangent(const T* p, const Jets<T, 1>& j, const Jets<T, 1>& d, T* r) const {
    r[0] = (T(3) * j.v[0] * j.v[0] - T(1)) * d.v[0] - p[0] * d.l[0];
  }
};
/// u' = D L mu, on (u, mu).
struct CahnHilliard {
  static constexpr int kIn = 2, kExtra = 0, kOut = 1, kParams = 2;
  static constexpr unsigned kGrad = 0b00, kLap = 0b10;
  template <class T>
  MG_HD void out(const T* p, const Jets<T, 2>& j, T* r) const {
    r[0] = p[1] * j.l[1];
  }
  template <class T>
  MG_HD void out_adjoint(const T* p, const Jets<T, 2>& j, const T* b, Jets<T, 2>& bar, T* p_bar) const {
    bar.l[1] += p[1] * b[0];
    p_bar[1] += j.l[1] * b[0];
  }
  template <class T>
  MG_HD void out_tangent(const T* p, const Jets<T, 2>&, const Jets<T, 2>& d, T* r) const {
    r[0] = p[1] * d.l[1];
  }
};

/// v = k u + L u.  Parameters r, k, g.
struct HelmholtzOfSwiftHohenberg {
  static constexpr int kIn = 1, kExtra = 0, kOut = 1, kParams = 3;
  static constexpr unsigned kGrad = 0b0, kLap = 0b1;
  template <class T>
  MG_HD void out(const T* p, const Jets<T, 1>& j, T* r) const {
    r[0] = p[1] * j.v[0] + j.l[0];
  }
  template <class T>
  MG_HD void out_adjoint(const T* p, const Jets<T, 1>& j, const T* b, Jets<T, 1>& bar, T* p_bar) const {
    bar.v[0] += p[1] * b[0];
    bar.l[0] += b[0];
    p_bar[1] += j.v[0] * b[0];
  }
  template <class T>
  MG_HD void out_tangent(const T* p, const Jets<T, 1>&, const Jets<T, 1>& d, T* r) const {
    r[0] = p[1] * d.v[0] + d.l[0];
  }
};
/// u' = r u - (k v + L v) + g u^2 - u^3, on (u, v).
struct SwiftHohenberg {
  static constexpr int kIn = 2, kExtra = 0, kOut = 1, kParams = 3;
  static constexpr unsigned kGrad = 0b00, kLap = 0b10;
  template <class T>
  MG_HD void out(const T* p, const Jets<T, 2>& j, T* r) const {
    const T u = j.v[0];
    r[0] = p[0] * u - p[1] * j.v[1] - j.l[1] + p[2] * u * u - u * u * u;
  }
  template <class T>
  MG_HD void out_adjoint(const T* p, const Jets<T, 2>& j, const T* b, Jets<T, 2>& bar, T* p_bar) const {
    const T u = j.v[0];
    bar.v[0] += (p[0] + T(2) * p[2] * u - T(3) * u * u) * b[0];
    bar.v[1] -= p[1] * b[0];
    bar.l[1] -= b[0];
    p_bar[0] += u * b[0];
    p_bar[1] -= j.v[1] * b[0];
    p_bar[2] += u * u * b[0];
  }
  template <class T>
  MG_HD void out_tangent(const T* p, const Jets<T, 2>& j, const Jets<T, 2>& d, T* r) const {
    const T u = j.v[0];
    r[0] = (p[0] + T(2) * p[2] * u - T(3) * u * u) * d.v[0] - p[1] * d.v[1] - d.l[1];
  }
};

/// u' = -alpha v - beta L v - lambda / 2 |grad u|^2, on (u, v = L u).  Parameters alpha, beta, lambda.
struct KuramotoSivashinsky {
  static constexpr int kIn = 2, kExtra = 0, kOut = 1, kParams = 3;
  static constexpr unsigned kGrad = 0b01, kLap = 0b10;
  template <class T>
  MG_HD void out(const T* p, const Jets<T, 2>& j, T* r) const {
    r[0] = -p[0] * j.v[1] - p[1] * j.l[1] - p[2] / T(2) * (j.g0[0] * j.g0[0] + j.g1[0] * j.g1[0]);
  }
  template <class T>
  MG_HD void out_adjoint(const T* p, const Jets<T, 2>& j, const T* b, Jets<T, 2>& bar, T* p_bar) const {
    bar.v[1] -= p[0] * b[0];
    bar.l[1] -= p[1] * b[0];
    bar.g0[0] -= p[2] * j.g0[0] * b[0];
    bar.g1[0] -= p[2] * j.g1[0] * b[0];
    p_bar[0] -= j.v[1] * b[0];
    p_bar[1] -= j.l[1] * b[0];
    p_bar[2] -= (j.g0[0] * j.g0[0] + j.g1[0] * j.g1[0]) / T(2) * b[0];
  }
  template <class T>
  MG_HD void out_tangent(const T* p, const Jets<T, 2>& j, const Jets<T, 2>& d, T* r) const {
    r[0] = -p[0] * d.v[1] - p[1] * d.l[1] - p[2] * (j.g0[0] * d.g0[0] + j.g1[0] * d.g1[0]);
  }
};

}  // namespace stage
}  // namespace mg::pde

/// All stages as X(struct).
#define MG_STAGES(X) \
  X(Laplacian)       \
  X(HillenPainter)   \
  X(KellerSegel)     \
  X(ChemicalPotential) X(CahnHilliard) X(HelmholtzOfSwiftHohenberg) X(SwiftHohenberg) X(KuramotoSivashinsky)
