#pragma once
#include "pde/fluids_cell.hpp"

// Per-cell maths of the pressure projection of the Navier-Stokes family.
namespace mg::pde::fluids {

/// Divergence of a vector field w. `wall`: -W^-1 G^T W w, which sees no flow through the walls and is the negative
/// adjoint of the gradient in the inner product of W (1/2 on the rim of REFLECT, else 1); the same as G0 w0 + G1 w1 for
/// CIRCULAR and ZEROS.
template <class T>
struct Walls {
  bool wall;
  MG_HD static T weight(const auto& l, int y, int x) {
    if (l.padding != Padding::reflect) return 1;
    return (y == 0 || y == l.h - 1 ? T(0.5) : T(1)) * (x == 0 || x == l.w - 1 ? T(0.5) : T(1));
  }
  template <bool I>
  MG_HD T divergence(const Here<T, I>& here, const Plane<T>& w0, const Plane<T>& w1) const {
    if (!wall) return here.d0(w0) + here.d1(w1);
    const auto weighted = [&](const Plane<T>& u) {
      return [&here, u](int y, int x) { return weight(here.l, y, x) * u(y, x); };
    };
    return -(here.d0_adjoint(weighted(w0)) + here.d1_adjoint(weighted(w1))) / weight(here.l, here.y, here.x);
  }
  /// Component d of the adjoint for the cotangent b.
  template <bool I>
  MG_HD T adjoint(const Here<T, I>& here, int d, const Plane<T>& b) const {
    if (!wall) return d == 0 ? here.d0_adjoint(b) : here.d1_adjoint(b);
    const auto weighted = [&](int y, int x) { return b(y, x) / weight(here.l, y, x); };
    return -weight(here.l, here.y, here.x) * (d == 0 ? here.d0(weighted) : here.d1(weighted));
  }
};

/// b = scale rho div w
template <class T>
struct Divergence {
  Flow<T> flow;
  Walls<T> walls;
  Channels<const T> w;
  Channels<T> b;
  T scale;
  MG_HD int reach() const { return 2; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int y, int x) const {
    const Here<T, I> here{flow.s, l, y, x};
    b.plane(n, c, flow.cells)[flow.at(y, x)] =
        scale * flow.params[kRho] * walls.divergence(here, flow.plane(w, n, c), flow.plane(w, n, flow.copies + c));
  }
};
/// w_bar = base_bar + its adjoint
template <class T>
struct DivergenceAdjoint {
  Flow<T> flow;
  Walls<T> walls;
  Channels<const T> b_bar, base_bar;
  Channels<T> w_bar;
  T scale;
  MG_HD int reach() const { return 2; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int y, int x) const {
    const Here<T, I> here{flow.s, l, y, x};
    for (int d = 0; d < 2; ++d) {
      const int channel = d * flow.copies + c;
      w_bar.plane(n, channel, flow.cells)[flow.at(y, x)] =
          flow.plane(base_bar, n, channel)(y, x) +
          scale * flow.params[kRho] * walls.adjoint(here, d, flow.plane(b_bar, n, c));
    }
  }
};

/// out_d = w_d - (scale / rho) G_d phi;  p_out = phi + beta p
template <class T>
struct SubtractGradient {
  Flow<T> flow;
  Channels<const T> w, phi, p;
  Channels<T> out, p_out;  // out: null = not wanted; p_out: null = none
  T scale, beta;
  Combinations<T> sums;  // over out
  MG_HD int reach() const { return 1; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int y, int x) const {
    const Here<T, I> here{flow.s, l, y, x};
    const auto phis = flow.plane(phi, n, c);
    for (int d = 0; d < 2; ++d) {
      const int channel = d * flow.copies + c;
      const T value =
          flow.plane(w, n, channel)(y, x) - scale / flow.params[kRho] * (d == 0 ? here.d0(phis) : here.d1(phis));
      const std::size_t i = (std::size_t(n) * out.stride + out.first + channel) * flow.cells + flow.at(y, x);
      if (out.data != nullptr) out.data[i] = value;
      sums.write(i, value);
    }
    if (p_out.data == nullptr) return;
    const T before = beta == 0 ? T(0) : beta * flow.plane(p, n, c)(y, x);
    p_out.plane(n, c, flow.cells)[flow.at(y, x)] = phis(y, x) + before;
  }
};
/// phi_bar = p_bar - (scale / rho) G^T out_bar
template <class T>
struct SubtractGradientAdjoint {
  Flow<T> flow;
  Channels<const T> out_bar, p_bar;  // p_bar: null = 0
  Channels<T> phi_bar;
  T scale;
  MG_HD int reach() const { return 2; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int y, int x) const {
    const Here<T, I> here{flow.s, l, y, x};
    const T pull =
        here.d0_adjoint(flow.plane(out_bar, n, c)) + here.d1_adjoint(flow.plane(out_bar, n, flow.copies + c));
    const T own = p_bar.data == nullptr ? T(0) : flow.plane(p_bar, n, c)(y, x);
    phi_bar.plane(n, c, flow.cells)[flow.at(y, x)] = own - scale / flow.params[kRho] * pull;
  }
};

/// One Jacobi sweep for L phi = b: out = (K phi - dx^2 b) / k, with K the neighbour part of dx^2 L and k its sum.
template <class T>
struct JacobiSweep {
  Stencils<T, 1> s;  // lap: K / k
  View<const T> phi, b;
  View<T> out;
  T weight;  // dx^2 / k
  MG_HD int reach() const { return 1; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int y, int x) const {
    store(out, n, c, y, x, correlate_cell(s, s.lap, l, plane_of(phi, n, c), y, x) - weight * plane_of(b, n, c)(y, x),
          false);
  }
};
/// phi_bar = (K / k)^T out_bar;  b_bar -= weight out_bar
template <class T>
struct JacobiSweepAdjoint {
  Stencils<T, 1> s;
  View<const T> out_bar;
  View<T> phi_bar, b_bar;
  T weight;
  MG_HD int reach() const { return 2; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int y, int x) const {
    const auto bar = plane_of(out_bar, n, c);
    store(b_bar, n, c, y, x, -weight * bar(y, x), true);
    store(phi_bar, n, c, y, x, correlate_adjoint_cell(s, s.lap, l, bar, y, x), false);
  }
};

/// Contributions to rho of a projection: scale_b <b_bar, div w> + (scale_p / rho^2) <out_bar, G phi>, one segment.
template <class T>
struct ProjectionRho {
  Flow<T> flow;
  Walls<T> walls;
  Channels<const T> w, b_bar, phi, out_bar;
  T scale_b, scale_p;
  Padding padding;
  int n;
  static constexpr int kSums = 1;
  MG_HD std::size_t length(std::size_t) const { return std::size_t(n) * flow.copies * flow.cells; }
  MG_HD ReduceValues<1> operator()(std::size_t, std::size_t i) const {
    const Lattice<false> l{int(flow.cells) / flow.w, flow.w, padding};
    const int plane = int(i / flow.cells), y = int(i % flow.cells) / flow.w, x = int(i % flow.cells) % flow.w;
    const int sample = plane / flow.copies, c = plane % flow.copies;
    const Here<T, false> here{flow.s, l, y, x};
    const auto phis = flow.plane(phi, sample, c);
    const T div = walls.divergence(here, flow.plane(w, sample, c), flow.plane(w, sample, flow.copies + c));
    const T pull = flow.plane(out_bar, sample, c)(y, x) * here.d0(phis) +
                   flow.plane(out_bar, sample, flow.copies + c)(y, x) * here.d1(phis);
    const T rho = flow.params[kRho];
    return {{double(scale_b * flow.plane(b_bar, sample, c)(y, x) * div + scale_p * pull / (rho * rho))}};
  }
};
/// target += *sum
template <class T>
struct AddSum {
  const double* sum;
  T* target;
  MG_HD void operator()(std::size_t) const { *target += T(*sum); }
};

/// to = from
template <class T>
struct CopyChannels {
  Flow<T> flow;
  Channels<const T> from;
  Channels<T> to;
  MG_HD int reach() const { return 0; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>&, int n, int c, int y, int x) const {
    to.plane(n, c, flow.cells)[flow.at(y, x)] = flow.plane(from, n, c)(y, x);
  }
};
/// to += weight from
template <class T>
struct AddChannels {
  Flow<T> flow;
  Channels<const T> from;
  Channels<T> to;
  T weight;
  MG_HD int reach() const { return 0; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>&, int n, int c, int y, int x) const {
    to.plane(n, c, flow.cells)[flow.at(y, x)] += weight * flow.plane(from, n, c)(y, x);
  }
};

/// x *= sigma(y) sigma(x) with the signs + + - - + + ...: what makes the second difference over two cells with zeros
/// outside diagonal in sine modes.
template <class T>
struct FlipPairs {
  View<T> x;
  MG_HD int reach() const { return 0; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>&, int n, int c, int i, int j) const {
    if ((i / 2 + j / 2) % 2 != 0) {
      T& value = x.plane(n, c)[std::size_t(i) * x.shape.w + j];
      value = -value;
    }
  }
};
/// z *= -1 / |G|^2 of the mode (k, l), 0 where the gradient vanishes.
template <class T>
struct InverseWideLaplacian {
  View<T> z;
  const T *rows, *columns;  // [h], [w]: cos of the angle of each mode
  T scale;                  // dx^2
  bool smooth, cosine;      // smooth: G carries (1 + cos) / 2 of the other axis; cosine: ZEROS, cos^2 instead of sin^2
  MG_HD int reach() const { return 0; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>&, int n, int c, int i, int j) const {
    const T a = rows[i], b = columns[j];
    T da = cosine ? a * a : 1 - a * a, db = cosine ? b * b : 1 - b * b;
    if (smooth) {
      const T sa = (1 + a) / 2, sb = (1 + b) / 2;
      const T d = da;
      da = d * sb * sb;
      db = db * sa * sa;
    }
    const T norm = da + db;
    T& value = z.plane(n, c)[std::size_t(i) * z.shape.w + j];
    value = norm > T(sizeof(T) == 4 ? 1e-6 : 1e-14) ? -scale * value / norm : T(0);
  }
};

}  // namespace mg::pde::fluids
