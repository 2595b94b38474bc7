#include "pde/isa_net.hpp"
#include "pde/isa_rows.hpp"
#include "pde/neural_plan.hpp"

// The passes of a neural right-hand side: networks on blocks of cells, stencils along rows. No standard library here: a
// function template instantiated with this file's instruction set could be linked into code that must run without it.
namespace mg::pde::MG_ISA {
namespace {

using neural::Fields;
using neural::Kernels;
using neural::Output;
using neural::Role;

/// Scratch of one thread, cut from one allocation.
template <class T>
struct Scratch {
  static std::size_t size(const Plan<T>& p) { return Scratch(p, nullptr).used_; }
  Scratch(const Plan<T>& p, T* base) : base_(base) {
    constexpr std::size_t B = kBlock<T>;
    std::size_t features = 1, out = 1, layers = 1;
    for (int i = 0; i < p.nets; ++i) {
      const Net& n = p.net[i];
      if (std::size_t(n.features) > features) features = n.features;
      if (std::size_t(n.out) > out) out = n.out;
      if (std::size_t(n.layers) > layers) layers = n.layers;
    }
    const std::size_t C = p.C, wide = out > C ? out : C, cells = std::size_t(p.unit_rows) * p.w;
    x = take(C * B), x_dot = take(C * B), x_bar = take(C * B);
    local = take(C * B), local_dot = take(C * B);
    z0 = take(features * B), z0_dot = take(features * B), z0_bar = take(features * B);
    net.h = take(layers * C * B), net.z = take(layers * features * B);
    net.y = take(out * B), net.slope = take(out * B);
    net.psi = take(features * B), net.z_bar = take(features * B);
    net.h_bar = take(wide * B), net.z_dot = take(features * B);
    for (T*& r : ring) r = take(Rows<T>::size(p));
    lap = take(p.w + 2 * kLanes<T>);
    direct = take(C * cells);
    planes = take(std::size_t(p.planes) * cells);
  }
  T *x, *x_dot, *x_bar, *local, *local_dot;  // [C] of a block
  T *z0, *z0_dot, *z0_bar;                   // [features] of a block
  NetScratch<T> net;
  T* ring[3];
  T* lap;     // [w]
  T* direct;  // [C][unit cells]
  T* planes;  // [planes][unit cells]

 private:
  T* take(std::size_t n) {
    const std::size_t at = used_;
    used_ += (n + 15) / 16 * 16;
    return base_ == nullptr ? nullptr : base_ + at;
  }
  T* base_;
  std::size_t used_ = 0;
};

/// The block of `count` cells from `from` on; the rest is 0.
template <class T>
void read_block(const T* from, int count, T* to) {
  if (count == kBlock<T>) return (void)__builtin_memcpy(to, from, sizeof(T) * kBlock<T>);
  for (int i = 0; i < count; ++i) to[i] = from[i];
  for (int i = count; i < kBlock<T>; ++i) to[i] = 0;
}
template <class T>
void write_block(const T* from, int count, T* to) {
  if (count == kBlock<T>) return (void)__builtin_memcpy(to, from, sizeof(T) * kBlock<T>);
  for (int i = 0; i < count; ++i) to[i] = from[i];
}

/// Calls fn(first cell of the block in its plane, cells) for the blocks of a unit.
template <class T, class Fn>
void for_blocks(const Unit<T>& u, const Fn& fn) {
  for (int k = 0; k < u.cells; k += kBlock<T>) fn(u.first + k, u.cells - k < kBlock<T> ? u.cells - k : kBlock<T>);
}

bool reads_neighbours(const Net& net) { return net.role == Role::diffusion || net.role == Role::chemotaxis; }

template <class T>
void cells(const Plan<T>& p, const Fields<T>& f, bool planes_only, int unit, T* scratch) {
  constexpr int B = kBlock<T>;
  const Scratch<T> s(p, scratch);
  const Unit<T> u(p, unit);
  for_blocks(u, [&](std::size_t at, int count) {
    for (int c = 0; c < p.C; ++c) read_block(u.of(f.x, p.C, c) + at, count, s.x + c * B);
    const T* z0 = s.x;
    if (p.nets > 0 && p.net[0].order > 1) expand(p.net[0], s.x, s.z0), z0 = s.z0;
    for_vectors<T>(p.C, [&](int i) { store(s.local + i, Vec<T>{}); });
    for_vectors<T>(p.cubic_end - p.cubic, [&](int i) {
      const Vec<T> x = load(s.x + p.cubic * B + i);
      store(s.local + p.cubic * B + i, -(p.stability * x * x * x));
    });
    for (int k = 0; k < p.nets; ++k) {
      const Net& net = p.net[k];
      if (planes_only && !reads_neighbours(net)) continue;
      forward_net(p, net, z0, s.net, false);
      T* to = s.local + net.first * B;
      const T* x = s.x + net.first * B;
      if (net.role == Role::add) {
        for_vectors<T>(net.out, [&](int i) { store(to + i, load(to + i) + load(s.net.y + i)); });
      } else if (net.role == Role::decay) {
        for_vectors<T>(net.out, [&](int i) { store(to + i, load(to + i) - load(x + i) * load(s.net.y + i)); });
      } else {
        if (net.role == Role::advection)
          for (int half = 0; half < 2; ++half)
            for_vectors<T>(p.C, [&](int i) {
              T* y = s.net.y + half * p.C * B + i;
              store(y, load(y) * load(s.x + i));
            });
        for (int o = 0; o < net.out; ++o)
          write_block(s.net.y + o * B, count, u.of(f.extra, p.planes, net.plane + o) + at);
      }
    }
    if (!planes_only)
      for (int c = 0; c < p.C; ++c) write_block(s.local + c * B, count, u.of(f.local, p.C, c) + at);
  });
}

template <class T>
void cells_tangent(const Plan<T>& p, const Fields<T>& f, int unit, T* scratch) {
  constexpr int B = kBlock<T>;
  const Scratch<T> s(p, scratch);
  const Unit<T> u(p, unit);
  for_blocks(u, [&](std::size_t at, int count) {
    for (int c = 0; c < p.C; ++c) {
      read_block(u.of(f.x, p.C, c) + at, count, s.x + c * B);
      read_block(u.of(f.x_dot, p.C, c) + at, count, s.x_dot + c * B);
    }
    const T *z0 = s.x, *z0_dot = s.x_dot;
    if (p.nets > 0 && p.net[0].order > 1) {
      expand(p.net[0], s.x, s.z0), z0 = s.z0;
      expand_tangent(p.net[0], s.z0, s.x_dot, s.z0_dot), z0_dot = s.z0_dot;
    }
    for_vectors<T>(p.C, [&](int i) { store(s.local_dot + i, Vec<T>{}); });
    for_vectors<T>(p.cubic_end - p.cubic, [&](int i) {
      const Vec<T> x = load(s.x + p.cubic * B + i), d = load(s.x_dot + p.cubic * B + i);
      store(s.local_dot + p.cubic * B + i, -(T(3) * p.stability * x * x * d));
    });
    for (int k = 0; k < p.nets; ++k) {
      const Net& net = p.net[k];
      forward_net(p, net, z0, s.net, true);
      tangent_net(p, net, z0_dot, s.net);
      T *to = s.local_dot + net.first * B, *y_dot = s.net.h_bar;
      const T *y = s.net.y, *x = s.x + net.first * B, *x_dot = s.x_dot + net.first * B;
      if (net.role == Role::add) {
        for_vectors<T>(net.out, [&](int i) { store(to + i, load(to + i) + load(y_dot + i)); });
        continue;
      }
      if (net.role == Role::decay) {
        for_vectors<T>(net.out, [&](int i) {
          store(to + i, load(to + i) - load(x + i) * load(y_dot + i) - load(x_dot + i) * load(y + i));
        });
        continue;
      }
      if (net.role == Role::advection)
        for (int half = 0; half < 2; ++half)
          for_vectors<T>(p.C, [&](int i) {
            const int j = half * p.C * B + i;
            store(y_dot + j, load(y_dot + j) * load(s.x + i) + load(y + j) * load(s.x_dot + i));
          });
      for (int o = 0; o < net.out; ++o) {
        write_block(y_dot + o * B, count, u.of(f.extra_dot, p.planes, net.plane + o) + at);
        if (reads_neighbours(net)) write_block(y + o * B, count, u.of(f.extra, p.planes, net.plane + o) + at);
      }
    }
    for (int c = 0; c < p.C; ++c) write_block(s.local_dot + c * B, count, u.of(f.local_dot, p.C, c) + at);
  });
}

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

/// r[c] of the unit, and the sums that want it.
template <class T>
void write_output(const Plan<T>& p, const Unit<T>& u, const Output<T>& out, const T* r, int c, std::size_t first,
                  int count) {
  const std::size_t at = (std::size_t(u.n) * p.C + c) * u.plane + first;
  for (int j = 0; j < out.sums; ++j) {
    const neural::Sum<T>& sum = out.sum[j];
    for (int k = 0; k < count; k += kLanes<T>) {
      const int some = count - k;
      Vec<T> v = sum.r_weight * load_some(r + k, some);
      if (sum.base != nullptr) v += load_some(sum.base + at + k, some);
      for (int i = 0; i < sum.terms; ++i) v += sum.weight[i] * load_some(sum.term[i] + at + k, some);
      store_some(sum.out + at + k, v, some);
    }
  }
  if (out.r != nullptr) __builtin_memcpy(out.r + at, r, sizeof(T) * count);
}

template <class T>
T linear_coefficient(const Plan<T>& p, int c) {
  return c >= p.linear && c < p.linear_end ? p.coefficient[c - p.linear] : T(0);
}
/// Plane of the network that diffuses channel c, or -1.
template <class T>
int diffusion_plane(const Plan<T>& p, int c) {
  if (p.diffusion < 0) return -1;
  const Net& net = p.net[p.diffusion];
  return c >= net.first && c < net.first + net.out ? net.plane + c - net.first : -1;
}

template <class T>
void slope(const Plan<T>& p, const Fields<T>& f, const Output<T>& out, int unit, T* scratch) {
  const Scratch<T> s(p, scratch);
  const Unit<T> u(p, unit);
  const auto extra = [&](int plane) { return u.of(static_cast<const T*>(f.extra), p.planes, plane); };
  for (int c = 0; c < p.C; ++c) {
    T* r = s.direct + std::size_t(c) * u.cells;
    __builtin_memcpy(r, u.of(f.local, p.C, c) + u.first, sizeof(T) * u.cells);
    const T* x = u.of(f.x, p.C, c);
    const int y = diffusion_plane(p, c);
    if (y >= 0 || linear_coefficient(p, c) != T(0))
      add_diffusion(p, u, s, y >= 0 ? extra(y) : nullptr, linear_coefficient(p, c), x, r);
    if (p.advection > 0) subtract_divergence(p, u, s, extra(c), extra(p.C + c), r);
    if (p.chemotaxis >= 0 && c < p.cells)
      for (int i = 0; i < p.signals; ++i)
        subtract_chemotaxis(p, u, s, x, extra(p.net[p.chemotaxis].plane + c * p.signals + i),
                            u.of(f.x, p.C, p.cells + i), r);
    write_output(p, u, out, r, c, u.first, u.cells);
  }
}

template <class T>
void slope_tangent(const Plan<T>& p, const Fields<T>& f, const Output<T>& out, int unit, T* scratch) {
  const Scratch<T> s(p, scratch);
  const Unit<T> u(p, unit);
  const auto extra = [&](int plane) { return u.of(static_cast<const T*>(f.extra), p.planes, plane); };
  const auto extra_dot = [&](int plane) { return u.of(static_cast<const T*>(f.extra_dot), p.planes, plane); };
  for (int c = 0; c < p.C; ++c) {
    T* r = s.direct + std::size_t(c) * u.cells;
    __builtin_memcpy(r, u.of(f.local_dot, p.C, c) + u.first, sizeof(T) * u.cells);
    const T *x = u.of(f.x, p.C, c), *x_dot = u.of(f.x_dot, p.C, c);
    const int y = diffusion_plane(p, c);
    if (y >= 0 || linear_coefficient(p, c) != T(0))
      add_diffusion(p, u, s, y >= 0 ? extra(y) : nullptr, linear_coefficient(p, c), x_dot, r);
    if (y >= 0) add_diffusion(p, u, s, extra_dot(y), T(0), x, r);
    if (p.advection > 0) subtract_divergence(p, u, s, extra_dot(c), extra_dot(p.C + c), r);
    if (p.chemotaxis >= 0 && c < p.cells)
      for (int i = 0; i < p.signals; ++i) {
        const int k = p.net[p.chemotaxis].plane + c * p.signals + i;
        const T *z = u.of(f.x, p.C, p.cells + i), *z_dot = u.of(f.x_dot, p.C, p.cells + i);
        subtract_chemotaxis(p, u, s, x_dot, extra(k), z, r);
        subtract_chemotaxis(p, u, s, x, extra_dot(k), z, r);
        subtract_chemotaxis(p, u, s, x, extra(k), z_dot, r);
      }
    write_output(p, u, out, r, c, u.first, u.cells);
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

template <class T>
void products_adjoint(const Plan<T>& p, const Fields<T>& f, int unit, T* scratch) {
  const Scratch<T> s(p, scratch);
  const Unit<T> u(p, unit);
  for (int c = 0; c < p.C; ++c) {
    const int y = diffusion_plane(p, c);
    if (y >= 0) diffusion_products(p, u, s, f, c, y);
    for (T* field : {f.x0, f.xa, f.xb, f.xl})
      if (p.chemotaxis >= 0 && (y < 0 || field == f.x0))
        __builtin_memset(u.of(field, p.C, c) + u.first, 0, sizeof(T) * u.cells);
  }
  if (p.chemotaxis < 0) return;
  for (int c = 0; c < p.cells; ++c)
    for (int i = 0; i < p.signals; ++i) chemotaxis_products(p, u, s, f, c, i);
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

/// y_bar of a network into s.net.h_bar; what y owes to x directly is added to x_bar.
template <class T>
void network_bar(const Plan<T>& p, const Net& net, const Unit<T>& u, const Scratch<T>& s, const T* g, int k,
                 int count) {
  constexpr int B = kBlock<T>;
  T *y_bar = s.net.h_bar, *x_bar = s.x_bar + net.first * B;
  const T *x = s.x + net.first * B, *from = g + net.first * B, *y = s.net.y;
  if (net.role == Role::add) {
    for_vectors<T>(net.out, [&](int i) { store(y_bar + i, load(from + i)); });
  } else if (net.role == Role::decay) {
    for_vectors<T>(net.out, [&](int i) {
      const Vec<T> bar = -load(from + i);
      store(y_bar + i, bar * load(x + i));
      store(x_bar + i, load(x_bar + i) + bar * load(y + i));
    });
  } else {
    for (int o = 0; o < net.out; ++o)
      read_block(s.planes + std::size_t(net.plane + o) * u.cells + k, count, y_bar + o * B);
    if (net.role != Role::advection) return;
    for (int half = 0; half < 2; ++half)
      for_vectors<T>(p.C, [&](int i) {
        const int j = half * p.C * B + i;
        const Vec<T> bar = load(y_bar + j);
        store(s.x_bar + i, load(s.x_bar + i) + bar * load(y + j));
        store(y_bar + j, bar * load(s.x + i));
      });
  }
}

template <class T>
void adjoint(const Plan<T>& p, const Fields<T>& f, const Output<T>& out, int unit, T* partial, T* scratch) {
  constexpr int B = kBlock<T>;
  const Scratch<T> s(p, scratch);
  const Unit<T> u(p, unit);
  const bool products = p.diffusion >= 0 || p.chemotaxis >= 0;
  const auto of_x = [&](const T* field, int c) { return u.of(field, p.C, c); };
  for (int c = 0; c < p.C; ++c) {
    T* direct = s.direct + std::size_t(c) * u.cells;
    if (p.chemotaxis >= 0)
      __builtin_memcpy(direct, of_x(f.x0, c) + u.first, sizeof(T) * u.cells);
    else
      __builtin_memset(direct, 0, sizeof(T) * u.cells);
    if (products && (p.chemotaxis >= 0 || diffusion_plane(p, c) >= 0))
      add_transposed(p, u, s, of_x(f.xa, c), of_x(f.xb, c), of_x(f.xl, c), direct);
    transposed_slope(p, u, s, f, c, partial != nullptr ? partial + (p.linear_at + c - p.linear) * kLanes<T> : nullptr);
  }
  for (int e = p.advection; e < p.planes; ++e) {
    T* bar = s.planes + std::size_t(e) * u.cells;
    const auto of = [&](const T* field) { return u.of(field, p.planes, e); };
    __builtin_memcpy(bar, of(f.e0) + u.first, sizeof(T) * u.cells);
    add_transposed<T>(p, u, s, of(f.ea), of(f.eb), nullptr, bar);
  }
  for_blocks(u, [&](std::size_t at, int count) {
    const int k = int(at - u.first);
    T* g = s.local;
    for (int c = 0; c < p.C; ++c) {
      read_block(of_x(f.x, c) + at, count, s.x + c * B);
      read_block(of_x(f.g, c) + at, count, g + c * B);
      read_block(s.direct + std::size_t(c) * u.cells + k, count, s.x_bar + c * B);
    }
    for_vectors<T>(p.cubic_end - p.cubic, [&](int i) {
      const int j = p.cubic * B + i;
      const Vec<T> x = load(s.x + j);
      store(s.x_bar + j, load(s.x_bar + j) - T(3) * p.stability * x * x * load(g + j));
    });
    const bool expanded = p.nets > 0 && p.net[0].order > 1;
    const T* z0 = s.x;
    T* z0_bar = s.x_bar;
    if (expanded) {
      expand(p.net[0], s.x, s.z0), z0 = s.z0, z0_bar = s.z0_bar;
      for_vectors<T>(p.net[0].features, [&](int i) { store(z0_bar + i, Vec<T>{}); });
    }
    for (int i = 0; i < p.nets; ++i) {
      forward_net(p, p.net[i], z0, s.net, true);
      network_bar(p, p.net[i], u, s, g, k, count);
      adjoint_net(p, p.net[i], z0, s.net, z0_bar, partial);
    }
    if (expanded) {
      expand_adjoint(p.net[0], s.z0, s.z0_bar, s.x_dot);
      for_vectors<T>(p.C, [&](int i) { store(s.x_bar + i, load(s.x_bar + i) + load(s.x_dot + i)); });
    }
    for (int c = 0; c < p.C; ++c) write_output(p, u, out, s.x_bar + c * B, c, at, count);
  });
}

}  // namespace

extern const Kernels<float> kFloatKernels;
extern const Kernels<double> kDoubleKernels;
const Kernels<float> kFloatKernels = {kLanes<float>,           Scratch<float>::size, cells<float>,
                                      cells_tangent<float>,    slope<float>,         slope_tangent<float>,
                                      products_adjoint<float>, adjoint<float>};
const Kernels<double> kDoubleKernels = {kLanes<double>,           Scratch<double>::size, cells<double>,
                                        cells_tangent<double>,    slope<double>,         slope_tangent<double>,
                                        products_adjoint<double>, adjoint<double>};

}  // namespace mg::pde::MG_ISA
