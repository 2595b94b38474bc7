#include "core/perception.hpp"

#include <stdexcept>
#include <string>

#include "core/stencil_run.hpp"

namespace mg {
namespace {

using namespace stencil_ops;

template <class T>
StencilSet<T> checked(const char* op, const PerceptionSpec& spec, Shape x, Shape p) {
  const Shape expected{x.n, spec.features(x.c), x.h, x.w};
  if (p != expected)
    throw std::invalid_argument(
        std::string(op) + ": features have " + std::to_string(p.n) + " x " + std::to_string(p.c) + " x " +
        std::to_string(p.h) + " x " + std::to_string(p.w) + " elements, expected " + std::to_string(expected.n) +
        " x " + std::to_string(expected.c) + " x " + std::to_string(expected.h) + " x " + std::to_string(expected.w));
  if (spec.padding == Padding::reflect && (x.h < 2 || x.w < 2))
    throw std::invalid_argument(std::string(op) + ": REFLECT needs at least 2 x 2 cells");
  return make_stencils<T>(spec.padding, spec.scale, spec.smoothing, spec.dx, spec.original_scaled_kernels);
}

/// Calls block(name, features) for every block present, in the fixed order; `features` starts at the block's first
/// channel and keeps the strides of p.
enum class Feature { id, diff, grad, av, lap };
template <class T, class F>
void for_each_block(const PerceptionSpec& spec, int channels, View<T> p, const F& block) {
  int done = 0;
  const auto visit = [&](bool present, Feature feature, int blocks) {
    if (!present) return;
    block(feature, View<T>{p.data + std::size_t(done) * channels * p.shape.plane(), p.shape});
    done += blocks;
  };
  visit(spec.id, Feature::id, 1);
  visit(spec.diff, Feature::diff, 1);
  visit(spec.grad, Feature::grad, 2);
  visit(spec.av, Feature::av, 1);
  visit(spec.lap, Feature::lap, 1);
}

}  // namespace

template <class T>
void perceive(const Exec& exec, const PerceptionSpec& spec, ConstView<T> x, View<T> p) {
  const StencilSet<T> set = checked<T>("perceive", spec, x.shape, p.shape);
  const int channels = x.shape.c;
  for_each_block(spec, channels, p, [&](Feature feature, View<T> out) {
    const auto run = [&](const auto& make) { run_stencil(exec, set, x.shape, make); };
    switch (feature) {
      case Feature::id:
        return run([&]<int R>(const Stencils<T, R>&) { return Copy<T, R>{x, out, false}; });
      case Feature::diff:
        return run([&]<int R>(const Stencils<T, R>& s) { return GradNorm<T, R>{s, x, out}; });
      case Feature::grad:
        return run([&]<int R>(const Stencils<T, R>& s) { return Grad<T, R>{s, x, out, channels, 0, 1}; });
      case Feature::av:
        return run([&]<int R>(const Stencils<T, R>& s) { return Correlate<T, R>{s, x, out, false}; });
      case Feature::lap:
        return run([&]<int R>(const Stencils<T, R>& s) { return Correlate<T, R>{s, x, out, true}; });
    }
  });
}

template <class T>
void perceive_adjoint(const Exec& exec, const PerceptionSpec& spec, ConstView<T> x, ConstView<T> p_bar, View<T> x_bar) {
  const StencilSet<T> set = checked<T>("perceive_adjoint", spec, x.shape, p_bar.shape);
  if (x_bar.shape != x.shape) throw std::invalid_argument("perceive_adjoint: x and x_bar differ in shape");
  const int channels = x.shape.c;
  for_each_block(spec, channels, p_bar, [&](Feature feature, View<const T> bar) {
    const auto run = [&](const auto& make) { run_stencil(exec, set, x.shape, make); };
    switch (feature) {
      case Feature::id:
        return run([&]<int R>(const Stencils<T, R>&) { return Copy<T, R>{bar, x_bar, true}; });
      case Feature::diff:
        return run([&]<int R>(const Stencils<T, R>& s) { return GradNormAdjoint<T, R>{s, x, bar, x_bar, true}; });
      case Feature::grad:
        return run(
            [&]<int R>(const Stencils<T, R>& s) { return GradAdjoint<T, R>{s, bar, x_bar, channels, 0, 1, true}; });
      case Feature::av:
        return run([&]<int R>(const Stencils<T, R>& s) { return CorrelateAdjoint<T, R>{s, bar, x_bar, false, true}; });
      case Feature::lap:
        return run([&]<int R>(const Stencils<T, R>& s) { return CorrelateAdjoint<T, R>{s, bar, x_bar, true, true}; });
    }
  });
}

#define MG_INSTANTIATE(T)                                                            \
  template void perceive(const Exec&, const PerceptionSpec&, ConstView<T>, View<T>); \
  template void perceive_adjoint(const Exec&, const PerceptionSpec&, ConstView<T>, ConstView<T>, View<T>);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg
