#include <stdexcept>
#include <string>

#include "nca/variant_spec.hpp"

namespace mg::nca {
namespace {

std::string text(const Shape& s) {
  return "(" + std::to_string(s.n) + ", " + std::to_string(s.c) + ", " + std::to_string(s.h) + ", " +
         std::to_string(s.w) + ")";
}
[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument("variant_step: " + what); }
void require_shape(const char* name, const Shape& got, const Shape& want) {
  if (!(got == want)) refuse(std::string(name) + " has shape " + text(got) + ", expected " + text(want));
}

template <class T>
void require_inputs(const VariantSpec& spec, const VariantInputs<T>& in, const Shape& s) {
  if (s.c != spec.base.channels)
    refuse("the state has shape " + text(s) + ", the model " + std::to_string(spec.base.channels) + " channels");
  if (s.n < 1 || s.h < 1 || s.w < 1) refuse("empty state " + text(s));
  for (int scale : spec.scales) {
    if (s.h % scale != 0 || s.w % scale != 0)
      refuse("the scale " + std::to_string(scale) + " does not divide a lattice of " + std::to_string(s.h) + " x " +
             std::to_string(s.w));
    if (spec.base.perception.padding == Padding::reflect && (s.h / scale < 2 || s.w / scale < 2))
      refuse("REFLECT needs at least two cells on each axis");
  }
  if (spec.base.boundary != Boundary::none) {
    if (in.boundary.data == nullptr) refuse("the model has a boundary, but no mask was given");
    require_shape("the boundary mask", in.boundary.shape, {s.n, spec.base.mask_rows(), s.h, s.w});
  }
  if (spec.goals > 0) {
    if (in.goal.data == nullptr) refuse("the model has goal channels, but none were given");
    require_shape("the goal", in.goal.shape, {s.n, spec.goals, s.h, s.w});
  }
  if (in.fire_override.data != nullptr) require_shape("the fire mask", in.fire_override.shape, s);
}

}  // namespace

template <class T>
void variant_step(const Exec& exec, const VariantSpec& spec, const Layout& layout, const T* params,
                  const VariantInputs<T>& in, ConstView<T> x, View<T> next, Workspace& workspace) {
  require_inputs(spec, in, x.shape);
  require_shape("next", next.shape, x.shape);
  if (next.data == x.data) refuse("next must not alias x");
  MG_DISPATCH(exec, variant_step, spec, layout, params, in, x, next, workspace);
}

template <class T>
void variant_step_adjoint(const Exec& exec, const VariantSpec& spec, const Layout& layout, const T* params,
                          const VariantInputs<T>& in, ConstView<T> x, ConstView<T> next_bar, View<T> x_bar,
                          T* params_bar, Workspace& workspace) {
  require_inputs(spec, in, x.shape);
  require_shape("next_bar", next_bar.shape, x.shape);
  require_shape("x_bar", x_bar.shape, x.shape);
  if (x_bar.data == x.data || x_bar.data == next_bar.data) refuse("x_bar must not alias an input");
  MG_DISPATCH(exec, variant_step_adjoint, spec, layout, params, in, x, next_bar, x_bar, params_bar, workspace);
}

#define MG_INSTANTIATE(T)                                                                                          \
  template void variant_step<T>(const Exec&, const VariantSpec&, const Layout&, const T*, const VariantInputs<T>&, \
                                ConstView<T>, View<T>, Workspace&);                                                \
  template void variant_step_adjoint<T>(const Exec&, const VariantSpec&, const Layout&, const T*,                  \
                                        const VariantInputs<T>&, ConstView<T>, ConstView<T>, View<T>, T*, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::nca
