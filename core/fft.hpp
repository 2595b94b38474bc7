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

namespace host {
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
