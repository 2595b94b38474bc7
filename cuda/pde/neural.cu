#include <algorithm>

#include "core/stencil_run.hpp"
#include "cuda/core/for_each.cuh"
#include "cuda/core/reduce.cuh"
#include "pde/neural_cell.hpp"
#include "pde/neural_rhs.hpp"

// One thread per cell; a cell's values lie in global memory, neighbouring cells side by side, and the weights' gradient is
// reduced over them. Large lattices go through in chunks, so that this memory stays bounded.
namespace mg::pde::cuda {
namespace {

using neural::Fields;
using neural::LinearMap;
using neural::Net;
using neural::Plan;
using neural::Role;
using neural::Strided;
using neural::Tape;

constexpr std::size_t kTapeBytes = std::size_t(256) << 20;

__device__ NetActivation activation_of(int map) {
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

/// A call with its plan, and the memory of its passes.
template <class T>
struct Job {
  Job(cudaStream_t stream_, const NeuralCall<T>& call, View<const T> x)
      : stream(stream_), exec{Backend::cuda, stream_}, workspace(call.workspace), cells(x.shape.cells()) {
    pass.p = neural_plan<T>(call.spec, x.shape);
    pass.p.params = call.params;
    pass.s = stencils_of<T, 1>(make_stencils<T>(call.spec.padding, 1, call.spec.smoothing, call.spec.dx));
    pass.padding = call.spec.padding;
    pass.tape = neural::make_tape(pass.p);
    chunk = std::min(cells, std::max<std::size_t>(kTapeBytes / (sizeof(T) * pass.tape.size), 4096));
    pass.memory = get("pde.neural.tape", chunk * pass.tape.size);
    pass.stride = chunk;
    pass.f.x = x.data;
    size = x.shape.size();
    extra_size = cells * pass.p.planes;
  }
  T* get(const char* name, std::size_t n) const { return workspace.template get<T>(exec, name, n); }
  /// Every chunk of the cells through `functor`, then `after(cells of the chunk)`.
  template <class Functor, class After>
  void run(const char* name, Functor functor, const After& after) const {
    static_cast<Pass<T>&>(functor) = pass;
    for (std::size_t begin = 0; begin < cells; begin += chunk) {
      const std::size_t count = std::min(chunk, cells - begin);
      functor.begin = begin;
      mg::cuda::for_each_index(name, stream, count, functor);
      after(count);
    }
  }
  template <class Functor>
  void run(const char* name, const Functor& functor) const {
    run(name, functor, [](std::size_t) {});
  }

  cudaStream_t stream;
  Exec exec;
  Workspace& workspace;
  std::size_t cells, chunk = 0, size = 0, extra_size = 0;
  Pass<T> pass{};
};

}  // namespace

template <class T>
void neural_rhs(CUstream_st* stream, const NeuralCall<T>& call, View<const T> x, T* slope,
                const Combinations<T>& sums) {
  Job<T> job(stream, call, x);
  job.pass.f.local = job.get("pde.neural.local", job.size);
  job.pass.f.extra = job.get("pde.neural.extra", job.extra_size);
  job.run("neural_cells", CellsPass<T>{{}, false});
  job.run("neural_slope", SlopePass<T>{{}, slope, sums});
}

template <class T>
void neural_rhs_tangent(CUstream_st* stream, const NeuralCall<T>& call, View<const T> x, View<const T> x_dot,
                        T* slope_dot) {
  Job<T> job(stream, call, x);
  job.pass.f.x_dot = x_dot.data;
  job.pass.f.local_dot = job.get("pde.neural.local", job.size);
  job.pass.f.extra = job.get("pde.neural.extra", job.extra_size);
  job.pass.f.extra_dot = job.get("pde.neural.extra_dot", job.extra_size);
  job.run("neural_cells_tangent", CellsTangentPass<T>{});
  job.run("neural_slope_tangent", SlopeTangentPass<T>{{}, slope_dot});
}

template <class T>
void neural_rhs_adjoint(CUstream_st* stream, const NeuralCall<T>& call, View<const T> x, View<const T> slope_bar,
                        T* x_bar, const Combinations<T>& sums, T* params_bar) {
  Job<T> job(stream, call, x);
  Fields<T>& f = job.pass.f;
  f.g = slope_bar.data;
  if (job.pass.p.diffusion >= 0 || job.pass.p.chemotaxis >= 0) {
    f.extra = job.get("pde.neural.extra", job.extra_size);
    T* of_x = job.get("pde.neural.x_products", 4 * job.size);
    f.x0 = of_x, f.xa = of_x + job.size, f.xb = of_x + 2 * job.size, f.xl = of_x + 3 * job.size;
    T* of_extra = job.get("pde.neural.extra_products", 3 * job.extra_size);
    f.e0 = of_extra, f.ea = of_extra + job.extra_size, f.eb = of_extra + 2 * job.extra_size;
    job.run("neural_planes", CellsPass<T>{{}, true});
    job.run("neural_products_adjoint", ProductsPass<T>{});
  }
  job.run("neural_adjoint", AdjointPass<T>{{}, x_bar, sums}, [&](std::size_t count) {
    if (params_bar == nullptr) return;
    const Pass<T>& pass = job.pass;
    mg::cuda::reduce_segments<Add, 1>("neural_params_adjoint", stream, pass.p.params_count, count,
                                      ParamProducts<T>{pass.p, pass.tape, pass.memory, pass.stride, count},
                                      AddToParam<T>{pass.p, params_bar}, job.workspace);
  });
}

#define MG_INSTANTIATE(T)                                                                                  \
  template void neural_rhs(CUstream_st*, const NeuralCall<T>&, View<const T>, T*, const Combinations<T>&); \
  template void neural_rhs_adjoint(CUstream_st*, const NeuralCall<T>&, View<const T>, View<const T>, T*,   \
                                   const Combinations<T>&, T*);                                            \
  template void neural_rhs_tangent(CUstream_st*, const NeuralCall<T>&, View<const T>, View<const T>, T*);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::pde::cuda
