#pragma once
#include <cstddef>

#include "pde/isa_vector.hpp"
#include "pde/neural_plan.hpp"

/// The per-cell networks on a block of kBlock cells: arrays are [rows][kBlock].
namespace mg::pde::MG_ISA {

using neural::Net;
using neural::Plan;

/// Rows o of out = start + sum_k a(o, k) z[k], a(o, k) = w[o row_step + k step]; without `start` from 0, or from `out`.
template <class T, int R>
inline void product_rows(const T* w, int row_step, int step, const T* start, const T* z, int K, T* out, bool add) {
  constexpr int B = kBlock<T>, L = kLanes<T>;
  for (int q = 0; q < B; q += kCols * L) {
    Vec<T> c[R][kCols];
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < kCols; ++j)
        c[i][j] = add ? load(out + i * B + q + j * L) : start != nullptr ? splat(start[i]) : Vec<T>{};
    for (int k = 0; k < K; ++k) {
      Vec<T> col[kCols];
#pragma GCC unroll 4
      for (int j = 0; j < kCols; ++j) col[j] = load(z + k * B + q + j * L);
#pragma GCC unroll 4
      for (int i = 0; i < R; ++i) {
        const Vec<T> s = splat(w[i * row_step + k * step]);
#pragma GCC unroll 4
        for (int j = 0; j < kCols; ++j) c[i][j] += s * col[j];
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < kCols; ++j) store(out + i * B + q + j * L, c[i][j]);
  }
}
template <class T>
void product(const T* w, int rows, int row_step, int step, const T* start, const T* z, int K, T* out, bool add) {
  int o = 0;
  const auto from = [&](int i) { return start != nullptr ? start + i : nullptr; };
  for (; o + 4 <= rows; o += 4)
    product_rows<T, 4>(w + o * row_step, row_step, step, from(o), z, K, out + o * kBlock<T>, add);
  const T* rest = w + o * row_step;
  if (rows - o == 3) product_rows<T, 3>(rest, row_step, step, from(o), z, K, out + o * kBlock<T>, add);
  if (rows - o == 2) product_rows<T, 2>(rest, row_step, step, from(o), z, K, out + o * kBlock<T>, add);
  if (rows - o == 1) product_rows<T, 1>(rest, row_step, step, from(o), z, K, out + o * kBlock<T>, add);
}

/// sums[i features + f][lane] += sum over the block of a[i] b[f].
template <class T, int R, int S>
inline void outer_tile(const T* a, const T* b, int features, T* sums) {
  constexpr int B = kBlock<T>, L = kLanes<T>;
  Vec<T> c[R][S];
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int f = 0; f < S; ++f) c[i][f] = load(sums + (i * features + f) * L);
  for (int q = 0; q < B; q += L) {
    Vec<T> col[S];
#pragma GCC unroll 4
    for (int f = 0; f < S; ++f) col[f] = load(b + f * B + q);
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
      const Vec<T> row = load(a + i * B + q);
#pragma GCC unroll 4
      for (int f = 0; f < S; ++f) c[i][f] += row * col[f];
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int f = 0; f < S; ++f) store(sums + (i * features + f) * L, c[i][f]);
}
template <class T, int R>
inline void outer_rows(const T* a, const T* b, int features, T* sums) {
  int f = 0;
  for (; f + kCols <= features; f += kCols)
    outer_tile<T, R, kCols>(a, b + f * kBlock<T>, features, sums + f * kLanes<T>);
  for (; f < features; ++f) outer_tile<T, R, 1>(a, b + f * kBlock<T>, features, sums + f * kLanes<T>);
}
template <class T>
void outer_product(const T* a, int rows, const T* b, int features, T* sums) {
  int i = 0;
  for (; i + 4 <= rows; i += 4)
    outer_rows<T, 4>(a + i * kBlock<T>, b, features, sums + std::size_t(i) * features * kLanes<T>);
  for (; i < rows; ++i) outer_rows<T, 1>(a + i * kBlock<T>, b, features, sums + std::size_t(i) * features * kLanes<T>);
}
/// sums[i][lane] += the lanes of row i.
template <class T>
void add_up(const T* rows, int count, T* sums) {
  for (int i = 0; i < count; ++i) {
    Vec<T> v = load(sums + i * kLanes<T>);
    for (int q = 0; q < kBlock<T>; q += kLanes<T>) v += load(rows + i * kBlock<T> + q);
    store(sums + i * kLanes<T>, v);
  }
}

/// to[i] = fn(load, i) for the vectors of `rows` rows.
template <class T, class Fn>
inline void for_vectors(int rows, const Fn& fn) {
  for (int i = 0; i < rows * kBlock<T>; i += kLanes<T>) fn(i);
}

/// Calls fn with the activation as a constant, so that its loop has no switch.
template <class Fn>
inline void with_activation(int kind, const Fn& fn) {
  switch (NetActivation(kind)) {
    case NetActivation::relu:
      return fn([] { return NetActivation::relu; });
    case NetActivation::tanh:
      return fn([] { return NetActivation::tanh; });
    case NetActivation::relu6:
      return fn([] { return NetActivation::relu6; });
    default:
      return fn([kind] { return NetActivation(kind); });
  }
}
/// z = act(z).
template <class T>
void activate_rows(int kind, int rows, T* z) {
  with_activation(kind,
                  [&](auto a) { for_vectors<T>(rows, [&](int i) { store(z + i, vactivate<T>(a(), load(z + i))); }); });
}
/// bar = bar act'(.), from z = act(.).
template <class T>
void multiply_slope(int kind, int rows, const T* z, T* bar) {
  with_activation(kind, [&](auto a) {
    for_vectors<T>(rows, [&](int i) { store(bar + i, load(bar + i) * vslope<T>(a(), load(z + i))); });
  });
}
/// y = outer(y); slope = outer' unless null, with `edge` for relu6 at exactly 0 and 6.
template <class T>
void activate_output(int kind, int rows, T edge, T* y, T* slope) {
  if (slope == nullptr) return activate_rows(kind, rows, y);
  with_activation(kind, [&](auto a) {
    for_vectors<T>(rows, [&](int i) {
      const Vec<T> u = load(y + i);
      Vec<T> d;
      const Vec<T> v = a() == NetActivation::tanh ? vtanh(u, &d) : vactivate<T>(a(), u);
      if (a() != NetActivation::tanh) d = vslope<T>(a(), v);
      if (a() == NetActivation::relu6 && edge != T(0)) d = (u == Vec<T>{}) | (u == splat(T(6))) ? splat(edge) : d;
      store(y + i, v);
      store(slope + i, d);
    });
  });
}

/// Monomials of degree d of n values.
inline int monomials(int n, int d) {
  long long c = 1;
  for (int k = 1; k <= d; ++k) c = c * (n + k - 1) / k;
  return int(c);
}
/// Calls fn(k, i, t): feature k is value i times feature t, for all features of degree 2 and more, ascending.
template <class Fn>
inline void for_monomials(int in, int order, const Fn& fn) {
  int before = 0, count = in, at = in;  // features of the degree below: where they start, how many
  for (int p = 2; p <= order; ++p) {
    const int start = at;
    for (int i = 0; i < in; ++i)
      for (int t = count - monomials(in - i, p - 1); t < count; ++t) fn(at++, i, before + t);
    before = start;
    count = at - start;
  }
}
/// z = psi(v).
template <class T>
void expand(const Net& net, const T* v, T* z) {
  constexpr int B = kBlock<T>;
  for_vectors<T>(net.in, [&](int i) { store(z + i, load(v + i)); });
  for_monomials(net.in, net.order, [&](int k, int i, int t) {
    for (int q = 0; q < B; q += kLanes<T>) store(z + k * B + q, load(v + i * B + q) * load(z + t * B + q));
  });
}
/// v_bar = psi'(v)^T z_bar; psi are the values psi(v), z_bar is destroyed.
template <class T>
void expand_adjoint(const Net& net, const T* psi, T* z_bar, T* v_bar) {
  constexpr int B = kBlock<T>;
  for_vectors<T>(net.in, [&](int i) { store(v_bar + i, Vec<T>{}); });
  // From the highest degree down, so that a feature's cotangent is complete before it is passed on.
  for (int p = net.order; p >= 2; --p) {
    int before = 0, at = 0;
    for (int d = 1; d < p; ++d) before = at, at += monomials(net.in, d);
    const int count = at - before;
    for (int i = 0; i < net.in; ++i)
      for (int t = count - monomials(net.in - i, p - 1); t < count; ++t, ++at)
        for (int q = 0; q < B; q += kLanes<T>) {
          const Vec<T> bar = load(z_bar + at * B + q);
          T *to = v_bar + i * B + q, *lower = z_bar + (before + t) * B + q;
          store(to, load(to) + bar * load(psi + (before + t) * B + q));
          store(lower, load(lower) + bar * load(psi + i * B + q));
        }
  }
  for_vectors<T>(net.in, [&](int i) { store(v_bar + i, load(v_bar + i) + load(z_bar + i)); });
}
/// z_dot = psi'(v) v_dot.
template <class T>
void expand_tangent(const Net& net, const T* psi, const T* v_dot, T* z_dot) {
  constexpr int B = kBlock<T>;
  for_vectors<T>(net.in, [&](int i) { store(z_dot + i, load(v_dot + i)); });
  for_monomials(net.in, net.order, [&](int k, int i, int t) {
    for (int q = 0; q < B; q += kLanes<T>)
      store(z_dot + k * B + q,
            load(v_dot + i * B + q) * load(psi + t * B + q) + load(psi + i * B + q) * load(z_dot + t * B + q));
  });
}

/// Where the network's layers lie.
struct LayerAt {
  LayerAt(const Net& net, int layer) {
    const std::size_t hidden = std::size_t(net.in) * net.features + (net.bias ? net.in : 0);
    rows = layer < net.layers ? net.in : net.out;
    weight = net.params + hidden * layer;
    bias = weight + std::size_t(rows) * net.features;
  }
  int rows;
  std::size_t weight, bias;
};

/// Scratch of the networks of one thread.
template <class T>
struct NetScratch {
  T *h, *z;          // [layers][in], [layers][features] of one network
  T *y, *slope;      // [out]
  T *psi, *z_bar;    // [features]
  T *h_bar, *z_dot;  // [max(in, out)], [features]
};

/// y = net(x), z0 = psi(x); keeps z of every layer, h when order > 1, and outer' when `slope`.
template <class T>
void forward_net(const Plan<T>& p, const Net& net, const T* z0, const NetScratch<T>& s, bool slope) {
  constexpr int B = kBlock<T>;
  const T* z = z0;
  for (int l = 0; l <= net.layers; ++l) {
    const LayerAt at(net, l);
    const T* bias = net.bias ? p.params + at.bias : nullptr;
    T* zl = s.z + std::size_t(l) * net.features * B;
    T* h = l == net.layers ? s.y : net.order == 1 ? zl : s.h + std::size_t(l) * net.in * B;
    product(p.params + at.weight, at.rows, net.features, 1, bias, z, net.features, h, false);
    if (l == net.layers) break;
    if (net.order > 1) expand(net, h, zl);
    activate_rows(net.inner, net.features, zl);
    z = zl;
  }
  activate_output(net.outer, net.out, p.relu6_edge, s.y, slope ? s.slope : nullptr);
}

/// Adjoint of forward_net after it, from y_bar = s.h_bar: z0_bar is accumulated, so are the lanes of `sums` unless null.
template <class T>
void adjoint_net(const Plan<T>& p, const Net& net, const T* z0, const NetScratch<T>& s, T* z0_bar, T* sums) {
  constexpr int B = kBlock<T>;
  for_vectors<T>(net.out, [&](int i) { store(s.h_bar + i, load(s.h_bar + i) * load(s.slope + i)); });
  for (int l = net.layers;; --l) {
    const LayerAt at(net, l);
    const T* z = l == 0 ? z0 : s.z + std::size_t(l - 1) * net.features * B;
    if (sums != nullptr) {
      outer_product(s.h_bar, at.rows, z, net.features, sums + at.weight * kLanes<T>);
      if (net.bias) add_up(s.h_bar, at.rows, sums + at.bias * kLanes<T>);
    }
    product<T>(p.params + at.weight, net.features, 1, net.features, nullptr, s.h_bar, at.rows,
               l == 0 ? z0_bar : s.z_bar, l == 0);
    if (l == 0) return;
    multiply_slope(net.inner, net.features, z, s.z_bar);
    if (net.order == 1) {
      for_vectors<T>(net.in, [&](int i) { store(s.h_bar + i, load(s.z_bar + i)); });
    } else {
      expand(net, s.h + std::size_t(l - 1) * net.in * B, s.psi);
      expand_adjoint(net, s.psi, s.z_bar, s.h_bar);
    }
  }
}

/// y_dot = net'(x) x_dot after forward_net, into s.h_bar; z0_dot = psi'(x) x_dot.
template <class T>
void tangent_net(const Plan<T>& p, const Net& net, const T* z0_dot, const NetScratch<T>& s) {
  constexpr int B = kBlock<T>;
  const T* z_dot = z0_dot;
  for (int l = 0; l <= net.layers; ++l) {
    const LayerAt at(net, l);
    product<T>(p.params + at.weight, at.rows, net.features, 1, nullptr, z_dot, net.features, s.h_bar, false);
    if (l == net.layers) break;
    if (net.order > 1) {
      expand(net, s.h + std::size_t(l) * net.in * B, s.psi);
      expand_tangent(net, s.psi, s.h_bar, s.z_dot);
    } else {
      for_vectors<T>(net.in, [&](int i) { store(s.z_dot + i, load(s.h_bar + i)); });
    }
    multiply_slope(net.inner, net.features, s.z + std::size_t(l) * net.features * B, s.z_dot);
    z_dot = s.z_dot;
  }
  for_vectors<T>(net.out, [&](int i) { store(s.h_bar + i, load(s.h_bar + i) * load(s.slope + i)); });
}

}  // namespace mg::pde::MG_ISA
