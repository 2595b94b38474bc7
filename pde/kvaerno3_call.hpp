#pragma once
#include <cmath>

#include "core/stencil.hpp"
#include "pde/krylov.hpp"
#include "pde/kvaerno3.hpp"
#include "pde/modal_run.hpp"

// Tableau and linear algebra of Kvaerno3: what its step, its adjoint and its time grid share.
namespace mg::pde::kvaerno {

inline constexpr double g = 0.4358665215;  // makes the scheme L-stable, to the digits of diffrax
inline constexpr double kA[4][3] = {
    {},
    {g},
    {(-4 * g * g + 6 * g - 1) / (4 * g), (1 - 2 * g) / (4 * g)},
    {(6 * g - 1) / (12 * g), -1 / ((24 * g - 12) * g), (-6 * g * g + 6 * g - 1) / (6 * g - 3)}};
inline constexpr double kB[4] = {kA[3][0], kA[3][1], kA[3][2], g};
inline constexpr double kE[4] = {kA[3][0] - kA[2][0], kA[3][1] - kA[2][1], kA[3][2] - g, g};
inline constexpr double kC[4] = {0, 2 * g, 1, 1};

/// Cubic through y, y1 and the slopes f_1, f_4 at both ends.
struct Hermite {
  double y0, y1, f1, f4;
  explicit Hermite(double x)
      : y0((2 * x - 3) * x * x + 1), y1((3 - 2 * x) * x * x), f1(((x - 2) * x + 1) * x), f4((x - 1) * x * x) {}
};

template <class T>
inline constexpr double kTolerance = sizeof(T) == 4 ? 2e-5
                                                    : 1e-10;  // of Newton's last change, whose square is the error left
template <class T>
inline constexpr double kForcing = sizeof(T) == 4 ? 1e-2
                                                  : 1e-4;  // of the linear systems, relative to their right-hand side
template <class T>
inline constexpr double kAdjoint = sizeof(T) == 4 ? 1e-6 : 1e-13;  // of the transposed systems

}  // namespace mg::pde::kvaerno

namespace mg::pde {

/// One step of a batch: its arrays, and the systems that its stages solve.
template <class T>
struct Kvaerno3<T>::Call {
  static constexpr double g = kvaerno::g;
  const Rhs<T>& rhs;
  RhsContext<T> at;
  double t, h;
  Shape shape;
  std::size_t size;
  LinearPart part;
  modal::Symbol<T> symbol;
  const double* fit = nullptr;              // [channels][3] on the backend; null = no preconditioner
  T *f, *argument, *base, *r, *d, *frozen;  // [4][size]; [size] each

  Call(const Rhs<T>& equation, const Exec& exec, double time, double step, const T* params,
       ConstStateView<T> conditions, Shape extent, Workspace& workspace)
      : rhs(equation),
        at{exec, time, params, conditions, &workspace},
        t(time),
        h(step),
        shape(extent),
        size(extent.size()),
        part(equation.linear_part()) {
    f = workspace.get<T>(exec, "kvaerno.arrays", 9 * size);
    argument = f + 4 * size;
    base = argument + size;
    r = base + size;
    d = r + size;
    frozen = d + size;
  }
  RhsContext<T> stage(int i) const {
    RhsContext<T> context = at;
    context.t = kvaerno::kC[i] == 1 ? t + h : t + kvaerno::kC[i] * h;
    return context;
  }
  View<const T> view(const T* data) const { return {data, shape}; }
  T* slope(int i) const { return f + std::size_t(i) * size; }
  void write(const Combination<T>& sum, const T* more = nullptr) const {
    write_combinations<T>(at.exec, Combinations<T>(sum), more, size);
  }
  /// out = y + h sum_j weights[j] f_j
  Combination<T> slopes(T* out, const T* y, const double* weights, int count) const {
    Combination<T> sum;
    sum.out = out;
    sum.base = y;
    for (int j = 0; j < count; ++j) sum.add(T(h * weights[j]), slope(j));
    return sum;
  }
  double rms(const T* v) const {
    return std::sqrt(modal::run_sums<Add>(at.exec, 1, modal::Dots<T>{v, v, size}, *at.workspace)[0] / double(size));
  }

  /// Fits c0 + c1 L + c2 L^2 per channel to the Jacobian at y. Small lattices need no preconditioner.
  void fit_jacobian(const T* y) {
    const std::size_t cells = shape.plane();
    if (cells * std::size_t(shape.n) < 64 || shape.h < 3 || shape.w < 3) return;
    Workspace& space = *at.workspace;
    T* const z = space.get<T>(at.exec, "kvaerno.probe", 4 * size);
    T *const lz = z + size, *const llz = lz + size, *const jz = llz + size;
    const auto stencils = make_stencils<T>(part.padding, 1, part.smoothing, part.dx);
    modal::run_each(at.exec, size, modal::RandomSigns<T>{z});
    laplacian<T>(at.exec, stencils, view(z), {lz, shape});
    laplacian<T>(at.exec, stencils, view(lz), {llz, shape});
    rhs.rhs_tangent(at, view(y), view(z), jz);
    const auto sums = modal::run_sums<Add>(at.exec, std::size_t(shape.c),
                                           modal::FitSums<T>{z, lz, llz, jz, shape.c, shape.n, cells}, space);
    std::vector<double> c(std::size_t(shape.c) * 3);
    for (std::size_t k = 0; k < std::size_t(shape.c); ++k) {
      const double* const s = &sums[9 * k];
      double a[3][4] = {{s[0], s[1], s[2], s[6]}, {s[1], s[3], s[4], s[7]}, {s[2], s[4], s[5], s[8]}};
      for (int i = 0; i < 3; ++i)
        for (int j = i + 1; j < 3; ++j) {
          const double q = a[i][i] > 0 ? a[j][i] / a[i][i] : 0;
          for (int l = i; l < 4; ++l) a[j][l] -= q * a[i][l];
        }
      for (int i = 2; i >= 0; --i) {
        double sum = a[i][3];
        for (int j = i + 1; j < 3; ++j) sum -= a[i][j] * c[3 * k + std::size_t(j)];
        c[3 * k + std::size_t(i)] = a[i][i] > 0 ? sum / a[i][i] : 0;
      }
    }
    for (const double value : c)
      if (!std::isfinite(value)) return;
    double* const to = space.get<double>(at.exec, "kvaerno.fit", c.size());
    copy_bytes(at.exec, to, at.exec.backend, c.data(), Backend::host, c.size() * sizeof(double));
    synchronise(at.exec);
    symbol = modal::symbol_of<T>(at.exec, part, shape, space);
    fit = to;
  }
  void precondition(T* v, bool transposed) const {
    if (fit == nullptr) return;
    T* const z = at.workspace->template get<T>(at.exec, "kvaerno.modes", size);
    to_modes<T>(at.exec, part.padding, view(v), z, *at.workspace, transposed);
    modal::run_each(at.exec, size, modal::Precondition<T>{symbol, fit, shape.c, h * g, z});
    from_modes<T>(at.exec, part.padding, z, {v, shape}, *at.workspace, transposed);
  }
  /// d = (I - h g J(x))^-1 r, r destroyed.
  KrylovReport solve(int i, const T* x, double tolerance, double floor, int most) const {
    return gmres<T>(
        at.exec, size,
        [&](const T* v, T* out) {
          rhs.rhs_tangent(stage(i), view(x), view(v), out);
          Combination<T> sum;
          sum.out = out;
          sum.base = v;
          sum.r_weight = T(-h * g);
          write(sum, out);
        },
        [&](T* v) { precondition(v, false); }, r, d, tolerance, floor, most, *at.workspace);
  }
  /// d = (I - h g J(x))^-T r, r destroyed.
  KrylovReport solve_transposed(int i, const T* x, double tolerance, int most) const {
    return gmres<T>(
        at.exec, size,
        [&](const T* v, T* out) {
          Combination<T> sum;
          sum.out = out;
          sum.base = v;
          sum.r_weight = T(-h * g);
          rhs.rhs_adjoint(stage(i), view(x), view(v), nullptr, Combinations<T>(sum), nullptr);
        },
        [&](T* v) { precondition(v, true); }, r, d, tolerance, 0, most, *at.workspace);
  }
};

}  // namespace mg::pde
