#include "nca/pre_boundary.hpp"

#include <stdexcept>

#include "nca/boundary_cell.hpp"

namespace mg::nca {
namespace {

NcaSpec without_boundary(NcaSpec spec) {
  if (spec.boundary == Boundary::none)
    throw std::invalid_argument("PreBoundarySystem: the automaton has no boundary, so there is no state before it");
  spec.boundary = Boundary::none;
  return spec;
}

template <class T>
void check(Boundary kind, View<const T> y, View<const T> mask, View<T> out) {
  const Shape a = y.shape, m = mask.shape;
  const bool rows_fit = kind == Boundary::hard ? m.c == 1 : kind == Boundary::soft && m.c >= 1 && m.c < a.c;
  if (!(a == out.shape) || mask.data == nullptr || m.n != a.n || m.h != a.h || m.w != a.w || !rows_fit)
    throw std::invalid_argument("apply_boundary: a mask of " + std::to_string(m.n) + " x " + std::to_string(m.c) +
                                " x " + std::to_string(m.h) + " x " + std::to_string(m.w) + " does not fit states of " +
                                std::to_string(a.n) + " x " + std::to_string(a.c) + " x " + std::to_string(a.h) +
                                " x " + std::to_string(a.w));
}

}  // namespace

namespace host {
template <class T>
void apply_boundary(Boundary kind, View<const T> y, View<const T> mask, View<T> out) {
  const ApplyBoundary<T> f{kind, y, mask, out};
  for (std::size_t i = 0; i < y.shape.size(); ++i) f(i);
}
template <class T>
void apply_boundary_adjoint(Boundary kind, View<const T> out_bar, View<const T> mask, View<T> y_bar) {
  const ApplyBoundaryAdjoint<T> f{kind, out_bar, mask, y_bar};
  for (std::size_t i = 0; i < out_bar.shape.size(); ++i) f(i);
}
}  // namespace host

template <class T>
void apply_boundary(const Exec& exec, Boundary kind, ConstView<T> y, ConstView<T> mask, View<T> out) {
  check<T>(kind, y, mask, out);
  MG_DISPATCH(exec, apply_boundary<T>, kind, y, mask, out);
}

template <class T>
void apply_boundary_adjoint(const Exec& exec, Boundary kind, ConstView<T> out_bar, ConstView<T> mask, View<T> y_bar) {
  check<T>(kind, out_bar, mask, y_bar);
  MG_DISPATCH(exec, apply_boundary_adjoint<T>, kind, out_bar, mask, y_bar);
}

template <class T>
PreBoundarySystem<T>::PreBoundarySystem(const NcaSpec& spec) : bounded_(spec), free_(without_boundary(spec)) {}

template <class T>
Layout PreBoundarySystem<T>::state_layout(Grid grid) const {
  return bounded_.state_layout(grid).add("pre_boundary", {free_.channels, grid.h, grid.w});
}

template <class T>
void PreBoundarySystem<T>::step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                                ConstStateView<T> state, StateView<T> next, Workspace& workspace) const {
  NcaInputs<T> inputs;
  inputs.index = index;
  nca_step<T>(exec, free_, params, inputs, state.field(0), next.field(1), workspace);
  apply_boundary<T>(exec, bounded_.spec().boundary, next.field(1), conditions.field(), next.field(0));
}

template <class T>
void PreBoundarySystem<T>::step_adjoint(const Exec& exec, const StepIndex& index, const T* params,
                                        ConstStateView<T> conditions, ConstStateView<T> state,
                                        ConstStateView<T> next_bar, StateView<T> state_bar, T* params_bar,
                                        Workspace& workspace) const {
  NcaInputs<T> inputs;
  inputs.index = index;
  const View<const T> pre_bar = next_bar.field(1);
  const std::size_t bytes = pre_bar.shape.size() * sizeof(T);
  const View<T> y_bar{workspace.get<T>(exec, "pre_boundary.y_bar", pre_bar.shape.size()), pre_bar.shape};
  copy_bytes(exec, y_bar.data, exec.backend, pre_bar.data, exec.backend, bytes);
  apply_boundary_adjoint<T>(exec, bounded_.spec().boundary, next_bar.field(0), conditions.field(), y_bar);
  nca_step_adjoint<T>(exec, free_, params, inputs, state.field(0), y_bar, state_bar.field(0), params_bar, workspace);
  zero_bytes(exec, state_bar.block(1), bytes);
}

#define MG_INSTANTIATE(T)                                                                              \
  template void apply_boundary<T>(const Exec&, Boundary, ConstView<T>, ConstView<T>, View<T>);         \
  template void apply_boundary_adjoint<T>(const Exec&, Boundary, ConstView<T>, ConstView<T>, View<T>); \
  template class PreBoundarySystem<T>;
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::nca
