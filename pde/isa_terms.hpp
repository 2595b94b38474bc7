#pragma once
#include "pde/isa_scratch.hpp"

/// The terms that meet neighbours, on the rows of a unit, each beside its adjoint.
namespace mg::pde::MG_ISA {

/// out += coefficient L x + N(y, x) of the unit's rows; y null = 0.
template <class T>
void add_diffusion(const Plan<T>& p, const Unit<T>& u, const Scratch<T>& s, const T* y, T coefficient, const T* x,
                   T* out) {
  using V = Vec<T>;
  Rows<T> xs(p, x, u.y0, false, s.ring[0]), ys(p, y, u.y0, false, s.ring[1]);
  for (int r = 0; r < u.rows; ++r) {
    const Three<T> xr = xs.at(u.y0 + r), yr = y != nullptr ? ys.at(u.y0 + r) : xr;
    T* to = out + std::size_t(r) * p.w;
    for (int k = 0; k < p.w; k += kLanes<T>) {
      const Near<V> a(xr, k);
      V sum = coefficient * a.laplacian(p.taps);
      if (y != nullptr) {
        const Near<V> b(yr, k);
        sum = (coefficient + b.b1) * a.laplacian(p.taps) + a.along1(p.taps) * b.along1(p.taps) +
              a.along0(p.taps) * b.along0(p.taps);
      }
      store_some(to + k, load_some(to + k, p.w - k) + sum, p.w - k);
    }
  }
}

/// out -= G0 p0 + G1 p1.
template <class T>
void subtract_divergence(const Plan<T>& p, const Unit<T>& u, const Scratch<T>& s, const T* p0, const T* p1, T* out) {
  using V = Vec<T>;
  Rows<T> rows0(p, p0, u.y0, false, s.ring[0]), rows1(p, p1, u.y0, false, s.ring[1]);
  for (int r = 0; r < u.rows; ++r) {
    const Three<T> a = rows0.at(u.y0 + r), b = rows1.at(u.y0 + r);
    T* to = out + std::size_t(r) * p.w;
    for (int k = 0; k < p.w; k += kLanes<T>)
      store_some(to + k, load_some(to + k, p.w - k) - Near<V>(a, k).along1(p.taps) - Near<V>(b, k).along0(p.taps),
                 p.w - k);
  }
}

/// out -= K grad c . grad s + c (grad K . grad s + K L s).
template <class T>
void subtract_chemotaxis(const Plan<T>& p, const Unit<T>& u, const Scratch<T>& s, const T* c, const T* k,
                         const T* signal, T* out) {
  using V = Vec<T>;
  Rows<T> cs(p, c, u.y0, false, s.ring[0]), ks(p, k, u.y0, false, s.ring[1]), ss(p, signal, u.y0, false, s.ring[2]);
  for (int r = 0; r < u.rows; ++r) {
    const Three<T> cr = cs.at(u.y0 + r), kr = ks.at(u.y0 + r), sr = ss.at(u.y0 + r);
    T* to = out + std::size_t(r) * p.w;
    for (int x = 0; x < p.w; x += kLanes<T>) {
      const Near<V> a(cr, x), b(kr, x), d(sr, x);
      const V s1 = d.along1(p.taps), s0 = d.along0(p.taps);
      const V sum = b.b1 * (a.along1(p.taps) * s1 + a.along0(p.taps) * s0) +
                    a.b1 * (b.along1(p.taps) * s1 + b.along0(p.taps) * s0 + b.b1 * d.laplacian(p.taps));
      store_some(to + x, load_some(to + x, p.w - x) - sum, p.w - x);
    }
  }
}

/// Where a unit's row of a field lies, to be added to.
template <class T>
struct Sink {
  void add(int x, Vec<T> v, int count) const { store_some(to + x, load_some(to + x, count) + v, count); }
  T* to;
};

/// Cotangents of channel c and of its plane y under g N(y, x).
template <class T>
void diffusion_products(const Plan<T>& p, const Unit<T>& u, const Scratch<T>& s, const Fields<T>& f, int c, int plane) {
  using V = Vec<T>;
  const T* g = u.of(f.g, p.C, c) + u.first;
  Rows<T> xs(p, u.of(f.x, p.C, c), u.y0, false, s.ring[0]);
  Rows<T> ys(p, u.of(static_cast<const T*>(f.extra), p.planes, plane), u.y0, false, s.ring[1]);
  for (int r = 0; r < u.rows; ++r) {
    const Three<T> xr = xs.at(u.y0 + r), yr = ys.at(u.y0 + r);
    const std::size_t row = std::size_t(r) * p.w, at = u.first + row;
    for (int k = 0; k < p.w; k += kLanes<T>) {
      const int count = p.w - k;
      const Near<V> a(xr, k), b(yr, k);
      const V bar = load_some(g + row + k, count);
      store_some(u.of(f.xa, p.C, c) + at + k, bar * b.along1(p.taps), count);
      store_some(u.of(f.xb, p.C, c) + at + k, bar * b.along0(p.taps), count);
      store_some(u.of(f.xl, p.C, c) + at + k, bar * b.b1, count);
      store_some(u.of(f.ea, p.planes, plane) + at + k, bar * a.along1(p.taps), count);
      store_some(u.of(f.eb, p.planes, plane) + at + k, bar * a.along0(p.taps), count);
      store_some(u.of(f.e0, p.planes, plane) + at + k, bar * a.laplacian(p.taps), count);
    }
  }
}

/// Cotangents of cell channel c, of signal i and of their plane k under -g (K grad c . grad s + c (grad K . grad s + K L s)).
template <class T>
void chemotaxis_products(const Plan<T>& p, const Unit<T>& u, const Scratch<T>& s, const Fields<T>& f, int c, int i) {
  using V = Vec<T>;
  const int plane = p.net[p.chemotaxis].plane + c * p.signals + i, signal = p.cells + i;
  Rows<T> cs(p, u.of(f.x, p.C, c), u.y0, false, s.ring[0]);
  Rows<T> ks(p, u.of(static_cast<const T*>(f.extra), p.planes, plane), u.y0, false, s.ring[1]);
  Rows<T> ss(p, u.of(f.x, p.C, signal), u.y0, false, s.ring[2]);
  for (int r = 0; r < u.rows; ++r) {
    const Three<T> cr = cs.at(u.y0 + r), kr = ks.at(u.y0 + r), sr = ss.at(u.y0 + r);
    const std::size_t at = u.first + std::size_t(r) * p.w;
    const auto of_x = [&](T* field, int channel) { return Sink<T>{u.of(field, p.C, channel) + at}; };
    const auto of_plane = [&](T* field) { return u.of(field, p.planes, plane) + at; };
    for (int x = 0; x < p.w; x += kLanes<T>) {
      const int count = p.w - x;
      const Near<V> a(cr, x), b(kr, x), d(sr, x);
      const V v = -load_some(u.of(f.g, p.C, c) + at + x, count), cv = a.b1 * v, vk = v * b.b1;
      const V c1 = a.along1(p.taps), c0 = a.along0(p.taps), k1 = b.along1(p.taps), k0 = b.along0(p.taps);
      const V s1 = d.along1(p.taps), s0 = d.along0(p.taps), sl = d.laplacian(p.taps);
      of_x(f.x0, c).add(x, v * (k1 * s1 + k0 * s0 + b.b1 * sl), count);
      of_x(f.xa, c).add(x, vk * s1, count);
      of_x(f.xb, c).add(x, vk * s0, count);
      of_x(f.xa, signal).add(x, vk * c1 + cv * k1, count);
      of_x(f.xb, signal).add(x, vk * c0 + cv * k0, count);
      of_x(f.xl, signal).add(x, cv * b.b1, count);
      store_some(of_plane(f.ea) + x, cv * s1, count);
      store_some(of_plane(f.eb) + x, cv * s0, count);
      store_some(of_plane(f.e0) + x, v * (c1 * s1 + c0 * s0) + cv * sl, count);
    }
  }
}

/// out += G0^T a + G1^T b + L^T l of the unit's rows; l may be null.
template <class T>
void add_transposed(const Plan<T>& p, const Unit<T>& u, const Scratch<T>& s, const T* a, const T* b, const T* l,
                    T* out) {
  Rows<T> as(p, a, u.y0, true, s.ring[0]), bs(p, b, u.y0, true, s.ring[1]), ls(p, l, u.y0, true, s.ring[2]);
  for (int r = 0; r < u.rows; ++r) {
    const Three<T> ar = as.at(u.y0 + r), br = bs.at(u.y0 + r), lr = l != nullptr ? ls.at(u.y0 + r) : ar;
    transposed_row(p, out + std::size_t(r) * p.w, true, [&](int x, auto kind) {
      using W = decltype(kind);
      const W sum = -(Near<W>(ar, x).along1(p.taps) + Near<W>(br, x).along0(p.taps));
      return l != nullptr ? sum + Near<W>(lr, x).laplacian(p.taps) : sum;
    });
  }
}

/// What channel c of g owes through the stencils that meet it directly: cotangents of the advection's products, and
/// direct += d L^T g with the derivative for d, lanes in `d_bar` unless null.
template <class T>
void transposed_slope(const Plan<T>& p, const Unit<T>& u, const Scratch<T>& s, const Fields<T>& f, int c, T* d_bar) {
  const bool linear = c >= p.linear && c < p.linear_end;
  if (!linear && p.advection == 0) return;
  const T d = linear_coefficient(p, c);
  Rows<T> gs(p, u.of(f.g, p.C, c), u.y0, true, s.ring[0]);
  Vec<T> sum{};
  for (int r = 0; r < u.rows; ++r) {
    const Three<T> gr = gs.at(u.y0 + r);
    const std::size_t row = std::size_t(r) * p.w;
    if (p.advection > 0) {
      transposed_row(p, s.planes + std::size_t(c) * u.cells + row, false,
                     [&](int x, auto kind) { return Near<decltype(kind)>(gr, x).along1(p.taps); });
      transposed_row(p, s.planes + std::size_t(p.C + c) * u.cells + row, false,
                     [&](int x, auto kind) { return Near<decltype(kind)>(gr, x).along0(p.taps); });
    }
    if (!linear) continue;
    transposed_row(p, s.lap, false, [&](int x, auto kind) { return Near<decltype(kind)>(gr, x).laplacian(p.taps); });
    const T* x = u.of(f.x, p.C, c) + u.first + row;
    T* to = s.direct + std::size_t(c) * u.cells + row;
    for (int k = 0; k < p.w; k += kLanes<T>) {
      const Vec<T> lap = load_some(s.lap + k, p.w - k);
      sum += lap * load_some(x + k, p.w - k);
      store_some(to + k, load_some(to + k, p.w - k) + d * lap, p.w - k);
    }
  }
  if (linear && d_bar != nullptr) store(d_bar, load(d_bar) + sum);
}

}  // namespace mg::pde::MG_ISA
