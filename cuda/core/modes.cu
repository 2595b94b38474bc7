#include <type_traits>

#include "core/fft.hpp"
#include "core/modes_plan.hpp"
#include "cuda/core/for_each.cuh"

// The cosine and sine transforms by Fourier transforms of the mirrored plane, the Hartley transform by one of the plane.
namespace mg::cuda {
namespace {

/// One axis of n cells mirrored to m: x_j stands at j + shift, and at m - 1 - j or m - (j + shift) mirrored.
struct MirroredAxis {
  Padding padding;
  int n, m, shift;
  static MirroredAxis of(Padding padding, int n) {
    switch (padding) {
      case Padding::replicate:
        return {padding, n, 2 * n, 0};
      case Padding::reflect:
        return {padding, n, 2 * (n - 1), 0};
      case Padding::zeros:
        return {padding, n, 2 * (n + 1), 1};
      default:
        return {padding, n, n, 0};
    }
  }
  /// Index and sign of what stands at e; sign 0 where nothing does.
  __device__ int source(int e, int& sign) const {
    sign = 1;
    if (padding == Padding::zeros) {
      if (e == 0 || e == n + 1) {
        sign = 0;
        return 0;
      }
      sign = e <= n ? 1 : -1;
      return (e <= n ? e : m - e) - 1;
    }
    if (e < n) return e;
    return padding == Padding::replicate ? m - 1 - e : m - e;
  }
  /// Angle of the factor that makes coefficient k of the mirrored axis real, in units of pi.
  __device__ double phase(int k) const {
    if (padding == Padding::replicate) return -0.5 * k / n;
    return padding == Padding::zeros ? 0.5 : 0;
  }
};

/// exp(i pi angle)
__device__ inline void turn(double angle, double& re, double& im) {
  constexpr double kPi = 3.14159265358979323846;
  re = cos(kPi * angle), im = sin(kPi * angle);
}

template <class T>
struct MirrorPlane {
  View<const T> x;
  T* to;  // [planes][rows.m][columns.m]
  MirroredAxis rows, columns;
  bool inverse, transposed;
  __device__ void operator()(std::size_t i) const {
    const int b = int(i % columns.m), a = int(i / columns.m % rows.m);
    const std::size_t plane = i / columns.m / rows.m;
    int sign_a, sign_b;
    const int j = rows.source(a, sign_a), l = columns.source(b, sign_b);
    const double factor = mode_factors(rows.padding, rows.n, j, inverse, transposed).before *
                          mode_factors(columns.padding, columns.n, l, inverse, transposed).before;
    to[i] = T(sign_a * sign_b * factor) * x.data[plane * x.shape.plane() + std::size_t(j) * columns.n + l];
  }
};
/// Real coefficients out of the half-plane spectrum z of the mirrored plane.
template <class T>
struct TakeModes {
  const T* z;
  T* to;
  MirroredAxis rows, columns;
  bool inverse, transposed;
  __device__ void operator()(std::size_t i) const {
    const int l = int(i % columns.n), k = int(i / columns.n % rows.n), half = columns.m / 2 + 1;
    const std::size_t plane = i / columns.n / rows.n * rows.m * half;
    const double factor = mode_factors(rows.padding, rows.n, k, inverse, transposed).after *
                          mode_factors(columns.padding, columns.n, l, inverse, transposed).after;
    double value;
    if (rows.padding == Padding::circular) {  // cas(a) cas(b) = cos(a - b) + sin(a + b)
      const bool far = l >= half;
      const int mirror_k = (rows.n - k) % rows.n, own_k = far ? mirror_k : k, own_l = far ? columns.n - l : l;
      const T* const own = z + 2 * (plane + std::size_t(own_k) * half + own_l);
      const int cross_k = far ? k : mirror_k;
      value = double(z[2 * (plane + std::size_t(cross_k) * half + own_l)]) - (far ? -1 : 1) * double(own[1]);
    } else {
      const T* const own = z + 2 * (plane + std::size_t(k + rows.shift) * half + l + columns.shift);
      double re, im;
      turn(rows.phase(k) + columns.phase(l), re, im);
      value = own[0] * re - own[1] * im;
    }
    to[i] = T(value * factor);
  }
};
/// The transpose of TakeModes for REPLICATE, whose inverse is the transpose of the forward transform.
template <class T>
struct PutModes {
  View<const T> modes;
  T* z;  // zeroed where no mode goes
  MirroredAxis rows, columns;
  __device__ void operator()(std::size_t i) const {
    const int half = columns.m / 2 + 1, l = int(i % half), k = int(i / half % rows.m);
    const std::size_t plane = i / half / rows.m;
    T* const to = z + 2 * i;
    to[0] = to[1] = 0;
    if (k >= rows.n || l >= columns.n) return;
    const double factor = mode_factors(rows.padding, rows.n, k, true, false).before *
                          mode_factors(columns.padding, columns.n, l, true, false).before * (k == 0 ? 0.5 : 1) *
                          (l == 0 ? 0.5 : 1);
    double re, im;
    turn(rows.phase(k) + columns.phase(l), re, im);
    const double value = factor * modes.data[plane * modes.shape.plane() + std::size_t(k) * columns.n + l];
    to[0] = T(value * re), to[1] = T(-value * im);
  }
};
template <class T>
struct FoldMirrors {
  const T* from;
  T* x;
  MirroredAxis rows, columns;
  __device__ void operator()(std::size_t i) const {
    const int l = int(i % columns.n), j = int(i / columns.n % rows.n);
    const T* const plane = from + i / columns.n / rows.n * rows.m * columns.m;
    const auto at = [&](int a, int b) { return plane[std::size_t(a) * columns.m + b]; };
    const int a = rows.m - 1 - j, b = columns.m - 1 - l;
    x[i] = (at(j, l) + at(j, b)) + (at(a, l) + at(a, b));
  }
};

}  // namespace

template <class T>
void transform_modes(CUstream_st* stream, Padding padding, View<const T> x, T* z, bool inverse, bool transposed,
                     Workspace& workspace) {
  const Exec exec{Backend::cuda, stream};
  const auto rows = MirroredAxis::of(padding, x.shape.h), columns = MirroredAxis::of(padding, x.shape.w);
  const Shape mirrored{x.shape.n, x.shape.c, rows.m, columns.m};
  T* const plane = workspace.get<T>(exec, "modes.plane", mirrored.size());
  T* const spectrum = workspace.get<T>(exec, "modes.spectrum", 2 * spectrum_shape(mirrored).size());
  if (padding == Padding::replicate && inverse) {
    for_each_index("modes_put", stream, spectrum_shape(mirrored).size(), PutModes<T>{x, spectrum, rows, columns});
    zero_bytes(exec, plane, mirrored.size() * sizeof(T));
    mg::rfft2_adjoint<T>(exec, spectrum, {plane, mirrored}, workspace);
    for_each_index("modes_fold", stream, x.shape.size(), FoldMirrors<T>{plane, z, rows, columns});
    return;
  }
  for_each_index("modes_mirror", stream, mirrored.size(), MirrorPlane<T>{x, plane, rows, columns, inverse, transposed});
  mg::rfft2<T>(exec, {plane, mirrored}, spectrum, workspace);
  for_each_index("modes_take", stream, x.shape.size(), TakeModes<T>{spectrum, z, rows, columns, inverse, transposed});
}

#define MG_INSTANTIATE(T) \
  template void transform_modes<T>(CUstream_st*, Padding, View<const T>, T*, bool, bool, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::cuda
