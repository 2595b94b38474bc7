#pragma once
#include "core/stencil_cell.hpp"
#include "pde/combination.hpp"
#include "pde/neural_cell.hpp"

// What every cell of a learned right-hand side does, forwards and along a tangent.
namespace mg::pde::cuda::learned {

using neural::Fields;
using neural::LinearMap;
using neural::Net;
using neural::Plan;
using neural::Role;
using neural::Strided;
using neural::Tape;

__device__ inline NetActivation activation_of(int map) {
  return LinearMap(map) == LinearMap::sparse_plus ? NetActivation::sparse_plus
         : LinearMap(map) == LinearMap::softplus  ? NetActivation::softplus
                                                  : NetActivation::linear;
}

/// What all passes know; a functor of theirs adds what it does with cell `begin + i`.
template <class T>
struct Pass {
  Plan<T> p;
  Fields<T> f;
  Stencils<T, 1> s;
  Padding padding;
  Tape tape;
  T* memory;  // [tape.size][stride]
  std::size_t stride, begin;

  struct Cell {
    int n, y, x;
    std::size_t at;  ///< in a plane
  };
  __device__ Cell cell(std::size_t i) const {
    const std::size_t k = begin + i, plane = std::size_t(p.h) * p.w;
    const std::size_t at = k % plane;
    return {int(k / plane), int(at / p.w), int(at % p.w), at};
  }
  __device__ Strided<T> values(std::size_t i) const { return {memory + i, stride}; }
  __device__ std::size_t index(int channels, const Cell& c, int channel) const {
    return (std::size_t(c.n) * channels + channel) * p.h * p.w + c.at;
  }
  template <class U>
  __device__ U& of_x(U* field, const Cell& c, int channel) const {
    return field[index(p.C, c, channel)];
  }
  template <class U>
  __device__ U& of_plane(U* field, const Cell& c, int plane) const {
    return field[index(p.planes, c, plane)];
  }
  __device__ Plane<T> x_plane(const T* field, const Cell& c, int channel) const {
    return {field + (std::size_t(c.n) * p.C + channel) * p.h * p.w, p.w};
  }
  __device__ Plane<T> extra_plane(const T* field, const Cell& c, int plane) const {
    return {field + (std::size_t(c.n) * p.planes + plane) * p.h * p.w, p.w};
  }
  __device__ Lattice<false> lattice() const { return {p.h, p.w, padding}; }
  __device__ T d(int k, const Plane<T>& u, const Cell& c) const {
    return derivative_cell(s, k, lattice(), u, c.y, c.x);
  }
  __device__ T lap(const Plane<T>& u, const Cell& c) const { return correlate_cell(s, s.lap, lattice(), u, c.y, c.x); }
  __device__ T dt(int k, const Plane<T>& u, const Cell& c) const {
    return derivative_adjoint_cell(s, k, lattice(), u, c.y, c.x);
  }
  __device__ T lapt(const Plane<T>& u, const Cell& c) const {
    return correlate_adjoint_cell(s, s.lap, lattice(), u, c.y, c.x);
  }
  __device__ T coefficient(int c) const {
    return c >= p.linear && c < p.linear_end
               ? net_activate(activation_of(p.linear_map), p.params[p.linear_at + c - p.linear])
               : T(0);
  }
  __device__ int diffusion_plane(int c) const {
    if (p.diffusion < 0) return -1;
    const Net& net = p.net[p.diffusion];
    return c >= net.first && c < net.first + net.out ? net.plane + c - net.first : -1;
  }
  __device__ int chemotaxis_plane(int c, int i) const { return p.net[p.chemotaxis].plane + c * p.signals + i; }
  /// x and psi(x) of the cell.
  __device__ void read(const Cell& c, Strided<T> v) const {
    for (int k = 0; k < p.C; ++k) v[tape.x + k] = of_x(f.x, c, k);
    if (p.nets > 0) neural::expand_cell(p.net[0], v + tape.x, v + tape.z0);
  }
  __device__ bool cubic(int c) const { return c >= p.cubic && c < p.cubic_end; }

  /// N(y, x) + coefficient L x
  __device__ T diffusion(const Cell& c, const Plane<T>* y, T coefficient_, const Plane<T>& x) const {
    const T l = lap(x, c);
    T sum = coefficient_ * l;
    if (y != nullptr) sum += (*y)(c.y, c.x) * l + d(0, *y, c) * d(0, x, c) + d(1, *y, c) * d(1, x, c);
    return sum;
  }
  /// K grad c . grad s + c (grad K . grad s + K L s)
  __device__ T chemotaxis(const Cell& c, const Plane<T>& u, const Plane<T>& k, const Plane<T>& z) const {
    const T z0 = d(0, z, c), z1 = d(1, z, c), kc = k(c.y, c.x);
    return kc * (d(0, u, c) * z0 + d(1, u, c) * z1) +
           u(c.y, c.x) * (d(0, k, c) * z0 + d(1, k, c) * z1 + kc * lap(z, c));
  }
};

template <class T>
struct CellsPass : Pass<T> {
  using Pass<T>::p;
  using Pass<T>::f;
  using Pass<T>::tape;
  bool planes_only;
  __device__ void operator()(std::size_t i) const {
    const auto c = this->cell(i);
    const Strided<T> v = this->values(i), local = v + tape.local;
    this->read(c, v);
    for (int k = 0; k < p.C; ++k) {
      const T x = v[tape.x + k];
      local[k] = this->cubic(k) ? -(p.stability * x * x * x) : T(0);
    }
    for (int j = 0; j < p.nets; ++j) {
      const Net& net = p.net[j];
      if (planes_only && net.role != Role::diffusion && net.role != Role::chemotaxis) continue;
      neural::forward_cell(p, net, tape, tape.net[j], v);
      const Strided<T> y = v + neural::y_at(net, tape.net[j]);
      for (int o = 0; o < net.out; ++o) {
        if (net.role == Role::add)
          local[net.first + o] += y[o];
        else if (net.role == Role::decay)
          local[net.first + o] -= v[tape.x + net.first + o] * y[o];
        else
          this->of_plane(f.extra, c, net.plane + o) = net.role == Role::advection ? y[o] * v[tape.x + o % p.C] : y[o];
      }
    }
    if (planes_only) return;
    for (int k = 0; k < p.C; ++k) this->of_x(f.local, c, k) = local[k];
  }
};

template <class T>
struct CellsTangentPass : Pass<T> {
  using Pass<T>::p;
  using Pass<T>::f;
  using Pass<T>::tape;
  __device__ void operator()(std::size_t i) const {
    const auto c = this->cell(i);
    const Strided<T> v = this->values(i), local = v + tape.local, x_dot = v + tape.x_dot;
    this->read(c, v);
    for (int k = 0; k < p.C; ++k) {
      const T x = v[tape.x + k];
      x_dot[k] = this->of_x(f.x_dot, c, k);
      local[k] = this->cubic(k) ? -(T(3) * p.stability * x * x * x_dot[k]) : T(0);
    }
    if (p.nets > 0) neural::expand_tangent_cell(p.net[0], v + tape.z0, x_dot, v + tape.z0_dot);
    for (int j = 0; j < p.nets; ++j) {
      const Net& net = p.net[j];
      neural::forward_cell(p, net, tape, tape.net[j], v);
      neural::tangent_cell(p, net, tape, tape.net[j], v);
      const Strided<T> y = v + neural::y_at(net, tape.net[j]), y_dot = v + tape.out;
      for (int o = 0; o < net.out; ++o) {
        const int channel = net.role == Role::advection ? o % p.C : net.first + o;
        if (net.role == Role::add) {
          local[channel] += y_dot[o];
        } else if (net.role == Role::decay) {
          local[channel] -= v[tape.x + channel] * y_dot[o] + x_dot[channel] * y[o];
        } else if (net.role == Role::advection) {
          this->of_plane(f.extra_dot, c, net.plane + o) = y_dot[o] * v[tape.x + channel] + y[o] * x_dot[channel];
        } else {
          this->of_plane(f.extra_dot, c, net.plane + o) = y_dot[o];
          this->of_plane(f.extra, c, net.plane + o) = y[o];
        }
      }
    }
    for (int k = 0; k < p.C; ++k) this->of_x(f.local_dot, c, k) = local[k];
  }
};

template <class T>
struct SlopePass : Pass<T> {
  using Pass<T>::p;
  using Pass<T>::f;
  using Pass<T>::tape;
  T* slope;
  Combinations<T> sums;
  __device__ void operator()(std::size_t i) const {
    const auto c = this->cell(i);
    for (int k = 0; k < p.C; ++k) {
      T r = this->of_x(f.local, c, k);
      const Plane<T> x = this->x_plane(f.x, c, k);
      const int e = this->diffusion_plane(k);
      const Plane<T> y = this->extra_plane(f.extra, c, e >= 0 ? e : 0);
      r += this->diffusion(c, e >= 0 ? &y : nullptr, this->coefficient(k), x);
      if (p.advection > 0)
        r -= this->d(0, this->extra_plane(f.extra, c, k), c) + this->d(1, this->extra_plane(f.extra, c, p.C + k), c);
      if (p.chemotaxis >= 0 && k < p.cells)
        for (int j = 0; j < p.signals; ++j)
          r -= this->chemotaxis(c, x, this->extra_plane(f.extra, c, this->chemotaxis_plane(k, j)),
                                this->x_plane(f.x, c, p.cells + j));
      const std::size_t at = this->index(p.C, c, k);
      if (slope != nullptr) slope[at] = r;
      sums.write(at, r);
    }
  }
};

template <class T>
struct SlopeTangentPass : Pass<T> {
  using Pass<T>::p;
  using Pass<T>::f;
  using Pass<T>::tape;
  T* slope_dot;
  __device__ void operator()(std::size_t i) const {
    const auto c = this->cell(i);
    for (int k = 0; k < p.C; ++k) {
      T r = this->of_x(f.local_dot, c, k);
      const Plane<T> x = this->x_plane(f.x, c, k), x_dot = this->x_plane(f.x_dot, c, k);
      const int e = this->diffusion_plane(k);
      const Plane<T> y = this->extra_plane(f.extra, c, e >= 0 ? e : 0),
                     y_dot = this->extra_plane(f.extra_dot, c, e >= 0 ? e : 0);
      r += this->diffusion(c, e >= 0 ? &y : nullptr, this->coefficient(k), x_dot);
      if (e >= 0) r += this->diffusion(c, &y_dot, T(0), x);
      if (p.advection > 0)
        r -= this->d(0, this->extra_plane(f.extra_dot, c, k), c) +
             this->d(1, this->extra_plane(f.extra_dot, c, p.C + k), c);
      if (p.chemotaxis >= 0 && k < p.cells)
        for (int j = 0; j < p.signals; ++j) {
          const int plane = this->chemotaxis_plane(k, j);
          const Plane<T> q = this->extra_plane(f.extra, c, plane), q_dot = this->extra_plane(f.extra_dot, c, plane);
          const Plane<T> z = this->x_plane(f.x, c, p.cells + j), z_dot = this->x_plane(f.x_dot, c, p.cells + j);
          r -= this->chemotaxis(c, x_dot, q, z) + this->chemotaxis(c, x, q_dot, z) + this->chemotaxis(c, x, q, z_dot);
        }
      slope_dot[this->index(p.C, c, k)] = r;
    }
  }
};

}  // namespace mg::pde::cuda::learned
