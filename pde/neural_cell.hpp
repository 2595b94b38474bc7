#pragma once
#include "pde/net_activation.hpp"
#include "pde/neural_plan.hpp"

// The networks of one cell with their adjoint and tangent, one value at a time; pde/isa_net.hpp is the same on vectors of
// cells.
namespace mg::pde::neural {

/// Values of one cell, `stride` apart.
template <class T>
struct Strided {
  T* data;
  std::size_t stride;
  MG_HD T& operator[](int i) const { return data[std::size_t(i) * stride]; }
  MG_HD Strided operator+(int i) const { return {data + std::size_t(i) * stride, stride}; }
};

/// Places of a cell's values: what the networks read and keep, and room for their adjoint.
struct Tape {
  int x, x_dot, x_bar, local;                 // [C]
  int z0, z0_bar, psi, z_bar, z_dot, z0_dot;  // [features]
  int out;                                    // [largest out]
  int net[kMostNets];                         ///< of each network: layers of (h, z, h_bar), then y, then u_bar
  int size;
};

template <class T>
Tape make_tape(const Plan<T>& p) {
  Tape t{};
  int features = 1, out = p.C;
  for (int i = 0; i < p.nets; ++i) {
    features = p.net[i].features;
    out = out > p.net[i].out ? out : p.net[i].out;
  }
  for (int* block : {&t.x, &t.x_dot, &t.x_bar, &t.local}) *block = t.size, t.size += p.C;
  for (int* block : {&t.z0, &t.z0_bar, &t.psi, &t.z_bar, &t.z_dot, &t.z0_dot}) *block = t.size, t.size += features;
  t.out = t.size, t.size += out;
  for (int i = 0; i < p.nets; ++i) {
    const Net& n = p.net[i];
    t.net[i] = t.size;
    t.size += n.layers * (2 * n.in + n.features) + 2 * n.out;
  }
  return t;
}
MG_HD int h_at(const Net& n, int start, int layer) { return start + layer * (2 * n.in + n.features); }
MG_HD int z_at(const Net& n, int start, int layer) { return h_at(n, start, layer) + n.in; }
MG_HD int h_bar_at(const Net& n, int start, int layer) { return z_at(n, start, layer) + n.features; }
MG_HD int y_at(const Net& n, int start) { return h_at(n, start, n.layers); }
MG_HD int u_bar_at(const Net& n, int start) { return y_at(n, start) + n.out; }

MG_HD std::size_t layer_weights(const Net& n, int layer) {
  return n.params + std::size_t(layer) * (std::size_t(n.in) * n.features + (n.bias ? n.in : 0));
}
MG_HD int layer_rows(const Net& n, int layer) { return layer < n.layers ? n.in : n.out; }

MG_HD int monomial_count(int n, int d) {
  long long c = 1;
  for (int k = 1; k <= d; ++k) c = c * (n + k - 1) / k;
  return int(c);
}
/// Calls fn(k, i, t): feature k is value i times feature t, for the features of degree p.
template <class Fn>
MG_HD void for_degree(int in, int p, const Fn& fn) {
  int before = 0, at = 0;
  for (int d = 1; d < p; ++d) before = at, at += monomial_count(in, d);
  const int count = at - before;
  for (int i = 0; i < in; ++i)
    for (int t = count - monomial_count(in - i, p - 1); t < count; ++t, ++at) fn(at, i, before + t);
}

/// z = psi(v).
template <class T>
MG_HD void expand_cell(const Net& n, Strided<T> v, Strided<T> z) {
  for (int i = 0; i < n.in; ++i) z[i] = v[i];
  for (int p = 2; p <= n.order; ++p) for_degree(n.in, p, [&](int k, int i, int t) { z[k] = v[i] * z[t]; });
}
/// v_bar = psi'(v)^T z_bar from psi = psi(v); z_bar is destroyed.
template <class T>
MG_HD void expand_adjoint_cell(const Net& n, Strided<T> psi, Strided<T> z_bar, Strided<T> v_bar) {
  for (int i = 0; i < n.in; ++i) v_bar[i] = 0;
  for (int p = n.order; p >= 2; --p)
    for_degree(n.in, p, [&](int k, int i, int t) {
      v_bar[i] += z_bar[k] * psi[t];
      z_bar[t] += z_bar[k] * psi[i];
    });
  for (int i = 0; i < n.in; ++i) v_bar[i] += z_bar[i];
}
/// z_dot = psi'(v) v_dot.
template <class T>
MG_HD void expand_tangent_cell(const Net& n, Strided<T> psi, Strided<T> v_dot, Strided<T> z_dot) {
  for (int i = 0; i < n.in; ++i) z_dot[i] = v_dot[i];
  for (int p = 2; p <= n.order; ++p)
    for_degree(n.in, p, [&](int k, int i, int t) { z_dot[k] = v_dot[i] * psi[t] + psi[i] * z_dot[t]; });
}

/// y = net(x) from z0 = psi(x); keeps h and z of every layer, and outer' at u_bar.
template <class T>
MG_HD void forward_cell(const Plan<T>& p, const Net& n, const Tape& tape, int start, Strided<T> s) {
  Strided<T> z = s + tape.z0;
  for (int l = 0; l <= n.layers; ++l) {
    const T* w = p.params + layer_weights(n, l);
    const int rows = layer_rows(n, l);
    const T* b = w + std::size_t(rows) * n.features;
    const Strided<T> h = s + (l < n.layers ? h_at(n, start, l) : y_at(n, start));
    for (int o = 0; o < rows; ++o) {
      T sum = n.bias ? b[o] : T(0);
      for (int f = 0; f < n.features; ++f) sum += w[o * n.features + f] * z[f];
      h[o] = sum;
    }
    if (l == n.layers) break;
    z = s + z_at(n, start, l);
    expand_cell(n, h, z);
    for (int f = 0; f < n.features; ++f) z[f] = net_activate(NetActivation(n.inner), z[f]);
  }
  const Strided<T> y = s + y_at(n, start), slope = s + u_bar_at(n, start);
  for (int o = 0; o < n.out; ++o) {
    const T u = y[o], v = net_activate(NetActivation(n.outer), u);
    const bool edge = NetActivation(n.outer) == NetActivation::relu6 && (u == T(0) || u == T(6));
    slope[o] = edge ? p.relu6_edge : net_slope(NetActivation(n.outer), v);
    y[o] = v;
  }
}

/// Adjoint of forward_cell after it, from y_bar at tape.out; keeps h_bar of every layer and u_bar, z0_bar is accumulated.
template <class T>
MG_HD void adjoint_cell(const Plan<T>& p, const Net& n, const Tape& tape, int start, Strided<T> s) {
  const Strided<T> y_bar = s + tape.out, u_bar = s + u_bar_at(n, start);
  for (int o = 0; o < n.out; ++o) u_bar[o] *= y_bar[o];
  for (int l = n.layers; l >= 0; --l) {
    const T* w = p.params + layer_weights(n, l);
    const int rows = layer_rows(n, l);
    const Strided<T> h_bar = l < n.layers ? s + h_bar_at(n, start, l) : u_bar;
    const Strided<T> z_bar = s + (l == 0 ? tape.z0_bar : tape.z_bar);
    for (int f = 0; f < n.features; ++f) {
      T sum = l == 0 ? z_bar[f] : T(0);
      for (int o = 0; o < rows; ++o) sum += w[o * n.features + f] * h_bar[o];
      z_bar[f] = sum;
    }
    if (l == 0) return;
    const Strided<T> z = s + z_at(n, start, l - 1);
    for (int f = 0; f < n.features; ++f) z_bar[f] *= net_slope(NetActivation(n.inner), z[f]);
    expand_cell(n, s + h_at(n, start, l - 1), s + tape.psi);
    expand_adjoint_cell(n, s + tape.psi, z_bar, s + h_bar_at(n, start, l - 1));
  }
}

/// y_dot = net'(x) x_dot after forward_cell, into tape.out; uses the room of h_bar.
template <class T>
MG_HD void tangent_cell(const Plan<T>& p, const Net& n, const Tape& tape, int start, Strided<T> s) {
  Strided<T> z_dot = s + tape.z0_dot;
  for (int l = 0; l <= n.layers; ++l) {
    const T* w = p.params + layer_weights(n, l);
    const int rows = layer_rows(n, l);
    const Strided<T> h_dot = s + (l < n.layers ? h_bar_at(n, start, l) : tape.out);
    for (int o = 0; o < rows; ++o) {
      T sum = 0;
      for (int f = 0; f < n.features; ++f) sum += w[o * n.features + f] * z_dot[f];
      h_dot[o] = sum;
    }
    if (l == n.layers) break;
    z_dot = s + tape.z_dot;
    expand_cell(n, s + h_at(n, start, l), s + tape.psi);
    expand_tangent_cell(n, s + tape.psi, h_dot, z_dot);
    const Strided<T> z = s + z_at(n, start, l);
    for (int f = 0; f < n.features; ++f) z_dot[f] *= net_slope(NetActivation(n.inner), z[f]);
  }
  const Strided<T> y_dot = s + tape.out, slope = s + u_bar_at(n, start);
  for (int o = 0; o < n.out; ++o) y_dot[o] *= slope[o];
}

}  // namespace mg::pde::neural
