#include "pde/isa_cells.hpp"
#include "pde/isa_terms.hpp"

// The passes of a neural right-hand side: networks on blocks of cells, stencils along rows. No standard library here: a
// function template instantiated with this file's instruction set could be linked into code that must run without it.
namespace mg::pde::MG_ISA {
namespace {

using neural::Kernels;

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
