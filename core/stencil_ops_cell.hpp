#pragma once
#include "core/stencil_cell.hpp"

// The stencil operators as per-cell functors op(lattice, n, c, y, x), each beside its adjoint. Every functor names the
// `lattice` it runs on and the distance `reach(r)` from the border beyond which it may run on Lattice<true>.
namespace mg::stencil_ops {

// A cell that gathers folded contributions must be r + 1 away from the border (REFLECT), one that gathers products of
// derivatives r further.
MG_HD int reach_of_read(int r) { return r; }
MG_HD int reach_of_fold(int r) { return r + 1; }
MG_HD int reach_of_nested_fold(int r) { return 2 * r + 1; }

/// out = x or out += x: the identity stencil.
template <class T, int R>
struct Copy {
  View<const T> x;  // (n, c, h, w)
  View<T> out;      // (n, c, h, w)
  bool add;
  MG_HD int reach() const { return 0; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>&, int n, int c, int i, int j) const {
    store(out, n, c, i, j, plane_of(x, n, c)(i, j), add);
  }
};

template <class T, int R>
struct Correlate {
  Stencils<T, R> s;
  View<const T> x;  // (n, c, h, w)
  View<T> out;      // (n, c, h, w)
  bool lap;
  MG_HD int reach() const { return reach_of_read(s.radius()); }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int i, int j) const {
    store(out, n, c, i, j, correlate_cell(s, lap ? s.lap : s.average, l, plane_of(x, n, c), i, j), false);
  }
};
template <class T, int R>
struct CorrelateAdjoint {
  Stencils<T, R> s;
  View<const T> out_bar;  // (n, c, h, w)
  View<T> x_bar;          // (n, c, h, w)
  bool lap, add;
  MG_HD int reach() const { return reach_of_fold(s.radius()); }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int i, int j) const {
    store(x_bar, n, c, i, j, correlate_adjoint_cell(s, lap ? s.lap : s.average, l, plane_of(out_bar, n, c), i, j), add);
  }
};

/// out[d] = G_d x for the components first .. last; `out` holds those only.
template <class T, int R>
struct Grad {
  Stencils<T, R> s;
  View<const T> x;  // (n, c, h, w)
  View<T> out;      // (n, (last - first + 1) c, h, w)
  int channels, first, last;
  MG_HD int reach() const { return reach_of_read(s.radius()); }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int i, int j) const {
    if (first == 0) store(out, n, c, i, j, derivative_cell(s, 0, l, plane_of(x, n, c), i, j), false);
    if (last == 1)
      store(out, n, (1 - first) * channels + c, i, j, derivative_cell(s, 1, l, plane_of(x, n, c), i, j), false);
  }
};
template <class T, int R>
struct GradAdjoint {
  Stencils<T, R> s;
  View<const T> out_bar;  // (n, (last - first + 1) c, h, w)
  View<T> x_bar;          // (n, c, h, w)
  int channels, first, last;
  bool add;
  MG_HD int reach() const { return reach_of_fold(s.radius()); }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int i, int j) const {
    T sum = 0;
    if (first == 0) sum += derivative_adjoint_cell(s, 0, l, plane_of(out_bar, n, c), i, j);
    if (last == 1) sum += derivative_adjoint_cell(s, 1, l, plane_of(out_bar, n, (1 - first) * channels + c), i, j);
    store(x_bar, n, c, i, j, sum, add);
  }
};

template <class T, int R>
struct GradNorm {
  Stencils<T, R> s;
  View<const T> x;  // (n, c, h, w)
  View<T> out;      // (n, c, h, w)
  MG_HD int reach() const { return reach_of_read(s.radius()); }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int i, int j) const {
    const T g0 = derivative_cell(s, 0, l, plane_of(x, n, c), i, j);
    const T g1 = derivative_cell(s, 1, l, plane_of(x, n, c), i, j);
    store(out, n, c, i, j, T(sqrt(g0 * g0 + g1 * g1)), false);
  }
};
/// x_bar = sum_d G_d^T (out_bar G_d x / |G x|), 0 where |G x| = 0.
template <class T, int R>
struct GradNormAdjoint {
  Stencils<T, R> s;
  View<const T> x, out_bar;  // (n, c, h, w)
  View<T> x_bar;             // (n, c, h, w)
  bool add;
  MG_HD int reach() const { return reach_of_nested_fold(s.radius()); }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int i, int j) const {
    const auto xs = plane_of(x, n, c), bar = plane_of(out_bar, n, c);
    const T sum = l.template fold<T>(s.radius(), i, j, [&](int y, int z, int a, int b) {
      const T g0 = derivative_cell(s, 0, l, xs, y, z), g1 = derivative_cell(s, 1, l, xs, y, z);
      const T norm = sqrt(g0 * g0 + g1 * g1);
      const T k0 = s.grad[s.along0(0) ? s.at(b, a) : s.at(a, b)], k1 = s.grad[s.along0(1) ? s.at(b, a) : s.at(a, b)];
      return norm > T(0) ? bar(y, z) * (k0 * g0 + k1 * g1) / norm : T(0);
    });
    store(x_bar, n, c, i, j, sum, add);
  }
};

/// div: G0 v[0] + G1 v[1]; curl: G0 v[1] - G1 v[0].
template <class T, int R>
struct Div {
  Stencils<T, R> s;
  View<const T> v;  // (n, 2c, h, w)
  View<T> out;      // (n, c, h, w)
  bool curl;
  MG_HD int reach() const { return reach_of_read(s.radius()); }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int i, int j) const {
    const int channels = out.shape.c;
    const T g0 = derivative_cell(s, 0, l, plane_of(v, n, curl ? channels + c : c), i, j);
    const T g1 = derivative_cell(s, 1, l, plane_of(v, n, curl ? c : channels + c), i, j);
    store(out, n, c, i, j, curl ? g0 - g1 : g0 + g1, false);
  }
};
template <class T, int R>
struct DivAdjoint {
  Stencils<T, R> s;
  View<const T> out_bar;  // (n, c, h, w)
  View<T> v_bar;          // (n, 2c, h, w)
  bool curl;
  MG_HD int reach() const { return reach_of_fold(s.radius()); }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int i, int j) const {
    const int channels = out_bar.shape.c;
    const T g0 = derivative_adjoint_cell(s, 0, l, plane_of(out_bar, n, c), i, j);
    const T g1 = derivative_adjoint_cell(s, 1, l, plane_of(out_bar, n, c), i, j);
    store(v_bar, n, curl ? channels + c : c, i, j, g0, false);
    store(v_bar, n, curl ? c : channels + c, i, j, curl ? -g1 : g1, false);
  }
};

template <class T, int R>
struct NonlinearDiffusion {
  Stencils<T, R> s;
  View<const T> f, g;  // (n, c, h, w)
  View<T> out;         // (n, c, h, w)
  MG_HD int reach() const { return reach_of_read(s.radius()); }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int i, int j) const {
    const auto fs = plane_of(f, n, c), gs = plane_of(g, n, c);
    T sum = fs(i, j) * correlate_cell(s, s.lap, l, gs, i, j);
    for (int d = 0; d < 2; ++d) sum += derivative_cell(s, d, l, fs, i, j) * derivative_cell(s, d, l, gs, i, j);
    store(out, n, c, i, j, sum, false);
  }
};
/// f_bar = sum_d G_d^T (o G_d g) + o L g;  g_bar = sum_d G_d^T (o G_d f) + L^T (o f), o = out_bar.
template <class T, int R>
struct NonlinearDiffusionAdjoint {
  Stencils<T, R> s;
  View<const T> f, g, out_bar;  // (n, c, h, w)
  View<T> f_bar, g_bar;         // (n, c, h, w)
  MG_HD int reach() const { return reach_of_nested_fold(s.radius()); }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int i, int j) const {
    const auto fs = plane_of(f, n, c), gs = plane_of(g, n, c), bar = plane_of(out_bar, n, c);
    T to_f = bar(i, j) * correlate_cell(s, s.lap, l, gs, i, j);
    T to_g = correlate_adjoint_cell(
        s, s.lap, l, [&](int y, int x) { return bar(y, x) * fs(y, x); }, i, j);
    for (int d = 0; d < 2; ++d) {
      const auto term = [&](const Plane<T>& u) {
        return [&, u](int y, int x) { return bar(y, x) * derivative_cell(s, d, l, u, y, x); };
      };
      to_f += derivative_adjoint_cell(s, d, l, term(gs), i, j);
      to_g += derivative_adjoint_cell(s, d, l, term(fs), i, j);
    }
    store(f_bar, n, c, i, j, to_f, false);
    store(g_bar, n, c, i, j, to_g, false);
  }
};

/// out[d] = sum_q v[q] G_q u[d] for d < components (1: MatDiff, 2: VectorMatDiff).
template <class T, int R>
struct MatDiff {
  Stencils<T, R> s;
  View<const T> v, u;  // (n, 2c, h, w), (n, components c, h, w)
  View<T> out;         // (n, components c, h, w)
  int channels, components;
  MG_HD int reach() const { return reach_of_read(s.radius()); }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int i, int j) const {
    const T v0 = plane_of(v, n, c)(i, j), v1 = plane_of(v, n, channels + c)(i, j);
    for (int d = 0; d < components; ++d) {
      const auto us = plane_of(u, n, d * channels + c);
      store(out, n, d * channels + c, i, j,
            v0 * derivative_cell(s, 0, l, us, i, j) + v1 * derivative_cell(s, 1, l, us, i, j), false);
    }
  }
};
/// v_bar[q] = sum_d o[d] G_q u[d];  u_bar[d] = sum_q G_q^T (o[d] v[q]), o = out_bar.
template <class T, int R>
struct MatDiffAdjoint {
  Stencils<T, R> s;
  View<const T> v, u, out_bar;  // (n, 2c, h, w), (n, components c, h, w) twice
  View<T> v_bar, u_bar;         // (n, 2c, h, w), (n, components c, h, w)
  int channels, components;
  MG_HD int reach() const { return reach_of_fold(s.radius()); }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int i, int j) const {
    T to_v[2] = {0, 0};
    for (int d = 0; d < components; ++d) {
      const auto us = plane_of(u, n, d * channels + c), bar = plane_of(out_bar, n, d * channels + c);
      T to_u = 0;
      for (int q = 0; q < 2; ++q) {
        const auto vs = plane_of(v, n, q * channels + c);
        to_v[q] += bar(i, j) * derivative_cell(s, q, l, us, i, j);
        to_u += derivative_adjoint_cell(
            s, q, l, [&](int y, int x) { return bar(y, x) * vs(y, x); }, i, j);
      }
      store(u_bar, n, d * channels + c, i, j, to_u, false);
    }
    for (int q = 0; q < 2; ++q) store(v_bar, n, q * channels + c, i, j, to_v[q], false);
  }
};

}  // namespace mg::stencil_ops
