#include "core/modes.hpp"

#include <cmath>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "core/fft.hpp"
#include "core/modes_plan.hpp"

namespace mg {
namespace {

constexpr double kPi = std::numbers::pi;

/// The factors of mode_factors() along one axis of n cells.
template <class T>
void axis_scale(Padding padding, int n, bool inverse, bool transposed, T* before, T* after) {
  for (int i = 0; i < n; ++i) {
    const ModeFactors f = mode_factors(padding, n, i, inverse, transposed);
    before[i] = T(f.before), after[i] = T(f.after);
  }
}

template <class T>
std::vector<T> dense_matrix(RealTransform kind, int n) {
  std::vector<T> q(std::size_t(n) * n);
  for (int k = 0; k < n; ++k)
    for (int j = 0; j < n; ++j) {
      double v = 0;
      const auto turn = [](double a, double b) { return std::fmod(a, 2 * b) / b * kPi; };  // pi a / b, reduced
      switch (kind) {
        case RealTransform::hartley:
          v = std::cos(turn(2. * k * j, n)) + std::sin(turn(2. * k * j, n));
          break;
        case RealTransform::cosine1:
          v = (j == 0 || j == n - 1 ? 1 : 2) * std::cos(turn(double(k) * j, n - 1));
          break;
        case RealTransform::cosine2:
          v = 2 * std::cos(turn(k * (j + 0.5), n));
          break;
        case RealTransform::cosine3:
          v = (j == 0 ? 1 : 2) * std::cos(turn((k + 0.5) * j, n));
          break;
        case RealTransform::sine1:
          v = 2 * std::sin(turn((k + 1.) * (j + 1), n + 1));
          break;
      }
      q[std::size_t(k) * n + j] = T(v);
    }
  return q;
}

/// What stands in for FFTW: matrices, n operations per element and axis.
template <class T>
void dense_transform(RealTransform kind, View<const T> x, PlaneScale<T> before, PlaneScale<T> after, T* z) {
  const int h = x.shape.h, w = x.shape.w;
  const auto rows = dense_matrix<T>(kind, h), columns = dense_matrix<T>(kind, w);
  std::vector<T> half(x.shape.plane());
  for (int plane = 0; plane < x.shape.n * x.shape.c; ++plane) {
    const T* from = x.data + std::size_t(plane) * x.shape.plane();
    T* to = z + std::size_t(plane) * x.shape.plane();
    for (int k = 0; k < h; ++k)
      for (int j = 0; j < w; ++j) {
        T sum = 0;
        for (int i = 0; i < h; ++i) sum += rows[std::size_t(k) * h + i] * before.rows[i] * from[std::size_t(i) * w + j];
        half[std::size_t(k) * w + j] = sum * before.columns[j];
      }
    for (int k = 0; k < h; ++k)
      for (int l = 0; l < w; ++l) {
        T sum = 0;
        for (int j = 0; j < w; ++j) sum += columns[std::size_t(l) * w + j] * half[std::size_t(k) * w + j];
        to[std::size_t(k) * w + l] = sum * after.rows[k] * after.columns[l];
      }
  }
}

RealTransform kind_of(Padding padding, bool inverse) {
  switch (padding) {
    case Padding::circular:
      return RealTransform::hartley;
    case Padding::reflect:
      return RealTransform::cosine1;
    case Padding::replicate:
      return inverse ? RealTransform::cosine3 : RealTransform::cosine2;
    default:
      return RealTransform::sine1;
  }
}

void require_lattice(Padding padding, Shape s) {
  if (padding == Padding::reflect && (s.h < 2 || s.w < 2))
    throw std::invalid_argument("modes: REFLECT needs at least 2 x 2 cells");
}

}  // namespace

namespace host {

template <class T>
void transform_modes(Padding padding, View<const T> x, T* z, bool inverse, bool transposed, Workspace& workspace) {
  const int h = x.shape.h, w = x.shape.w;
  T* const scale = workspace.get<T>({}, "modes.scale", 2 * std::size_t(h + w));
  const PlaneScale<T> before{scale, scale + h}, after{scale + h + w, scale + 2 * h + w};
  axis_scale(padding, h, inverse, transposed, scale, scale + h + w);
  axis_scale(padding, w, inverse, transposed, scale + h, scale + 2 * h + w);
  const RealTransform kind = kind_of(padding, inverse);
  if (!real_transform<T>(kind, x, before, after, z, workspace)) dense_transform<T>(kind, x, before, after, z);
}

}  // namespace host

template <class T>
void to_modes(const Exec& exec, Padding padding, ConstView<T> x, T* z, Workspace& workspace, bool transposed) {
  require_lattice(padding, x.shape);
  MG_DISPATCH(exec, transform_modes<T>, padding, x, z, false, transposed, workspace);
}
template <class T>
void from_modes(const Exec& exec, Padding padding, const T* z, View<T> x, Workspace& workspace, bool transposed) {
  require_lattice(padding, x.shape);
  const View<const T> modes{z, x.shape};
  MG_DISPATCH(exec, transform_modes<T>, padding, modes, x.data, true, transposed, workspace);
}

template <class T>
ModeCosines<T> mode_cosines(const Exec& exec, Padding padding, Shape shape, Workspace& workspace) {
  std::vector<T> cosines;
  for (const int n : {shape.h, shape.w})
    for (int k = 0; k < n; ++k) {
      const double angle = padding == Padding::circular    ? 2 * kPi * k / n
                           : padding == Padding::replicate ? kPi * k / n
                           : padding == Padding::reflect   ? kPi * k / (n - 1)
                                                           : kPi * (k + 1) / (n + 1);
      cosines.push_back(T(std::cos(angle)));
    }
  T* const to = workspace.get<T>(exec, "modes.cosines", cosines.size());
  copy_bytes(exec, to, exec.backend, cosines.data(), Backend::host, cosines.size() * sizeof(T));
  synchronise(exec);
  return {to, to + shape.h};
}

#define MG_INSTANTIATE(T)                                                                 \
  template void to_modes<T>(const Exec&, Padding, ConstView<T>, T*, Workspace&, bool);    \
  template void from_modes<T>(const Exec&, Padding, const T*, View<T>, Workspace&, bool); \
  template ModeCosines<T> mode_cosines<T>(const Exec&, Padding, Shape, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg
