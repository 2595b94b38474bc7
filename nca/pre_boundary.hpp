#pragma once
#include "nca/nca_system.hpp"

namespace mg::nca {

/// out = boundary(y): the last `rows` channels become the mask (soft), or every channel is multiplied by it (hard).
/// @param y, out  (n, C, h, w), may be the same array   @param mask  (n, rows, h, w)
/// @adjoint apply_boundary_adjoint   @source the reference implementation
template <class T>
void apply_boundary(const Exec& exec, Boundary kind, ConstView<T> y, ConstView<T> mask, View<T> out);

/// y_bar += (d boundary / dy)^T out_bar.
template <class T>
void apply_boundary_adjoint(const Exec& exec, Boundary kind, ConstView<T> out_bar, ConstView<T> mask, View<T> y_bar);

/// An automaton that keeps its state before the boundary beside it, for objectives that look there: state
/// {"cells" [C, h, w], "pre_boundary" [C, h, w]}. Parameters and cells are those of NcaSystem; the second block is written
/// by a step and never read by the next one.
template <class T>
class PreBoundarySystem final : public System<T> {
 public:
  /// @throws std::invalid_argument when `spec` has no boundary
  explicit PreBoundarySystem(const NcaSpec& spec);

  std::string_view type() const override { return bounded_.type(); }
  Layout state_layout(Grid grid) const override;
  Layout condition_layout(Grid grid) const override { return bounded_.condition_layout(grid); }
  const Layout& param_layout() const override { return bounded_.param_layout(); }
  void initialise(std::uint64_t seed, std::span<T> params) const override { bounded_.initialise(seed, params); }
  void step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, Workspace& workspace) const override;
  void step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                    ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar, T* params_bar,
                    Workspace& workspace) const override;
  double flop_per_cell() const override { return bounded_.flop_per_cell(); }

 private:
  NcaSystem<T> bounded_;
  NcaSpec free_;  // the same automaton without its boundary
};

namespace host {  // nca/pre_boundary.cpp
template <class T>
void apply_boundary(Boundary kind, View<const T> y, View<const T> mask, View<T> out);
template <class T>
void apply_boundary_adjoint(Boundary kind, View<const T> out_bar, View<const T> mask, View<T> y_bar);
}  // namespace host

namespace cuda {  // cuda/nca/pre_boundary.cu
template <class T>
void apply_boundary(CUstream_st* stream, Boundary kind, View<const T> y, View<const T> mask, View<T> out);
template <class T>
void apply_boundary_adjoint(CUstream_st* stream, Boundary kind, View<const T> out_bar, View<const T> mask,
                            View<T> y_bar);
}  // namespace cuda

}  // namespace mg::nca
