#include <stdexcept>
#include <string>

#include "nca/nca_fast_path.hpp"
#include "nca/nca_generic.hpp"
#include "nca/nca_spec.hpp"

namespace mg::nca {
namespace {

std::string text(const Shape& s) {
  std::string out = "(";
  for (int k : {s.n, s.c, s.h, s.w}) out += std::to_string(k) + ", ";
  out.resize(out.size() - 2);
  return out + ")";
}

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument("nca_step: " + what); }

void require_shape(const char* name, const Shape& got, const Shape& want) {
  if (!(got == want)) refuse(std::string(name) + " has shape " + text(got) + ", expected " + text(want));
}

template <class T>
void require_inputs(const NcaSpec& spec, const NcaInputs<T>& in, const Shape& s) {
  check(spec);
  if (s.c != spec.channels)
    refuse("the state has shape " + text(s) + ", the model " + std::to_string(spec.channels) + " channels");
  if (s.n < 1 || s.h < 1 || s.w < 1) refuse("empty state " + text(s));
  if (spec.perception.padding == Padding::reflect && (s.h < 2 || s.w < 2))
    refuse("REFLECT needs at least two cells on each axis, the lattice is " + text(s));
  if (spec.boundary != Boundary::none) {
    if (in.boundary.data == nullptr) refuse("the model has a boundary, but no mask was given");
    require_shape("the boundary mask", in.boundary.shape, {s.n, spec.mask_rows(), s.h, s.w});
  }
  if (in.fire_override.data != nullptr) require_shape("the fire mask", in.fire_override.shape, s);
}

}  // namespace

template <class T>
void nca_step(const Exec& exec, const NcaSpec& spec, const T* params, const NcaInputs<T>& in, ConstView<T> x,
              View<T> next, Workspace& workspace) {
  require_inputs(spec, in, x.shape);
  require_shape("next", next.shape, x.shape);
  if (next.data == x.data) refuse("next must not alias x");
  MG_DISPATCH(exec, nca_step, spec, params, in, x, next, workspace);
}

template <class T>
void nca_step_adjoint(const Exec& exec, const NcaSpec& spec, const T* params, const NcaInputs<T>& in, ConstView<T> x,
                      ConstView<T> next_bar, View<T> x_bar, T* params_bar, Workspace& workspace) {
  require_inputs(spec, in, x.shape);
  require_shape("next_bar", next_bar.shape, x.shape);
  require_shape("x_bar", x_bar.shape, x.shape);
  if (x_bar.data == x.data || x_bar.data == next_bar.data) refuse("x_bar must not alias an input");
  MG_DISPATCH(exec, nca_step_adjoint, spec, params, in, x, next_bar, x_bar, params_bar, workspace);
}

namespace host {

template <class T>
void nca_step(const NcaSpec& spec, const T* params, const NcaInputs<T>& in, View<const T> x, View<T> next,
              Workspace& workspace) {
  if constexpr (std::is_same_v<T, float>)
    if (fast_supports(spec)) return fast_step(best_isa(), spec, params, in, x, next, workspace);
  generic_step(spec, params, in, x, next, workspace);
}

template <class T>
void nca_step_adjoint(const NcaSpec& spec, const T* params, const NcaInputs<T>& in, View<const T> x,
                      View<const T> next_bar, View<T> x_bar, T* params_bar, Workspace& workspace) {
  if constexpr (std::is_same_v<T, float>)
    if (fast_supports(spec))
      return fast_step_adjoint(best_isa(), spec, params, in, x, next_bar, x_bar, params_bar, workspace);
  generic_step_adjoint(spec, params, in, x, next_bar, x_bar, params_bar, workspace);
}

}  // namespace host

#define MG_INSTANTIATE(T)                                                                                      \
  template void nca_step<T>(const Exec&, const NcaSpec&, const T*, const NcaInputs<T>&, ConstView<T>, View<T>, \
                            Workspace&);                                                                       \
  template void nca_step_adjoint<T>(const Exec&, const NcaSpec&, const T*, const NcaInputs<T>&, ConstView<T>,  \
                                    ConstView<T>, View<T>, T*, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)

}  // namespace mg::nca
