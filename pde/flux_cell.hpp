#pragma once
#include <cstddef>

#include "pde/dual.hpp"
#include "pde/halo_cell.hpp"

// Conservative form: du/dt = -(J_right - J_left + J_below - J_above) / dx + R(u), with one flux J through each face between
// two cells, so that what leaves a cell enters its neighbour. Derivatives come from Dual arithmetic: a model only says its
// flux and its reaction.
namespace mg::pde {

enum class Limiter { upwind, minmod, van_leer, central };

namespace flux {

/// What a moving field has at the face between b and c when it comes from b; a lies before b.
template <class V>
MG_HD V reconstruct(Limiter limiter, const V& a, const V& b, const V& c) {
  const V x = b - a, y = c - b;
  const V zero(0);
  switch (limiter) {
    case Limiter::minmod:
      if (x * y > zero) return b + V(0.5) * ((x > zero) == (x > y) ? y : x);
      return b;
    case Limiter::van_leer:
      if (x * y > zero) return b + x * y / (x + y);
      return b;
    case Limiter::central:
      return b + V(0.5) * y;
    case Limiter::upwind:
      break;
  }
  return b;
}
/// velocity times the upwind value of field k; z are the two cells on each side of the face.
template <class V, int F>
MG_HD V carried(Limiter limiter, const V (*z)[F], int k, const V& velocity) {
  return velocity * (velocity > V(0) ? reconstruct(limiter, z[0][k], z[1][k], z[2][k])
                                     : reconstruct(limiter, z[3][k], z[2][k], z[1][k]));
}

/// n' = div(grad n - n c / (1 + n^2) grad s) + n (1 - n) - epsilon n^3;  s' = div(D grad s) + n - alpha s
struct KellerSegel {
  static constexpr int kFields = 2, kParams = 4;
  bool linear = false;
  template <class V>
  MG_HD void flux(const V* p, Limiter limiter, const V& dx, int, const V (*z)[2], V* j) const {
    const auto chi = [&](const V& n) { return p[0] / (V(1) + n * n); };
    const V slope = (z[2][1] - z[1][1]) / dx;
    j[0] = carried<V, 2>(limiter, z, 0, V(0.5) * (chi(z[1][0]) + chi(z[2][0])) * slope) - (z[2][0] - z[1][0]) / dx;
    j[1] = V(0) - p[2] * slope;
  }
  template <class V>
  MG_HD void reaction(const V* p, const V* x, V* r) const {
    r[0] = x[0] * (V(1) - x[0]) - p[3] * x[0] * x[0] * x[0];
    r[1] = x[0] - p[1] * x[1];
  }
};

/// c' = div(D c grad c - chi c (1 - c / gamma) / (1 + alpha s)^2 grad s) + r c (1 - c);  s' = L s + c / (1 + phi c) - s;
/// with `linear` D grad c instead of D c grad c.
struct HillenPainter {
  static constexpr int kFields = 2, kParams = 6;
  bool linear = false;
  template <class V>
  MG_HD void flux(const V* p, Limiter limiter, const V& dx, int, const V (*z)[2], V* j) const {
    const auto chi = [&](const V* u) {
      const V q = V(1) + p[2] * u[1];
      return p[3] * (V(1) - u[0] / p[1]) / (q * q);
    };
    const V slope = (z[2][1] - z[1][1]) / dx, mobility = linear ? p[5] : V(0.5) * p[5] * (z[1][0] + z[2][0]);
    j[0] = carried<V, 2>(limiter, z, 0, V(0.5) * (chi(z[1]) + chi(z[2])) * slope) - mobility * (z[2][0] - z[1][0]) / dx;
    j[1] = V(0) - slope;
  }
  template <class V>
  MG_HD void reaction(const V* p, const V* x, V* r) const {
    r[0] = p[0] * x[0] * (V(1) - x[0]);
    r[1] = x[0] / (V(1) + p[4] * x[0]) - x[1];
  }
};

/// u' = div(D grad u - v u), v = (v0, v1), v0 along axis 1, as the derivatives are numbered.
struct AdvectionDiffusion {
  static constexpr int kFields = 1, kParams = 3;
  bool linear = false;
  template <class V>
  MG_HD void flux(const V* p, Limiter limiter, const V& dx, int axis, const V (*z)[1], V* j) const {
    j[0] = carried<V, 1>(limiter, z, 0, p[axis == 1 ? 1 : 2]) - p[0] * (z[2][0] - z[1][0]) / dx;
  }
  template <class V>
  MG_HD void reaction(const V*, const V*, V* r) const {
    r[0] = V(0);
  }
};

}  // namespace flux

/// Everything the passes of a flux model read and write.
template <class T, class M>
struct FluxPass {
  M model;
  Surroundings<T> around;
  const T* p = nullptr;
  T dx = 1;
  Limiter limiter = Limiter::minmod;
  const T* x = nullptr;        // (n, kFields, h, w)
  const T* x_dot = nullptr;    // likewise
  const T* out_bar = nullptr;  // likewise
  T* out = nullptr;            // likewise, or null
  Combinations<T> sums;
  const T* open = nullptr;  // (n, h + 2, w + 2), see FillOpen
  bool no_flux = false;

  MG_HD std::size_t at(int n, int c, int y, int x_at) const {
    return ((std::size_t(n) * M::kFields + c) * around.h + y) * around.w + x_at;
  }
  MG_HD bool is_open(int n, int y, int x_at) const {
    return open == nullptr || open[(std::size_t(n) * (around.h + 2) + y + 1) * (around.w + 2) + x_at + 1] != T(0);
  }
  MG_HD int length(int axis) const { return axis == 1 ? around.w : around.h; }
  /// Position k, -2 <= k <= length + 1, of the line through a cell. The second cell behind a wall mirrors the second one
  /// before it as the first one mirrors the first.
  MG_HD typename Surroundings<T>::Ghost ghost(int field, int axis, int k, const T* params) const {
    const int n = length(axis);
    const auto& before = around.side[field][axis == 1 ? kLeft : kTop];
    const auto& after = around.side[field][axis == 1 ? kRight : kBottom];
    auto g = around.ghost(before, after, k, n, params);
    if (k < -1 && before.valued && n > 1) g.source = 1;
    if (k > n && after.valued && n > 1) g.source = n - 2;
    return g;
  }
  /// Element of `field` at position k of the line through (y, x).
  MG_HD std::size_t on_line(int n, int c, int axis, int y, int x_at, int k) const {
    return axis == 1 ? at(n, c, y, k) : at(n, c, k, x_at);
  }
  MG_HD bool passes(int n, int axis, int y, int x_at, int face) const {
    return !no_flux || (axis == 1 ? is_open(n, y, face) && is_open(n, y, face + 1)
                                  : is_open(n, face, x_at) && is_open(n, face + 1, x_at));
  }
  /// The four cells around the face between positions `face` and `face` + 1 of a line.
  template <class V>
  MG_HD void window(int n, int axis, int y, int x_at, int face, V (*z)[M::kFields]) const {
    for (int k = 0; k < 4; ++k)
      for (int c = 0; c < M::kFields; ++c) {
        const auto g = ghost(c, axis, face - 1 + k, p);
        z[k][c] = V(g.gain == 0 ? g.offset : g.gain * x[on_line(n, c, axis, y, x_at, g.source)] + g.offset);
      }
  }
  template <class V>
  MG_HD void params(V* q) const {
    for (int k = 0; k < M::kParams; ++k) q[k] = V(p[k]);
  }
  MG_HD void write(int n, int y, int x_at, const T* r) const {
    const bool inside = is_open(n, y, x_at);
    for (int c = 0; c < M::kFields; ++c) {
      const std::size_t i = at(n, c, y, x_at);
      const T value = inside ? r[c] : T(0);
      if (out != nullptr) out[i] = value;
      sums.write(i, value);
    }
  }
  /// Cotangent of a flux: what leaves position `face` enters position `face` + 1.
  MG_HD T flux_bar(int n, int c, int axis, int y, int x_at, int face) const {
    const auto bar = [&](int k) {
      if (k < 0 || k >= length(axis)) return T(0);
      const bool inside = axis == 1 ? is_open(n, y, k) : is_open(n, k, x_at);
      return inside ? out_bar[on_line(n, c, axis, y, x_at, k)] : T(0);
    };
    return passes(n, axis, y, x_at, face) ? (bar(face + 1) - bar(face)) / dx : T(0);
  }
};

template <class T, class M>
struct FluxValue {
  static constexpr int kParams = 0;
  FluxPass<T, M> s;
  MG_HD void operator()(int n, int y, int x, T*) const {
    constexpr int F = M::kFields;
    T q[M::kParams], u[F], r[F], z[4][F], j[F];
    s.params(q);
    for (int c = 0; c < F; ++c) u[c] = s.x[s.at(n, c, y, x)];
    s.model.template reaction<T>(q, u, r);
    for (int axis = 0; axis < 2; ++axis)
      for (int side = 0; side < 2; ++side) {
        const int face = (axis == 1 ? x : y) - 1 + side;
        if (!s.passes(n, axis, y, x, face)) continue;
        s.window(n, axis, y, x, face, z);
        s.model.template flux<T>(q, s.limiter, s.dx, axis, z, j);
        for (int c = 0; c < F; ++c) r[c] += (side == 0 ? j[c] : -j[c]) / s.dx;
      }
    s.write(n, y, x, r);
  }
};

template <class T, class M>
struct FluxTangent {
  static constexpr int kParams = 0;
  FluxPass<T, M> s;
  MG_HD void operator()(int n, int y, int x, T*) const {
    using V = Dual<T, 1>;
    constexpr int F = M::kFields;
    V q[M::kParams], u[F], r[F], z[4][F], j[F];
    T sum[F];
    s.params(q);
    for (int c = 0; c < F; ++c) u[c] = V(s.x[s.at(n, c, y, x)]), u[c].d[0] = s.x_dot[s.at(n, c, y, x)];
    s.model.template reaction<V>(q, u, r);
    for (int c = 0; c < F; ++c) sum[c] = r[c].d[0];
    for (int axis = 0; axis < 2; ++axis)
      for (int side = 0; side < 2; ++side) {
        const int face = (axis == 1 ? x : y) - 1 + side;
        if (!s.passes(n, axis, y, x, face)) continue;
        s.window(n, axis, y, x, face, z);
        for (int k = 0; k < 4; ++k)
          for (int c = 0; c < F; ++c) {
            const auto g = s.ghost(c, axis, face - 1 + k, nullptr);
            z[k][c].d[0] = g.gain == 0 ? T(0) : g.gain * s.x_dot[s.on_line(n, c, axis, y, x, g.source)];
          }
        s.model.template flux<V>(q, s.limiter, V(s.dx), axis, z, j);
        for (int c = 0; c < F; ++c) sum[c] += (side == 0 ? j[c].d[0] : -j[c].d[0]) / s.dx;
      }
    s.write(n, y, x, sum);
  }
};

/// x_bar of a cell from the faces that see it, itself or through a ghost; the parameters from the reaction and the faces
/// after the cell (and before the first one).
template <class T, class M>
struct FluxAdjoint {
  static constexpr int kParams = M::kParams;
  FluxPass<T, M> s;

  MG_HD void params_of_face(int n, int axis, int y, int x, int face, T* p_bar) const {
    using V = Dual<T, M::kParams>;
    V q[M::kParams], z[4][M::kFields], j[M::kFields];
    for (int k = 0; k < M::kParams; ++k) q[k] = V(s.p[k], k);
    s.window(n, axis, y, x, face, z);
    s.model.template flux<V>(q, s.limiter, V(s.dx), axis, z, j);
    for (int c = 0; c < M::kFields; ++c) {
      const T bar = s.flux_bar(n, c, axis, y, x, face);
      for (int k = 0; k < M::kParams; ++k) p_bar[k] += bar * j[c].d[k];
    }
  }
  /// What face gives to position `seen` of its window.
  MG_HD void face_to_cell(int n, int axis, int y, int x, int face, int seen, const T* gain, T* x_bar) const {
    constexpr int F = M::kFields;
    using V = Dual<T, F>;
    V q[M::kParams], z[4][F], j[F];
    s.params(q);
    s.window(n, axis, y, x, face, z);
    for (int c = 0; c < F; ++c) z[seen][c].d[c] = gain[c];
    s.model.template flux<V>(q, s.limiter, V(s.dx), axis, z, j);
    for (int c = 0; c < F; ++c) {
      const T bar = s.flux_bar(n, c, axis, y, x, face);
      for (int k = 0; k < F; ++k) x_bar[k] += bar * j[c].d[k];
    }
  }
  MG_HD void react(int n, int y, int x, T* x_bar, T* p_bar) const {
    constexpr int F = M::kFields, P = M::kParams;
    using V = Dual<T, F + P>;
    V q[P], u[F], r[F];
    for (int k = 0; k < P; ++k) q[k] = V(s.p[k], F + k);
    for (int c = 0; c < F; ++c) u[c] = V(s.x[s.at(n, c, y, x)], c);
    s.model.template reaction<V>(q, u, r);
    for (int c = 0; c < F; ++c) {
      const T bar = s.is_open(n, y, x) ? s.out_bar[s.at(n, c, y, x)] : T(0);
      for (int k = 0; k < F; ++k) x_bar[k] += bar * r[c].d[k];
      for (int k = 0; k < P; ++k) p_bar[k] += bar * r[c].d[F + k];
    }
  }
  MG_HD void operator()(int n, int y, int x, T* p_bar) const {
    constexpr int F = M::kFields;
    T x_bar[F] = {};
    react(n, y, x, x_bar, p_bar);
    for (int axis = 0; axis < 2; ++axis) {
      const int k = axis == 1 ? x : y, length = s.length(axis);
      params_of_face(n, axis, y, x, k, p_bar);
      if (k == 0) params_of_face(n, axis, y, x, -1, p_bar);
      for (int copy = 0; copy < 5; ++copy) {  // the cell, and the ghosts that copy it
        const int e = copy == 0 ? k : copy <= 2 ? -copy : length + copy - 3;
        T gain[F];
        bool any = false;
        for (int c = 0; c < F; ++c) {
          const auto g = s.ghost(c, axis, e, nullptr);
          gain[c] = g.source == k ? g.gain : T(0);
          any = any || gain[c] != T(0);
        }
        if (!any) continue;
        for (int seen = 0; seen < 4; ++seen)
          if (const int face = e + 1 - seen; face >= -1 && face < length)
            face_to_cell(n, axis, y, x, face, seen, gain, x_bar);
      }
    }
    // What an obstacle holds acts on its neighbours; its own change does not count.
    for (int c = 0; c < F; ++c) {
      const std::size_t i = s.at(n, c, y, x);
      if (s.out != nullptr) s.out[i] = x_bar[c];
      s.sums.write(i, x_bar[c]);
    }
  }
};

}  // namespace mg::pde

/// All flux models as X(struct).
#define MG_FLUX_MODELS(X) X(KellerSegel) X(HillenPainter) X(AdvectionDiffusion)
