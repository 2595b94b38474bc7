#include "core/stencil.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

#include "core/stencil_run.hpp"

namespace mg {
namespace {

std::string text(const Shape& s) {
  return "(" + std::to_string(s.n) + ", " + std::to_string(s.c) + ", " + std::to_string(s.h) + ", " +
         std::to_string(s.w) + ")";
}

/// `view` must be (n, factor c, h, w) of `of`.
template <class T>
void require(const char* op, const char* name, const View<T>& view, Shape of, int factor = 1) {
  of.c *= factor;
  if (view.shape == of) return;
  throw std::invalid_argument(std::string(op) + ": " + name + " is " + text(view.shape) + ", expected " + text(of));
}

template <class T>
void require_lattice(const char* op, const StencilSet<T>& set, Shape s) {
  if (set.grad0.empty()) throw std::invalid_argument(std::string(op) + ": empty StencilSet, see make_stencils");
  if (set.padding == Padding::reflect && (s.h < 2 || s.w < 2))
    throw std::invalid_argument(std::string(op) + ": REFLECT needs at least 2 x 2 cells, got " + text(s));
}

/// A vector field (n, 2c, h, w) seen without its component axis.
Shape one_component(const char* op, Shape s) {
  if (s.c % 2 != 0) throw std::invalid_argument(std::string(op) + ": odd channel count of a vector field " + text(s));
  s.c /= 2;
  return s;
}
/// (n, 2c, h, w) as (2n, c, h, w): components become samples.
template <class T>
View<T> components_as_samples(const char* op, const View<T>& v) {
  Shape s = one_component(op, v.shape);
  s.n *= 2;
  return {v.data, s};
}

}  // namespace

using namespace stencil_ops;

template <class T>
StencilSet<T> make_stencils(Padding padding, int scale, int smoothing, double dx, bool original_scaled_kernels) {
  if (scale < 1 || scale > kMaxStencilScale)
    throw std::invalid_argument("make_stencils: scale " + std::to_string(scale) + ", expected 1 to " +
                                std::to_string(kMaxStencilScale));
  if (smoothing != 0 && smoothing != 1)
    throw std::invalid_argument("make_stencils: smoothing " + std::to_string(smoothing) + ", expected 0 or 1");
  if (!(dx > 0)) throw std::invalid_argument("make_stencils: dx must be positive");
  const bool original = original_scaled_kernels && scale > 1;
  const int side = 2 * scale + 1, taps = side * side;
  const double s2 = 0.25 * scale * scale;  // sigma^2
  double along1[Taps<T>::kMost], lap[Taps<T>::kMost], average[Taps<T>::kMost];
  double sum_g = 0, sum_slope = 0, mean = 0;
  for (int t = 0; t < taps; ++t) {
    const int a = t / side - scale, b = t % side - scale;
    const double r2 = a * a + b * b, g = std::exp(-r2 / (2 * s2));
    average[t] = g;
    along1[t] = b * g;
    lap[t] = original ? (4 * r2 / s2 - 1) * g : (r2 / s2 - 2) * g;
    sum_g += g;
    sum_slope += original ? -std::abs(b * g) : b * b * g;
    mean += lap[t] / taps;
  }
  double lap_gain = 0;
  for (int t = 0; t < taps; ++t) {
    const int a = t / side - scale, b = t % side - scale;
    lap[t] -= mean;
    lap_gain += original ? std::abs(lap[t]) : lap[t] * (a * a + b * b) / 4;
  }
  static constexpr double kSmoothGrad[] = {-0.125, 0, 0.125, -0.25, 0, 0.25, -0.125, 0, 0.125};
  static constexpr double kPlainGrad[] = {0, 0, 0, -0.5, 0, 0.5, 0, 0, 0};
  static constexpr double kSmoothLap[] = {0.25, 0.5, 0.25, 0.5, -3, 0.5, 0.25, 0.5, 0.25};
  static constexpr double kPlainLap[] = {0, 1, 0, 1, -4, 1, 0, 1, 0};
  StencilSet<T> set;
  set.scale = scale;
  set.padding = padding;
  set.axis0_first = original;
  for (Taps<T>* all : {&set.grad0, &set.grad1, &set.lap, &set.average}) all->resize(taps);
  Taps<T>&slope = original ? set.grad1 : set.grad0, &transposed = original ? set.grad0 : set.grad1;
  for (int t = 0; t < taps; ++t) {
    const double grad1 = scale > 1 ? along1[t] / sum_slope : (smoothing ? kSmoothGrad : kPlainGrad)[t];
    const double laplace = scale > 1 ? lap[t] / lap_gain : (smoothing ? kSmoothLap : kPlainLap)[t];
    slope[t] = transposed[t % side * side + t / side] = T(grad1 / dx);
    set.lap[t] = T(laplace / (dx * dx));
    set.average[t] = T(average[t] / sum_g);
  }
  return set;
}

template <class T>
void correlate(const Exec& exec, const StencilSet<T>& set, StencilKind kind, ConstView<T> x, View<T> out) {
  require_lattice("correlate", set, x.shape);
  require("correlate", "out", out, x.shape);
  const int d = int(kind);
  if (d < 2)
    run_stencil(exec, set, x.shape,
                [&]<int R>(const Stencils<T, R>& s) { return Grad<T, R>{s, x, out, x.shape.c, d, d}; });
  else
    run_stencil(exec, set, x.shape, [&]<int R>(const Stencils<T, R>& s) {
      return Correlate<T, R>{s, x, out, kind == StencilKind::lap};
    });
}

template <class T>
void correlate_adjoint(const Exec& exec, const StencilSet<T>& set, StencilKind kind, ConstView<T> out_bar,
                       View<T> x_bar, bool accumulate) {
  require_lattice("correlate_adjoint", set, out_bar.shape);
  require("correlate_adjoint", "x_bar", x_bar, out_bar.shape);
  const int d = int(kind);
  if (d < 2)
    run_stencil(exec, set, x_bar.shape, [&]<int R>(const Stencils<T, R>& s) {
      return GradAdjoint<T, R>{s, out_bar, x_bar, x_bar.shape.c, d, d, accumulate};
    });
  else
    run_stencil(exec, set, x_bar.shape, [&]<int R>(const Stencils<T, R>& s) {
      return CorrelateAdjoint<T, R>{s, out_bar, x_bar, kind == StencilKind::lap, accumulate};
    });
}

template <class T>
void grad(const Exec& exec, const StencilSet<T>& set, ConstView<T> x, View<T> out) {
  require_lattice("grad", set, x.shape);
  require("grad", "out", out, x.shape, 2);
  run_stencil(exec, set, x.shape,
              [&]<int R>(const Stencils<T, R>& s) { return Grad<T, R>{s, x, out, x.shape.c, 0, 1}; });
}

template <class T>
void grad_adjoint(const Exec& exec, const StencilSet<T>& set, ConstView<T> out_bar, View<T> x_bar, bool accumulate) {
  require_lattice("grad_adjoint", set, x_bar.shape);
  require("grad_adjoint", "out_bar", out_bar, x_bar.shape, 2);
  run_stencil(exec, set, x_bar.shape, [&]<int R>(const Stencils<T, R>& s) {
    return GradAdjoint<T, R>{s, out_bar, x_bar, x_bar.shape.c, 0, 1, accumulate};
  });
}

template <class T>
void vec_grad(const Exec& exec, const StencilSet<T>& set, ConstView<T> v, View<T> out) {
  require("vec_grad", "out", out, v.shape, 2);
  grad(exec, set, components_as_samples("vec_grad", v), components_as_samples("vec_grad", out));
}

template <class T>
void vec_grad_adjoint(const Exec& exec, const StencilSet<T>& set, ConstView<T> out_bar, View<T> v_bar) {
  require("vec_grad_adjoint", "out_bar", out_bar, v_bar.shape, 2);
  grad_adjoint(exec, set, components_as_samples("vec_grad_adjoint", out_bar),
               components_as_samples("vec_grad_adjoint", v_bar));
}

template <class T>
void grad_norm(const Exec& exec, const StencilSet<T>& set, ConstView<T> x, View<T> out) {
  require_lattice("grad_norm", set, x.shape);
  require("grad_norm", "out", out, x.shape);
  run_stencil(exec, set, x.shape, [&]<int R>(const Stencils<T, R>& s) { return GradNorm<T, R>{s, x, out}; });
}

template <class T>
void grad_norm_adjoint(const Exec& exec, const StencilSet<T>& set, ConstView<T> x, ConstView<T> out_bar, View<T> x_bar,
                       bool accumulate) {
  require_lattice("grad_norm_adjoint", set, x.shape);
  require("grad_norm_adjoint", "out_bar", out_bar, x.shape);
  require("grad_norm_adjoint", "x_bar", x_bar, x.shape);
  run_stencil(exec, set, x.shape, [&]<int R>(const Stencils<T, R>& s) {
    return GradNormAdjoint<T, R>{s, x, out_bar, x_bar, accumulate};
  });
}

namespace {
template <class T>
void div_or_curl(const char* op, const Exec& exec, const StencilSet<T>& set, View<const T> v, View<T> out, bool curl) {
  require_lattice(op, set, v.shape);
  require(op, "out", out, one_component(op, v.shape));
  run_stencil(exec, set, out.shape, [&]<int R>(const Stencils<T, R>& s) { return Div<T, R>{s, v, out, curl}; });
}
template <class T>
void div_or_curl_adjoint(const char* op, const Exec& exec, const StencilSet<T>& set, View<const T> out_bar,
                         View<T> v_bar, bool curl) {
  require_lattice(op, set, v_bar.shape);
  require(op, "out_bar", out_bar, one_component(op, v_bar.shape));
  run_stencil(exec, set, out_bar.shape, [&]<int R>(const Stencils<T, R>& s) {
    return DivAdjoint<T, R>{s, out_bar, v_bar, curl};
  });
}
}  // namespace

template <class T>
void div(const Exec& exec, const StencilSet<T>& set, ConstView<T> v, View<T> out) {
  div_or_curl("div", exec, set, v, out, false);
}
template <class T>
void div_adjoint(const Exec& exec, const StencilSet<T>& set, ConstView<T> out_bar, View<T> v_bar) {
  div_or_curl_adjoint("div_adjoint", exec, set, out_bar, v_bar, false);
}
template <class T>
void curl(const Exec& exec, const StencilSet<T>& set, ConstView<T> v, View<T> out) {
  div_or_curl("curl", exec, set, v, out, true);
}
template <class T>
void curl_adjoint(const Exec& exec, const StencilSet<T>& set, ConstView<T> out_bar, View<T> v_bar) {
  div_or_curl_adjoint("curl_adjoint", exec, set, out_bar, v_bar, true);
}

template <class T>
void nonlinear_diffusion(const Exec& exec, const StencilSet<T>& set, ConstView<T> f, ConstView<T> g, View<T> out) {
  require_lattice("nonlinear_diffusion", set, f.shape);
  require("nonlinear_diffusion", "g", g, f.shape);
  require("nonlinear_diffusion", "out", out, f.shape);
  run_stencil(exec, set, f.shape, [&]<int R>(const Stencils<T, R>& s) {
    return NonlinearDiffusion<T, R>{s, f, g, out};
  });
}

template <class T>
void nonlinear_diffusion_adjoint(const Exec& exec, const StencilSet<T>& set, ConstView<T> f, ConstView<T> g,
                                 ConstView<T> out_bar, View<T> f_bar, View<T> g_bar) {
  const char* op = "nonlinear_diffusion_adjoint";
  require_lattice(op, set, f.shape);
  require(op, "g", g, f.shape);
  require(op, "out_bar", out_bar, f.shape);
  require(op, "f_bar", f_bar, f.shape);
  require(op, "g_bar", g_bar, f.shape);
  run_stencil(exec, set, f.shape, [&]<int R>(const Stencils<T, R>& s) {
    return NonlinearDiffusionAdjoint<T, R>{s, f, g, out_bar, f_bar, g_bar};
  });
}

namespace {
template <class T>
void mat_diff_of(const char* op, const Exec& exec, const StencilSet<T>& set, int components, View<const T> v,
                 View<const T> u, View<T> out) {
  const Shape one = one_component(op, v.shape);
  require_lattice(op, set, one);
  require(op, "the differentiated field", u, one, components);
  require(op, "out", out, one, components);
  run_stencil(exec, set, one,
              [&]<int R>(const Stencils<T, R>& s) { return MatDiff<T, R>{s, v, u, out, one.c, components}; });
}
template <class T>
void mat_diff_adjoint_of(const char* op, const Exec& exec, const StencilSet<T>& set, int components, View<const T> v,
                         View<const T> u, View<const T> out_bar, View<T> v_bar, View<T> u_bar) {
  const Shape one = one_component(op, v.shape);
  require_lattice(op, set, one);
  require(op, "the differentiated field", u, one, components);
  require(op, "out_bar", out_bar, one, components);
  require(op, "v_bar", v_bar, one, 2);
  require(op, "the other cotangent", u_bar, one, components);
  run_stencil(exec, set, one, [&]<int R>(const Stencils<T, R>& s) {
    return MatDiffAdjoint<T, R>{s, v, u, out_bar, v_bar, u_bar, one.c, components};
  });
}
}  // namespace

template <class T>
void mat_diff(const Exec& exec, const StencilSet<T>& set, ConstView<T> v, ConstView<T> y, View<T> out) {
  mat_diff_of("mat_diff", exec, set, 1, v, y, out);
}
template <class T>
void mat_diff_adjoint(const Exec& exec, const StencilSet<T>& set, ConstView<T> v, ConstView<T> y, ConstView<T> out_bar,
                      View<T> v_bar, View<T> y_bar) {
  mat_diff_adjoint_of("mat_diff_adjoint", exec, set, 1, v, y, out_bar, v_bar, y_bar);
}
template <class T>
void vector_mat_diff(const Exec& exec, const StencilSet<T>& set, ConstView<T> v, ConstView<T> u, View<T> out) {
  mat_diff_of("vector_mat_diff", exec, set, 2, v, u, out);
}
template <class T>
void vector_mat_diff_adjoint(const Exec& exec, const StencilSet<T>& set, ConstView<T> v, ConstView<T> u,
                             ConstView<T> out_bar, View<T> v_bar, View<T> u_bar) {
  mat_diff_adjoint_of("vector_mat_diff_adjoint", exec, set, 2, v, u, out_bar, v_bar, u_bar);
}

#define MG_INSTANTIATE(T)                                                                                              \
  template StencilSet<T> make_stencils(Padding, int, int, double, bool);                                               \
  template void correlate(const Exec&, const StencilSet<T>&, StencilKind, ConstView<T>, View<T>);                      \
  template void correlate_adjoint(const Exec&, const StencilSet<T>&, StencilKind, ConstView<T>, View<T>, bool);        \
  template void grad(const Exec&, const StencilSet<T>&, ConstView<T>, View<T>);                                        \
  template void grad_adjoint(const Exec&, const StencilSet<T>&, ConstView<T>, View<T>, bool);                          \
  template void vec_grad(const Exec&, const StencilSet<T>&, ConstView<T>, View<T>);                                    \
  template void vec_grad_adjoint(const Exec&, const StencilSet<T>&, ConstView<T>, View<T>);                            \
  template void grad_norm(const Exec&, const StencilSet<T>&, ConstView<T>, View<T>);                                   \
  template void grad_norm_adjoint(const Exec&, const StencilSet<T>&, ConstView<T>, ConstView<T>, View<T>, bool);       \
  template void div(const Exec&, const StencilSet<T>&, ConstView<T>, View<T>);                                         \
  template void div_adjoint(const Exec&, const StencilSet<T>&, ConstView<T>, View<T>);                                 \
  template void curl(const Exec&, const StencilSet<T>&, ConstView<T>, View<T>);                                        \
  template void curl_adjoint(const Exec&, const StencilSet<T>&, ConstView<T>, View<T>);                                \
  template void nonlinear_diffusion(const Exec&, const StencilSet<T>&, ConstView<T>, ConstView<T>, View<T>);           \
  template void nonlinear_diffusion_adjoint(const Exec&, const StencilSet<T>&, ConstView<T>, ConstView<T>,             \
                                            ConstView<T>, View<T>, View<T>);                                           \
  template void mat_diff(const Exec&, const StencilSet<T>&, ConstView<T>, ConstView<T>, View<T>);                      \
  template void mat_diff_adjoint(const Exec&, const StencilSet<T>&, ConstView<T>, ConstView<T>, ConstView<T>, View<T>, \
                                 View<T>);                                                                             \
  template void vector_mat_diff(const Exec&, const StencilSet<T>&, ConstView<T>, ConstView<T>, View<T>);               \
  template void vector_mat_diff_adjoint(const Exec&, const StencilSet<T>&, ConstView<T>, ConstView<T>, ConstView<T>,   \
                                        View<T>, View<T>);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg
