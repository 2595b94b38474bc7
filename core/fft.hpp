#pragma once
#include <string>

#include "core/buffer.hpp"
#include "core/view.hpp"

namespace mg {

/// Shape of the half-plane spectra of `x`, in complex numbers: (n, c, h, w / 2 + 1).
inline Shape spectrum_shape(Shape x) { return {x.n, x.c, x.h, x.w / 2 + 1}; }

/// The library behind the transforms on the host, as "fftw-3.3.10-sse2-avx"; empty when this build has none (MG_FFTW=OFF).
/// The CUDA backend does not need it.
std::string host_fft_library();
/// What to tell whoever asks for a transform on the host of such a build.
inline constexpr char kNoHostFft[] =
    "this build has no Fourier transform on the host: install FFTW (Debian: libfftw3-dev) and configure again with "
    "-DMG_FFTW=ON";

/// Two-dimensional Fourier transform of every plane, unnormalised, half plane along the columns:
///   z[k, l] = sum_{i, j} x[i, j] exp(-2 pi i (k i / h + l j / w)),  l <= w / 2
/// @param x  (n, c, h, w) real
/// @param z  (n, c, h, w / 2 + 1, 2) re, im interleaved, overwritten
/// @adjoint rfft2_adjoint
/// @throws ConfigError on the host of a build without FFTW
template <class T>
void rfft2(const Exec& exec, ConstView<T> x, T* z, Workspace& workspace);

/// Exact adjoint of rfft2 as a real linear map: x_bar[i, j] = Re sum_{k, l <= w / 2} z_bar[k, l] exp(2 pi i (...)).
/// (An inverse half-plane transform counts the inner columns twice; this does not.)
/// @param z_bar  as z of rfft2; destroyed
/// @param x_bar  (n, c, h, w) **accumulated**
template <class T>
void rfft2_adjoint(const Exec& exec, T* z_bar, View<T> x_bar, Workspace& workspace);

/// Unnormalised transforms of real rows, their own inverses up to a factor but for cosine2 and cosine3, which are each
/// other's: sums over j of x_j times
enum class RealTransform {
  hartley,  ///< cos + sin of 2 pi k j / n
  cosine1,  ///< 2 cos(pi k j / (n - 1)), half of that at both ends
  cosine2,  ///< 2 cos(pi k (j + 1/2) / n)
  cosine3,  ///< 2 cos(pi (k + 1/2) j / n), half of that at j = 0
  sine1     ///< 2 sin(pi (k + 1) (j + 1) / (n + 1))
};
/// Factors on the rows and columns of a plane.
template <class T>
struct PlaneScale {
  const T *rows, *columns;  // [h], [w]
};

namespace host {
/// z = after * transform along both axes of (before * x), per plane, by FFTW.
/// @return false, and nothing done, in a build without FFTW
template <class T>
bool real_transform(RealTransform kind, View<const T> x, PlaneScale<T> before, PlaneScale<T> after, T* z,
                    Workspace& workspace);
template <class T>
void rfft2(View<const T> x, T* z, Workspace& workspace);
template <class T>
void rfft2_adjoint(T* z_bar, View<T> x_bar, Workspace& workspace);
}  // namespace host

namespace cuda {  // cuda/core/fft.cu
template <class T>
void rfft2(CUstream_st* stream, View<const T> x, T* z, Workspace& workspace);
template <class T>
void rfft2_adjoint(CUstream_st* stream, T* z_bar, View<T> x_bar, Workspace& workspace);
}  // namespace cuda

}  // namespace mg
