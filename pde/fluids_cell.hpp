#pragma once
#include "core/reduce.hpp"
#include "core/stencil_cell.hpp"
#include "pde/combination.hpp"

// Per-cell maths of the Navier-Stokes family: velocity u = (u0, u1) with u0 along axis 1, pressure p, tracer s, each
// with `copies` independent copies; every functor op(lattice, n, c, y, x) serves copy c and sits beside its adjoint.
namespace mg::pde::fluids {

/// Where the parameters of the family lie in the flat buffer.
inline constexpr int kRho = 0, kNu = 1, kForcing = 2;  // forcing [2][copies]
MG_HD int mach_at(int copies) { return kForcing + 2 * copies; }
MG_HD int diffusion_at(int copies) { return kForcing + 2 * copies + 1; }

/// Channels of an array of (n, stride, h, w), from `first` on.
template <class T>
struct Channels {
  T* data = nullptr;
  int stride = 0, first = 0;
  MG_HD T* plane(int n, int c, std::size_t cells) const { return data + (std::size_t(n) * stride + first + c) * cells; }
};

/// The stencils at one cell, and their transposes applied to a function of the cell.
template <class T, bool I>
struct Here {
  const Stencils<T, 1>& s;
  const Lattice<I>& l;
  int y, x;
  template <class U>
  MG_HD T d0(const U& u) const {
    return derivative_cell(s, 0, l, u, y, x);
  }
  template <class U>
  MG_HD T d1(const U& u) const {
    return derivative_cell(s, 1, l, u, y, x);
  }
  template <class U>
  MG_HD T lap(const U& u) const {
    return correlate_cell(s, s.lap, l, u, y, x);
  }
  template <class U>
  MG_HD T d0_adjoint(const U& u) const {
    return derivative_adjoint_cell(s, 0, l, u, y, x);
  }
  template <class U>
  MG_HD T d1_adjoint(const U& u) const {
    return derivative_adjoint_cell(s, 1, l, u, y, x);
  }
  template <class U>
  MG_HD T lap_adjoint(const U& u) const {
    return correlate_adjoint_cell(s, s.lap, l, u, y, x);
  }
};

/// What the functors of one flow share.
template <class T>
struct Flow {
  Stencils<T, 1> s;
  const T* params = nullptr;
  int copies = 1, w = 0;
  std::size_t cells = 0;  ///< of one plane

  MG_HD Plane<T> plane(const Channels<const T>& a, int n, int c) const { return {a.plane(n, c, cells), w}; }
  MG_HD std::size_t at(int y, int x) const { return std::size_t(y) * w + x; }
};

/// a(y, x) b(y, x)
template <class T>
struct Product {
  Plane<T> a, b;
  MG_HD T operator()(int y, int x) const { return a(y, x) * b(y, x); }
};

/// out_d = base u_d + scale (-(u . grad) u_d - beta grad_d p / rho + nu lap u_d + f_d)
template <class T>
struct Momentum {
  Flow<T> flow;
  Channels<const T> u, p, forcing;  // p: none with beta = 0; forcing: null = the uniform one alone
  Channels<T> out;
  T base, scale, beta;
  MG_HD int reach() const { return 1; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int y, int x) const {
    const Here<T, I> here{flow.s, l, y, x};
    const auto u0 = flow.plane(u, n, c), u1 = flow.plane(u, n, flow.copies + c);
    const T v0 = u0(y, x), v1 = u1(y, x), nu = flow.params[kNu];
    for (int d = 0; d < 2; ++d) {
      const auto& ud = d == 0 ? u0 : u1;
      T sum = nu * here.lap(ud) - v0 * here.d0(ud) - v1 * here.d1(ud) + flow.params[kForcing + d * flow.copies + c];
      if (beta != 0) {
        const auto ps = flow.plane(p, n, c);
        sum -= beta * (d == 0 ? here.d0(ps) : here.d1(ps)) / flow.params[kRho];
      }
      if (forcing.data != nullptr) sum += flow.plane(forcing, n, d * flow.copies + c)(y, x);
      out.plane(n, d * flow.copies + c, flow.cells)[flow.at(y, x)] = base * ud(y, x) + scale * sum;
    }
  }
};

/// u_bar of Momentum for the cotangents b of `out`, without p:
///   u_bar_d = base b_d + scale (nu L^T b_d - sum_e [b_e G_d u_e + G_e^T (b_d u_e)])
template <class T>
MG_HD T momentum_adjoint(const Flow<T>&, T nu, int d, const auto& here, const Plane<T>& u0, const Plane<T>& u1,
                         const Plane<T>& b0, const Plane<T>& b1, int y, int x) {
  const auto& bd = d == 0 ? b0 : b1;
  const T g0 = d == 0 ? here.d0(u0) : here.d1(u0), g1 = d == 0 ? here.d0(u1) : here.d1(u1);
  return nu * here.lap_adjoint(bd) - b0(y, x) * g0 - b1(y, x) * g1 - here.d0_adjoint(Product<T>{bd, u0}) -
         here.d1_adjoint(Product<T>{bd, u1});
}
template <class T>
struct MomentumAdjoint {
  Flow<T> flow;
  Channels<const T> u, out_bar;
  Channels<T> u_bar, p_bar;  // p_bar: null = not wanted, else accumulated
  T base, scale, beta;
  Combinations<T> sums;  // over u_bar when its copies are all its channels
  MG_HD int reach() const { return 2; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int y, int x) const {
    const Here<T, I> here{flow.s, l, y, x};
    const auto u0 = flow.plane(u, n, c), u1 = flow.plane(u, n, flow.copies + c);
    const auto b0 = flow.plane(out_bar, n, c), b1 = flow.plane(out_bar, n, flow.copies + c);
    for (int d = 0; d < 2; ++d) {
      const T own = d == 0 ? b0(y, x) : b1(y, x);
      const T value = base * own + scale * momentum_adjoint(flow, flow.params[kNu], d, here, u0, u1, b0, b1, y, x);
      T* const to = u_bar.plane(n, d * flow.copies + c, flow.cells) + flow.at(y, x);
      *to = value;
      sums.write(std::size_t(to - u_bar.data), value);
    }
    if (p_bar.data != nullptr)
      p_bar.plane(n, c, flow.cells)[flow.at(y, x)] -=
          scale * beta / flow.params[kRho] * (here.d0_adjoint(b0) + here.d1_adjoint(b1));
  }
};

/// out_d = -(u_dot . grad) u_d - (u . grad) u_dot_d + nu lap u_dot_d
template <class T>
struct MomentumTangent {
  Flow<T> flow;
  Channels<const T> u, u_dot;
  Channels<T> out;
  MG_HD int reach() const { return 1; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int y, int x) const {
    const Here<T, I> here{flow.s, l, y, x};
    const auto u0 = flow.plane(u, n, c), u1 = flow.plane(u, n, flow.copies + c);
    const auto t0 = flow.plane(u_dot, n, c), t1 = flow.plane(u_dot, n, flow.copies + c);
    for (int d = 0; d < 2; ++d) {
      const auto &ud = d == 0 ? u0 : u1, &td = d == 0 ? t0 : t1;
      out.plane(n, d * flow.copies + c, flow.cells)[flow.at(y, x)] = flow.params[kNu] * here.lap(td) -
                                                                     t0(y, x) * here.d0(ud) - t1(y, x) * here.d1(ud) -
                                                                     u0(y, x) * here.d0(td) - u1(y, x) * here.d1(td);
    }
  }
};

/// Contributions of copy c = segment to the parameters (rho, nu, f_0, f_1) by Momentum, for the cotangents b of `out`.
template <class T>
struct MomentumParams {
  Flow<T> flow;
  Channels<const T> u, p, out_bar;
  T scale, beta;
  Padding padding;
  int n;  ///< samples
  static constexpr int kSums = 4;
  MG_HD std::size_t length(std::size_t) const { return std::size_t(n) * flow.cells; }
  MG_HD ReduceValues<4> operator()(std::size_t c, std::size_t i) const {
    const Lattice<false> l{int(flow.cells) / flow.w, flow.w, padding};
    const int sample = int(i / flow.cells), y = int(i % flow.cells) / flow.w, x = int(i % flow.cells) % flow.w;
    const Here<T, false> here{flow.s, l, y, x};
    const T b0 = flow.plane(out_bar, sample, int(c))(y, x),
            b1 = flow.plane(out_bar, sample, flow.copies + int(c))(y, x);
    T rho = 0;
    if (beta != 0) {
      const auto ps = flow.plane(p, sample, int(c));
      rho = beta * (b0 * here.d0(ps) + b1 * here.d1(ps)) / (flow.params[kRho] * flow.params[kRho]);
    }
    const T nu =
        b0 * here.lap(flow.plane(u, sample, int(c))) + b1 * here.lap(flow.plane(u, sample, flow.copies + int(c)));
    return {{double(scale * rho), double(scale * nu), double(scale * b0), double(scale * b1)}};
  }
};

/// Everything of the generalised pressure: momentum with beta = 1, and
///   p' = nu lap p + sigma div u / M^2,  s' = D lap s - (u . grad) s
template <class T>
struct PressureFlow {
  Flow<T> flow;
  Channels<const T> x, forcing;  // x: (n, 4 copies, h, w)
  Channels<T> slope;             // null = not wanted
  T sigma;
  Combinations<T> sums;
  MG_HD int reach() const { return 1; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int y, int z) const {
    const Here<T, I> here{flow.s, l, y, z};
    const int C = flow.copies;
    const auto u0 = flow.plane(x, n, c), u1 = flow.plane(x, n, C + c), p = flow.plane(x, n, 2 * C + c),
               s = flow.plane(x, n, 3 * C + c);
    const T v0 = u0(y, z), v1 = u1(y, z), rho = flow.params[kRho], nu = flow.params[kNu];
    const T mach = flow.params[mach_at(C)];
    const auto advected = [&](const Plane<T>& a) { return v0 * here.d0(a) + v1 * here.d1(a); };
    T f0 = flow.params[kForcing + c], f1 = flow.params[kForcing + C + c];
    if (forcing.data != nullptr) f0 += flow.plane(forcing, n, c)(y, z), f1 += flow.plane(forcing, n, C + c)(y, z);
    put(n, c, y, z, nu * here.lap(u0) - advected(u0) - here.d0(p) / rho + f0);
    put(n, C + c, y, z, nu * here.lap(u1) - advected(u1) - here.d1(p) / rho + f1);
    put(n, 2 * C + c, y, z, nu * here.lap(p) + sigma * (here.d0(u0) + here.d1(u1)) / (mach * mach));
    put(n, 3 * C + c, y, z, flow.params[diffusion_at(C)] * here.lap(s) - advected(s));
  }

 private:
  MG_HD void put(int n, int c, int y, int z, T value) const {
    const std::size_t i = (std::size_t(n) * x.stride + c) * flow.cells + flow.at(y, z);
    if (slope.data != nullptr) slope.data[i] = value;
    sums.write(i, value);
  }
};

template <class T>
struct PressureFlowAdjoint {
  Flow<T> flow;
  Channels<const T> x, slope_bar;
  Channels<T> x_bar;  // null = not wanted
  T sigma;
  Combinations<T> sums;
  MG_HD int reach() const { return 2; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int y, int z) const {
    const Here<T, I> here{flow.s, l, y, z};
    const int C = flow.copies;
    const auto u0 = flow.plane(x, n, c), u1 = flow.plane(x, n, C + c), s = flow.plane(x, n, 3 * C + c);
    const auto a = flow.plane(slope_bar, n, c), b = flow.plane(slope_bar, n, C + c),
               p_bar = flow.plane(slope_bar, n, 2 * C + c), s_bar = flow.plane(slope_bar, n, 3 * C + c);
    const T rho = flow.params[kRho], nu = flow.params[kNu], mach = flow.params[mach_at(C)];
    const T pull = sigma / (mach * mach), t = s_bar(y, z);
    put(n, c, y, z,
        momentum_adjoint(flow, nu, 0, here, u0, u1, a, b, y, z) + pull * here.d0_adjoint(p_bar) - t * here.d0(s));
    put(n, C + c, y, z,
        momentum_adjoint(flow, nu, 1, here, u0, u1, a, b, y, z) + pull * here.d1_adjoint(p_bar) - t * here.d1(s));
    put(n, 2 * C + c, y, z, nu * here.lap_adjoint(p_bar) - (here.d0_adjoint(a) + here.d1_adjoint(b)) / rho);
    put(n, 3 * C + c, y, z,
        flow.params[diffusion_at(C)] * here.lap_adjoint(s_bar) - here.d0_adjoint(Product<T>{s_bar, u0}) -
            here.d1_adjoint(Product<T>{s_bar, u1}));
  }

 private:
  MG_HD void put(int n, int c, int y, int z, T value) const {
    const std::size_t i = (std::size_t(n) * x.stride + c) * flow.cells + flow.at(y, z);
    if (x_bar.data != nullptr) x_bar.data[i] = value;
    sums.write(i, value);
  }
};

template <class T>
struct PressureFlowTangent {
  Flow<T> flow;
  Channels<const T> x, x_dot;
  Channels<T> out;
  T sigma;
  MG_HD int reach() const { return 1; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int y, int z) const {
    const Here<T, I> here{flow.s, l, y, z};
    const int C = flow.copies;
    const auto u0 = flow.plane(x, n, c), u1 = flow.plane(x, n, C + c), s = flow.plane(x, n, 3 * C + c);
    const auto t0 = flow.plane(x_dot, n, c), t1 = flow.plane(x_dot, n, C + c), tp = flow.plane(x_dot, n, 2 * C + c),
               ts = flow.plane(x_dot, n, 3 * C + c);
    const T rho = flow.params[kRho], nu = flow.params[kNu], mach = flow.params[mach_at(C)];
    const auto advected = [&](const Plane<T>& a, const Plane<T>& a_dot) {
      return t0(y, z) * here.d0(a) + t1(y, z) * here.d1(a) + u0(y, z) * here.d0(a_dot) + u1(y, z) * here.d1(a_dot);
    };
    const auto put = [&](int channel, T value) { out.plane(n, channel, flow.cells)[flow.at(y, z)] = value; };
    put(c, nu * here.lap(t0) - advected(u0, t0) - here.d0(tp) / rho);
    put(C + c, nu * here.lap(t1) - advected(u1, t1) - here.d1(tp) / rho);
    put(2 * C + c, nu * here.lap(tp) + sigma * (here.d0(t0) + here.d1(t1)) / (mach * mach));
    put(3 * C + c, flow.params[diffusion_at(C)] * here.lap(ts) - advected(s, ts));
  }
};

/// Contributions of copy c = segment to (rho, nu, f_0, f_1, M, D) by PressureFlow.
template <class T>
struct PressureFlowParams {
  MomentumParams<T> momentum;  // with beta = scale = 1, of the same arrays
  Channels<const T> x, slope_bar;
  T sigma;
  static constexpr int kSums = 6;
  MG_HD std::size_t length(std::size_t c) const { return momentum.length(c); }
  MG_HD ReduceValues<6> operator()(std::size_t c, std::size_t i) const {
    const Flow<T>& flow = momentum.flow;
    const int C = flow.copies, k = int(c), sample = int(i / flow.cells);
    const Lattice<false> l{int(flow.cells) / flow.w, flow.w, momentum.padding};
    const int y = int(i % flow.cells) / flow.w, z = int(i % flow.cells) % flow.w;
    const Here<T, false> here{flow.s, l, y, z};
    const auto r = momentum(c, i);
    const T p_bar = flow.plane(slope_bar, sample, 2 * C + k)(y, z), mach = flow.params[mach_at(C)];
    const T nu = p_bar * here.lap(flow.plane(x, sample, 2 * C + k));
    const T div = here.d0(flow.plane(x, sample, k)) + here.d1(flow.plane(x, sample, C + k));
    const T d = flow.plane(slope_bar, sample, 3 * C + k)(y, z) * here.lap(flow.plane(x, sample, 3 * C + k));
    return {{r.v[0], r.v[1] + double(nu), r.v[2], r.v[3], double(-2 * sigma * p_bar * div / (mach * mach * mach)),
             double(d)}};
  }
};

/// params_bar += the sums of all copies; `kinds` of them: rho, nu, f_0, f_1 and then M, D.
template <class T>
struct AddParams {
  const double* partials;  // [copies][kinds]
  T* params_bar;
  int copies, kinds;
  /// One call for every parameter of the flat buffer.
  MG_HD void operator()(std::size_t parameter) const {
    const int i = int(parameter), forced = i - kForcing;
    if (forced >= 0 && forced < 2 * copies) {
      params_bar[i] += T(partials[std::size_t(forced % copies) * kinds + 2 + forced / copies]);
      return;
    }
    const int kind = i < kForcing ? i : i - mach_at(copies) + 4;
    double sum = 0;
    for (int c = 0; c < copies; ++c) sum += partials[std::size_t(c) * kinds + kind];
    params_bar[i] += T(sum);
  }
};
template <int K>
struct StorePartials {
  double* to;  // [segments][K]
  MG_HD void operator()(std::size_t s, const ReduceValues<K>& r) const {
    for (int k = 0; k < K; ++k) to[s * K + std::size_t(k)] = r.v[k];
  }
};

}  // namespace mg::pde::fluids
