#pragma once
#include "core/reduce.hpp"
#include "cuda/pde/neural_pass.cuh"

// What every cell of a learned right-hand side does in the adjoint, and the sums of the parameters.
namespace mg::pde::cuda::learned {

/// Cotangents of the fields, their derivatives and Laplacians under the products.
template <class T>
struct ProductsPass : Pass<T> {
  using Pass<T>::p;
  using Pass<T>::f;
  using Pass<T>::tape;
  __device__ void operator()(std::size_t i) const {
    const auto c = this->cell(i);
    for (int k = 0; k < p.C; ++k) {
      T sums[4] = {0, 0, 0, 0};
      const T g = this->of_x(f.g, c, k);
      const Plane<T> x = this->x_plane(f.x, c, k);
      if (const int e = this->diffusion_plane(k); e >= 0) {
        const Plane<T> y = this->extra_plane(f.extra, c, e);
        sums[1] = g * this->d(0, y, c);
        sums[2] = g * this->d(1, y, c);
        sums[3] = g * y(c.y, c.x);
        this->of_plane(f.e0, c, e) = g * this->lap(x, c);
        this->of_plane(f.ea, c, e) = g * this->d(0, x, c);
        this->of_plane(f.eb, c, e) = g * this->d(1, x, c);
      }
      if (p.chemotaxis >= 0 && k < p.cells) as_cell(c, k, -g, x, sums);
      if (p.chemotaxis >= 0 && k >= p.cells) as_signal(c, k, sums);
      this->of_x(f.x0, c, k) = sums[0];
      this->of_x(f.xa, c, k) = sums[1];
      this->of_x(f.xb, c, k) = sums[2];
      this->of_x(f.xl, c, k) = sums[3];
    }
  }

 private:
  __device__ void as_cell(const typename Pass<T>::Cell& c, int k, T v, const Plane<T>& u, T (&sums)[4]) const {
    const T u0 = this->d(0, u, c), u1 = this->d(1, u, c), cv = u(c.y, c.x) * v;
    for (int j = 0; j < p.signals; ++j) {
      const int plane = this->chemotaxis_plane(k, j);
      const Plane<T> q = this->extra_plane(f.extra, c, plane), z = this->x_plane(f.x, c, p.cells + j);
      const T z0 = this->d(0, z, c), z1 = this->d(1, z, c), zl = this->lap(z, c), qc = q(c.y, c.x);
      sums[0] += v * (this->d(0, q, c) * z0 + this->d(1, q, c) * z1 + qc * zl);
      sums[1] += v * qc * z0;
      sums[2] += v * qc * z1;
      this->of_plane(f.e0, c, plane) = v * (u0 * z0 + u1 * z1) + cv * zl;
      this->of_plane(f.ea, c, plane) = cv * z0;
      this->of_plane(f.eb, c, plane) = cv * z1;
    }
  }
  __device__ void as_signal(const typename Pass<T>::Cell& c, int k, T (&sums)[4]) const {
    for (int cell = 0; cell < p.cells; ++cell) {
      const Plane<T> u = this->x_plane(f.x, c, cell),
                     q = this->extra_plane(f.extra, c, this->chemotaxis_plane(cell, k - p.cells));
      const T v = -this->of_x(f.g, c, cell), cv = u(c.y, c.x) * v, qc = q(c.y, c.x);
      sums[1] += v * qc * this->d(0, u, c) + cv * this->d(0, q, c);
      sums[2] += v * qc * this->d(1, u, c) + cv * this->d(1, q, c);
      sums[3] += cv * qc;
    }
  }
};

template <class T>
struct AdjointPass : Pass<T> {
  using Pass<T>::p;
  using Pass<T>::f;
  using Pass<T>::tape;
  T* result;
  Combinations<T> sums;
  __device__ void operator()(std::size_t i) const {
    const auto c = this->cell(i);
    const Strided<T> v = this->values(i), x_bar = v + tape.x_bar, lapg = v + tape.local;
    this->read(c, v);
    const bool products = p.diffusion >= 0 || p.chemotaxis >= 0;
    for (int k = 0; k < p.C; ++k) {
      const T x = v[tape.x + k], g = this->of_x(f.g, c, k);
      T bar = this->cubic(k) ? -(T(3) * p.stability * x * x * g) : T(0);
      if (products)
        bar += this->of_x(f.x0, c, k) + this->dt(0, this->x_plane(f.xa, c, k), c) +
               this->dt(1, this->x_plane(f.xb, c, k), c) + this->lapt(this->x_plane(f.xl, c, k), c);
      lapg[k] = k >= p.linear && k < p.linear_end ? this->lapt(this->x_plane(f.g, c, k), c) : T(0);
      x_bar[k] = bar + this->coefficient(k) * lapg[k];
    }
    if (p.nets > 0)
      for (int q = 0; q < p.net[0].features; ++q) v[tape.z0_bar + q] = 0;
    for (int j = 0; j < p.nets; ++j) {
      neural::forward_cell(p, p.net[j], tape, tape.net[j], v);
      network_bar(c, p.net[j], v + neural::y_at(p.net[j], tape.net[j]), v);
      neural::adjoint_cell(p, p.net[j], tape, tape.net[j], v);
    }
    const Strided<T> through = v + tape.x_dot;
    if (p.nets > 0) neural::expand_adjoint_cell(p.net[0], v + tape.z0, v + tape.z0_bar, through);
    for (int k = 0; k < p.C; ++k) {
      const T r = x_bar[k] + (p.nets > 0 ? through[k] : T(0));
      const std::size_t at = this->index(p.C, c, k);
      if (result != nullptr) result[at] = r;
      sums.write(at, r);
    }
  }

 private:
  /// y_bar of a network at tape.out; what y owes to x directly is added to x_bar.
  __device__ void network_bar(const typename Pass<T>::Cell& c, const Net& net, Strided<T> y, Strided<T> v) const {
    const Strided<T> y_bar = v + tape.out, x_bar = v + tape.x_bar, x = v + tape.x;
    for (int o = 0; o < net.out; ++o) {
      const int channel = net.role == Role::advection ? o % p.C : net.first + o;
      if (net.role == Role::add) {
        y_bar[o] = this->of_x(f.g, c, channel);
      } else if (net.role == Role::decay || net.role == Role::advection) {
        const T bar = net.role == Role::decay ? -this->of_x(f.g, c, channel)
                                              : -this->dt(o / p.C, this->x_plane(f.g, c, channel), c);
        y_bar[o] = bar * x[channel];
        x_bar[channel] += bar * y[o];
      } else {
        const int plane = net.plane + o;
        y_bar[o] = this->of_plane(f.e0, c, plane) + this->dt(0, this->extra_plane(f.ea, c, plane), c) +
                   this->dt(1, this->extra_plane(f.eb, c, plane), c);
      }
    }
  }
};

/// One parameter's products over the cells of a chunk: segment = parameter.
template <class T>
struct ParamProducts {
  Plan<T> p;
  Tape tape;
  const T* memory;
  std::size_t stride, cells;
  struct Pair {
    int a, b;  ///< places of the two factors; b = -1: 1
  };
  __device__ Pair pair(std::size_t param) const {
    if (param >= p.linear_at) {
      const int c = p.linear + int(param - p.linear_at);
      return {tape.local + c, tape.x + c};
    }
    int j = p.nets - 1;
    while (param < p.net[j].params) --j;
    const Net& net = p.net[j];
    int l = net.layers;
    while (param < neural::layer_weights(net, l)) --l;
    const int rows = neural::layer_rows(net, l), at = int(param - neural::layer_weights(net, l));
    const int bar = l < net.layers ? neural::h_bar_at(net, tape.net[j], l) : neural::u_bar_at(net, tape.net[j]);
    if (at >= rows * net.features) return {bar + at - rows * net.features, -1};
    const int z = l == 0 ? tape.z0 : neural::z_at(net, tape.net[j], l - 1);
    return {bar + at / net.features, z + at % net.features};
  }
  __device__ std::size_t length(std::size_t) const { return cells; }
  __device__ ReduceValues<1> operator()(std::size_t param, std::size_t i) const {
    const Pair k = pair(param);
    const double a = memory[k.a * stride + i];
    return {{k.b < 0 ? a : a * double(memory[k.b * stride + i])}};
  }
};
template <class T>
struct AddToParam {
  Plan<T> p;
  T* params_bar;
  __device__ void operator()(std::size_t param, const ReduceValues<1>& r) const {
    T sum = T(r.v[0]);
    if (param >= p.linear_at) {
      const NetActivation map = activation_of(p.linear_map);
      sum *= net_slope(map, net_activate(map, p.params[param]));
    }
    params_bar[param] += sum;
  }
};

}  // namespace mg::pde::cuda::learned
