#include "core/fft.hpp"

#include <stdexcept>

#include "core/error.hpp"
#include "core/threads.hpp"

#if MG_WITH_FFTW
#include <fftw3.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <new>
#include <tuple>
#include <utility>
#endif

// The only file that calls FFTW.
namespace mg {

#if MG_WITH_FFTW

std::string host_fft_library() { return fftwf_version; }

namespace {

constexpr std::size_t kParallelCells = 1 << 14;  // below it, starting threads costs more than the loop

/// FFTW's names in one precision.
template <class T>
struct Fftw;
template <>
struct Fftw<float> {
  using Plan = fftwf_plan;
  using Complex = fftwf_complex;
  static constexpr auto plan_forward = fftwf_plan_dft_r2c_2d;
  static constexpr auto plan_inverse = fftwf_plan_dft_c2r_2d;
  static constexpr auto forward = fftwf_execute_dft_r2c;
  static constexpr auto inverse = fftwf_execute_dft_c2r;
  static constexpr auto destroy = fftwf_destroy_plan;
  static constexpr auto plan_real = fftwf_plan_r2r_2d;
  static constexpr auto real = fftwf_execute_r2r;
};
template <>
struct Fftw<double> {
  using Plan = fftw_plan;
  using Complex = fftw_complex;
  static constexpr auto plan_forward = fftw_plan_dft_r2c_2d;
  static constexpr auto plan_inverse = fftw_plan_dft_c2r_2d;
  static constexpr auto forward = fftw_execute_dft_r2c;
  static constexpr auto inverse = fftw_execute_dft_c2r;
  static constexpr auto destroy = fftw_destroy_plan;
  static constexpr auto plan_real = fftw_plan_r2r_2d;
  static constexpr auto real = fftw_execute_r2r;
};

/// The planner, and with it this cache, is not safe for threads; running a plan is.
std::mutex& planner() {
  static std::mutex mutex;
  return mutex;
}

/// Plans of one plane by its size; they live as long as the process.
template <class T>
class Plans {
 public:
  struct Pair {
    typename Fftw<T>::Plan forward = nullptr, inverse = nullptr;
  };

  ~Plans() {
    for (const auto& [size, pair] : pairs_) {
      if (pair.forward != nullptr) Fftw<T>::destroy(pair.forward);
      if (pair.inverse != nullptr) Fftw<T>::destroy(pair.inverse);
    }
  }
  /// FFTW_ESTIMATE times nothing, so the same size has the same plan, hence the same bits, in every run.
  /// @param x, z  aligned like every array the plan will run on; neither read nor written
  static Pair get(int h, int w, T* x, typename Fftw<T>::Complex* z) {
    const std::lock_guard lock(planner());
    static Plans plans;
    Pair& pair = plans.pairs_[{h, w}];
    if (pair.forward == nullptr) pair.forward = Fftw<T>::plan_forward(h, w, x, z, FFTW_ESTIMATE);
    if (pair.inverse == nullptr) pair.inverse = Fftw<T>::plan_inverse(h, w, z, x, FFTW_ESTIMATE);
    if (pair.forward == nullptr || pair.inverse == nullptr) throw std::bad_alloc();
    return pair;
  }

 private:
  std::map<std::pair<int, int>, Pair> pairs_;
};

/// Plans of the real transforms, in place, by kind and size.
template <class T>
class RealPlans {
 public:
  ~RealPlans() {
    for (const auto& [key, plan] : plans_)
      if (plan != nullptr) Fftw<T>::destroy(plan);
  }
  static typename Fftw<T>::Plan get(RealTransform kind, int h, int w, T* x) {
    static constexpr fftw_r2r_kind kKinds[] = {FFTW_DHT, FFTW_REDFT00, FFTW_REDFT10, FFTW_REDFT01, FFTW_RODFT00};
    const std::lock_guard lock(planner());
    static RealPlans plans;
    auto& plan = plans.plans_[{int(kind), h, w}];
    const fftw_r2r_kind k = kKinds[int(kind)];
    if (plan == nullptr) plan = Fftw<T>::plan_real(h, w, x, x, k, k, FFTW_ESTIMATE);
    if (plan == nullptr) throw std::bad_alloc();
    return plan;
  }

 private:
  std::map<std::tuple<int, int, int>, typename Fftw<T>::Plan> plans_;
};

/// What every thread needs to transform planes of one size: plans, and copies aligned as FFTW's vectors want them.
template <class T>
class PlaneFft {
  using Complex = typename Fftw<T>::Complex;

 public:
  PlaneFft(Shape shape, Workspace& workspace)
      : h_(shape.h),
        w_(shape.w),
        half_(shape.w / 2 + 1),
        x_stride_(aligned(shape.plane())),
        z_stride_(aligned(std::size_t(h_) * std::size_t(half_))),
        x_(workspace.get<T>({}, "fft.plane", std::size_t(max_threads()) * x_stride_)),
        z_(workspace.get<Complex>({}, "fft.spectrum", std::size_t(max_threads()) * z_stride_)),
        plans_(Plans<T>::get(h_, w_, x_, z_)) {}

  /// z (h, half, 2) = transform of x (h, w).
  void forward(const T* x, T* z, int thread) const {
    T* mine = x_ + std::size_t(thread) * x_stride_;
    Complex* spectrum = z_ + std::size_t(thread) * z_stride_;
    std::copy_n(x, h_ * w_, mine);
    Fftw<T>::forward(plans_.forward, mine, spectrum);
    std::copy_n(&spectrum[0][0], 2 * h_ * half_, z);
  }

  /// x_bar (h, w) += adjoint of z_bar (h, half, 2), by an inverse transform. That counts the inner columns twice, so
  /// they are halved; of a column that is its own mirror image it wants the Hermitian part, which alone reaches Re.
  void adjoint(const T* z_bar, T* x_bar, int thread) const {
    T* mine = x_ + std::size_t(thread) * x_stride_;
    Complex* spectrum = z_ + std::size_t(thread) * z_stride_;
    for (int k = 0; k < h_; ++k)
      for (int l = 0; l < half_; ++l) {
        const int at = k * half_ + l, mirror = (h_ - k) % h_ * half_ + l;
        const bool inner = l > 0 && 2 * l < w_;
        spectrum[at][0] = T(0.5) * (inner ? z_bar[2 * at] : z_bar[2 * at] + z_bar[2 * mirror]);
        spectrum[at][1] = T(0.5) * (inner ? z_bar[2 * at + 1] : z_bar[2 * at + 1] - z_bar[2 * mirror + 1]);
      }
    Fftw<T>::inverse(plans_.inverse, spectrum, mine);
    for (int i = 0; i < h_ * w_; ++i) x_bar[i] += mine[i];
  }

 private:
  static std::size_t aligned(std::size_t n) { return (n + 15) / 16 * 16; }  // elements; memory starts at 64 bytes

  int h_, w_, half_;
  std::size_t x_stride_, z_stride_;
  T* x_;        // [threads][x_stride]
  Complex* z_;  // [threads][z_stride]
  typename Plans<T>::Pair plans_;
};

}  // namespace

namespace host {

template <class T>
bool real_transform(RealTransform kind, View<const T> x, PlaneScale<T> before, PlaneScale<T> after, T* z,
                    Workspace& workspace) {
  const int h = x.shape.h, w = x.shape.w;
  const std::size_t stride = (x.shape.plane() + 15) / 16 * 16;
  T* const memory = workspace.get<T>({}, "fft.real_plane", std::size_t(max_threads()) * stride);
  const auto plan = RealPlans<T>::get(kind, h, w, memory);
  const auto scaled = [h, w](const T* from, T* to, PlaneScale<T> scale) {
    for (int i = 0; i < h; ++i)
      for (int j = 0; j < w; ++j)
        to[std::size_t(i) * w + j] = from[std::size_t(i) * w + j] * (scale.rows[i] * scale.columns[j]);
  };
  parallel_for(
      x.shape.n * x.shape.c,
      [&](int plane, int thread) {
        T* const mine = memory + std::size_t(thread) * stride;
        scaled(x.data + std::size_t(plane) * x.shape.plane(), mine, before);
        Fftw<T>::real(plan, mine, mine);
        scaled(mine, z + std::size_t(plane) * x.shape.plane(), after);
      },
      x.shape.size() > kParallelCells);
  return true;
}

template <class T>
void rfft2(View<const T> x, T* z, Workspace& workspace) {
  const PlaneFft<T> fft(x.shape, workspace);
  const std::size_t spectrum = 2 * spectrum_shape(x.shape).plane();
  parallel_for(
      x.shape.n * x.shape.c,
      [&](int plane, int thread) {
        fft.forward(x.data + std::size_t(plane) * x.shape.plane(), z + std::size_t(plane) * spectrum, thread);
      },
      x.shape.size() > kParallelCells);
}

template <class T>
void rfft2_adjoint(T* z_bar, View<T> x_bar, Workspace& workspace) {
  const Shape shape = x_bar.shape;
  const PlaneFft<T> fft(shape, workspace);
  const std::size_t spectrum = 2 * spectrum_shape(shape).plane();
  parallel_for(
      shape.n * shape.c,
      [&](int plane, int thread) {
        fft.adjoint(z_bar + std::size_t(plane) * spectrum, x_bar.data + std::size_t(plane) * shape.plane(), thread);
      },
      shape.size() > kParallelCells);
}

}  // namespace host

#else

std::string host_fft_library() { return {}; }

namespace host {

template <class T>
bool real_transform(RealTransform, View<const T>, PlaneScale<T>, PlaneScale<T>, T*, Workspace&) {
  return false;
}
template <class T>
void rfft2(View<const T>, T*, Workspace&) {
  throw ConfigError(std::string("rfft2: ") + kNoHostFft);
}
template <class T>
void rfft2_adjoint(T*, View<T>, Workspace&) {
  throw ConfigError(std::string("rfft2_adjoint: ") + kNoHostFft);
}

}  // namespace host

#endif

namespace {

template <class T>
void require_field(View<T> x, const char* what) {
  if (x.data == nullptr || x.shape.size() == 0) throw std::invalid_argument(std::string(what) + ": empty field");
}

}  // namespace

template <class T>
void rfft2(const Exec& exec, ConstView<T> x, T* z, Workspace& workspace) {
  require_field(x, "rfft2");
  MG_DISPATCH(exec, rfft2<T>, x, z, workspace);
}

template <class T>
void rfft2_adjoint(const Exec& exec, T* z_bar, View<T> x_bar, Workspace& workspace) {
  require_field(x_bar, "rfft2_adjoint");
  MG_DISPATCH(exec, rfft2_adjoint<T>, z_bar, x_bar, workspace);
}

#define MG_INSTANTIATE(T)                                                                                            \
  template bool host::real_transform<T>(RealTransform, View<const T>, PlaneScale<T>, PlaneScale<T>, T*, Workspace&); \
  template void host::rfft2<T>(View<const T>, T*, Workspace&);                                                       \
  template void host::rfft2_adjoint<T>(T*, View<T>, Workspace&);                                                     \
  template void rfft2<T>(const Exec&, ConstView<T>, T*, Workspace&);                                                 \
  template void rfft2_adjoint<T>(const Exec&, T*, View<T>, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg
