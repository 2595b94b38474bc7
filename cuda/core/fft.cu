#include "core/fft.hpp"

#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>

#include "cuda/core/check.cuh"
#include "cuda/core/for_each.cuh"
#if !defined(MG_CUDA_EMULATION)
#include <cufft.h>
#endif

// The only file that calls cuFFT. Under emulation the two library calls run on the host.
namespace mg::cuda {
namespace {

#if defined(MG_CUDA_EMULATION)

template <class T>
void real_to_complex(CUstream_st* stream, View<const T> x, T* z, Workspace& workspace) {
  const emulation::LibraryCall scope(stream);
  host::rfft2<T>(x, z, workspace);
}

/// Like cuFFT: counts the inner columns twice, and asks for Hermitian columns where each is its own mirror image.
template <class T>
void complex_to_real(CUstream_st* stream, T* z, View<T> x, Workspace& workspace) {
  const emulation::LibraryCall scope(stream);
  const int h = x.shape.h, w = x.shape.w, half = w / 2 + 1;
  for (int plane = 0; plane < x.shape.n * x.shape.c; ++plane)
    for (int k = 0; k < h; ++k)
      for (int l = 0; l < half; ++l) {
        T* at = z + 2 * ((std::size_t(plane) * h + k) * half + l);
        const T* mirror = z + 2 * ((std::size_t(plane) * h + (h - k) % h) * half + l);
        if (l > 0 && 2 * l < w) {
          at[0] *= 2, at[1] *= 2;
        } else if (at[0] != mirror[0] || at[1] != -mirror[1]) {
          throw std::logic_error("complex_to_real: column " + std::to_string(l) + " is not Hermitian");
        }
      }
  zero_bytes({}, x.data, x.shape.size() * sizeof(T));
  host::rfft2_adjoint<T>(z, x, workspace);
}

#else

void check(cufftResult status, const char* call) {
  if (status != CUFFT_SUCCESS)
    throw DeviceError(std::string("cuFFT: ") + call + " failed with status " + std::to_string(int(status)));
}

/// Plans live as long as the process; one per device, stream, kind and size, so that two streams never share scratch.
cufftHandle plan(CUstream_st* stream, cufftType type, Shape x) {
  static std::mutex mutex;
  static std::map<std::tuple<int, CUstream_st*, int, int, int, int>, cufftHandle> plans;
  int device = 0;
  MG_CUDA_CHECK(cudaGetDevice(&device));
  const int batch = x.n * x.c;
  const std::lock_guard lock(mutex);
  auto [it, fresh] = plans.try_emplace({device, stream, int(type), x.h, x.w, batch});
  if (fresh) {
    int size[2] = {x.h, x.w};
    const cufftResult status = cufftPlanMany(&it->second, 2, size, nullptr, 1, 0, nullptr, 1, 0, type, batch);
    if (status != CUFFT_SUCCESS) plans.erase(it);
    check(status, "cufftPlanMany");
    check(cufftSetStream(it->second, stream), "cufftSetStream");
  }
  return it->second;
}

template <class T>
void real_to_complex(CUstream_st* stream, View<const T> x, T* z, Workspace&) {
  auto* in = const_cast<T*>(x.data);  // cuFFT does not write to the input of an out-of-place forward transform
  if constexpr (std::is_same_v<T, float>)
    check(cufftExecR2C(plan(stream, CUFFT_R2C, x.shape), in, reinterpret_cast<cufftComplex*>(z)), "cufftExecR2C");
  else
    check(cufftExecD2Z(plan(stream, CUFFT_D2Z, x.shape), in, reinterpret_cast<cufftDoubleComplex*>(z)), "cufftExecD2Z");
}

template <class T>
void complex_to_real(CUstream_st* stream, T* z, View<T> x, Workspace&) {
  if constexpr (std::is_same_v<T, float>)
    check(cufftExecC2R(plan(stream, CUFFT_C2R, x.shape), reinterpret_cast<cufftComplex*>(z), x.data), "cufftExecC2R");
  else
    check(cufftExecZ2D(plan(stream, CUFFT_Z2D, x.shape), reinterpret_cast<cufftDoubleComplex*>(z), x.data),
          "cufftExecZ2D");
}

#endif

/// Prepares z_bar for an inverse half-plane transform: halves the inner columns, which that counts twice, and makes the
/// columns that are their own mirror image Hermitian, which leaves the real part of their sum as it is.
template <class T>
struct HalfPlaneScale {
  T* z;
  int h, w;
  __device__ void operator()(std::size_t i) const {
    const int half = w / 2 + 1, k = int(i / std::size_t(half) % std::size_t(h)), l = int(i % std::size_t(half));
    const std::size_t plane = i / std::size_t(half) / std::size_t(h);
    T* a = z + 2 * i;
    if (l > 0 && 2 * l < w) {
      a[0] *= T(0.5);
      a[1] *= T(0.5);
      return;
    }
    const int mirror = (h - k) % h;
    if (mirror < k) return;  // the pair belongs to the smaller row
    T* b = z + 2 * ((plane * std::size_t(h) + std::size_t(mirror)) * half + std::size_t(l));
    const T re = T(0.5) * (a[0] + b[0]), im = T(0.5) * (a[1] - b[1]);
    a[0] = b[0] = re;
    b[1] = -im;
    a[1] = mirror == k ? T(0) : im;
  }
};

template <class T>
struct AddCells {
  const T* from;
  T* to;
  __device__ void operator()(std::size_t i) const { to[i] += from[i]; }
};

}  // namespace

template <class T>
void rfft2(CUstream_st* stream, View<const T> x, T* z, Workspace& workspace) {
  real_to_complex<T>(stream, x, z, workspace);
}

template <class T>
void rfft2_adjoint(CUstream_st* stream, T* z_bar, View<T> x_bar, Workspace& workspace) {
  const Shape shape = x_bar.shape;
  for_each_index("fft_half_plane", stream, spectrum_shape(shape).size(), HalfPlaneScale<T>{z_bar, shape.h, shape.w});
  T* real = workspace.get<T>({Backend::cuda, stream}, "fft.real", shape.size());
  complex_to_real<T>(stream, z_bar, {real, shape}, workspace);
  for_each_index("fft_add", stream, shape.size(), AddCells<T>{real, x_bar.data});
}

#define MG_INSTANTIATE(T)                                              \
  template void rfft2<T>(CUstream_st*, View<const T>, T*, Workspace&); \
  template void rfft2_adjoint<T>(CUstream_st*, T*, View<T>, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::cuda
