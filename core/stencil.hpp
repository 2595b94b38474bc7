#pragma once
#include <string_view>

#include "core/exec.hpp"
#include "core/padding.hpp"
#include "core/view.hpp"

namespace mg {

/// Largest KERNEL_SCALE: stencils of 33 x 33.
inline constexpr int kMaxStencilScale = 16;

/// The taps of one stencil, stored in place: a step that builds its stencils allocates nothing.
template <class T>
class Taps {
 public:
  static constexpr int kMost = (2 * kMaxStencilScale + 1) * (2 * kMaxStencilScale + 1);
  /// The first `size` taps count; their values are undefined.
  void resize(int size) { size_ = size; }
  std::size_t size() const { return std::size_t(size_); }
  bool empty() const { return size_ == 0; }
  T& operator[](std::size_t i) { return values_[i]; }
  const T& operator[](std::size_t i) const { return values_[i]; }

 private:
  int size_ = 0;
  T values_[kMost];
};

/// The four fixed stencils of the spatial operators, (2 scale + 1)^2 taps each, row-major, tap (a, b) at
/// (a + scale) (2 scale + 1) + b + scale with a on axis 0 and b on axis 1.
template <class T>
struct StencilSet {
  int scale = 1;
  Padding padding = Padding::circular;
  bool axis0_first = false;  ///< grad0 differentiates along axis 0; only with the original scaled kernels
  Taps<T> grad0, grad1, lap, average;
};

/// Builds the stencils. Scale 1 is the usual 3x3 set (SMOOTHING 1: Sobel and the 9-point Laplacian, 0: central
/// differences and 5 points). Scale s >= 2, with sigma = s / 2 and g = exp(-r^2 / (2 sigma^2)):
///   grad0(a, b) = b g / (dx sum b^2 g)           unit gain on a ramp along axis 1; grad1 is its transpose
///   lap = (m - mean m) / dx^2, scaled so that sum lap r^2 / 4 = 1 / dx^2,  m = (r^2 / sigma^2 - 2) g
///   average = g / sum g                          also the average of scale 1
/// @param original_scaled_kernels  at scale >= 2 keep the reference's stencils: grad0 along axis 0 with negative sign,
///   a Laplacian of another shape, neither of unit gain
/// @throws std::invalid_argument unless 1 <= scale <= kMaxStencilScale, smoothing is 0 or 1, dx > 0
/// @source the reference implementation
template <class T>
StencilSet<T> make_stencils(Padding padding, int scale = 1, int smoothing = 1, double dx = 1,
                            bool original_scaled_kernels = false);

enum class StencilKind { grad0, grad1, lap, average };

// The operators act on every channel alone. G0, G1, L, A are the correlations with the four stencils, e.g.
// (L x)[i, j] = sum_ab lap(a, b) x~[i + a, j + b] on the padded field x~. A vector field has its component first:
// channel d C + c. No output may alias an input. Every `*_bar` of an input is overwritten. The lattice may have any
// size; `reflect` needs two cells on each axis. All throw std::invalid_argument on shapes that do not fit.
// @source the reference implementation

/// out = K x with one of the four stencils.  @param x, out (n, c, h, w)
template <class T>
void correlate(const Exec& exec, const StencilSet<T>& stencils, StencilKind kind, ConstView<T> x, View<T> out);
/// x_bar = K^T out_bar, or x_bar += with `accumulate`.
template <class T>
void correlate_adjoint(const Exec& exec, const StencilSet<T>& stencils, StencilKind kind, ConstView<T> out_bar,
                       View<T> x_bar, bool accumulate = false);

/// out[d] = G_d x.  @param x (n, c, h, w)  @param out (n, 2c, h, w)
/// VecGrad, out[p, q] = G_q v[p], is grad of v seen as (2n, c, h, w).
template <class T>
void grad(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> x, View<T> out);
template <class T>
void grad_adjoint(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> out_bar, View<T> x_bar,
                  bool accumulate = false);

/// out[p, q] = G_q v[p].  @param v (n, 2c, h, w)  @param out (n, 4c, h, w), channel (2p + q) c + channel
template <class T>
void vec_grad(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> v, View<T> out);
template <class T>
void vec_grad_adjoint(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> out_bar, View<T> v_bar);

/// out = sqrt((G0 x)^2 + (G1 x)^2); the derivative where that is 0 is 0.  @param x, out (n, c, h, w)
template <class T>
void grad_norm(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> x, View<T> out);
template <class T>
void grad_norm_adjoint(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> x, ConstView<T> out_bar,
                       View<T> x_bar, bool accumulate = false);

/// out = G0 v[0] + G1 v[1].  @param v (n, 2c, h, w)  @param out (n, c, h, w)
template <class T>
void div(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> v, View<T> out);
template <class T>
void div_adjoint(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> out_bar, View<T> v_bar);

/// out = G0 v[1] - G1 v[0].  @param v (n, 2c, h, w)  @param out (n, c, h, w)
template <class T>
void curl(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> v, View<T> out);
template <class T>
void curl_adjoint(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> out_bar, View<T> v_bar);

/// out = sum_d (G_d f) (G_d g) + f L g, the product-rule form of div(f grad g).  @param f, g, out (n, c, h, w)
template <class T>
void nonlinear_diffusion(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> f, ConstView<T> g, View<T> out);
template <class T>
void nonlinear_diffusion_adjoint(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> f, ConstView<T> g,
                                 ConstView<T> out_bar, View<T> f_bar, View<T> g_bar);

/// out = sum_q v[q] G_q y, the derivative of y along v.  @param v (n, 2c, h, w)  @param y, out (n, c, h, w)
template <class T>
void mat_diff(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> v, ConstView<T> y, View<T> out);
template <class T>
void mat_diff_adjoint(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> v, ConstView<T> y,
                      ConstView<T> out_bar, View<T> v_bar, View<T> y_bar);

/// out[d] = sum_q v[q] G_q u[d].  @param v, u, out (n, 2c, h, w)
template <class T>
void vector_mat_diff(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> v, ConstView<T> u, View<T> out);
template <class T>
void vector_mat_diff_adjoint(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> v, ConstView<T> u,
                             ConstView<T> out_bar, View<T> v_bar, View<T> u_bar);

/// out = L x. On a vector field this is VectorLaplacian.
template <class T>
void laplacian(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> x, View<T> out) {
  correlate(exec, stencils, StencilKind::lap, x, out);
}
template <class T>
void laplacian_adjoint(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> out_bar, View<T> x_bar) {
  correlate_adjoint(exec, stencils, StencilKind::lap, out_bar, x_bar);
}
/// out = A x.
template <class T>
void average(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> x, View<T> out) {
  correlate(exec, stencils, StencilKind::average, x, out);
}
template <class T>
void average_adjoint(const Exec& exec, const StencilSet<T>& stencils, ConstView<T> out_bar, View<T> x_bar) {
  correlate_adjoint(exec, stencils, StencilKind::average, out_bar, x_bar);
}

}  // namespace mg
