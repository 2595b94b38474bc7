#pragma once
#include "pde/fluids.hpp"
#include "pde/fluids_run.hpp"

namespace mg::pde::fluids {

/// The pressure equation lap phi = b of copies (n, c, h, w), and its adjoint.
template <class T>
class Projection {
 public:
  Projection(const FlowSpec& flow, const ProjectionSpec& spec);

  const ProjectionSpec& spec() const { return spec_; }
  /// Which divergence makes b, see Walls: the exact solve takes the adjoint of the gradient.
  Walls<T> walls() const { return {spec_.exact}; }
  /// Sweeps from `start` (null = 0), or the least-squares solution for the wide operator div grad: 0 on its null modes.
  /// @param phi  overwritten; may not alias b or start
  void solve(const Exec& exec, ConstView<T> b, const T* start, int sweeps, T* phi, Workspace& workspace) const;
  /// @param phi_bar    destroyed
  /// @param b_bar      overwritten
  /// @param start_bar  overwritten; null = not wanted
  void solve_adjoint(const Exec& exec, View<T> phi_bar, int sweeps, T* b_bar, T* start_bar, Workspace& workspace) const;

 private:
  void solve_exact(const Exec& exec, ConstView<T> b, T* phi, bool transposed, Workspace& workspace) const;
  ProjectionSpec spec_;
  Padding padding_;
  int smoothing_;
  double dx_;
  Stencils<T, 1> neighbours_;  // lap: neighbours over their sum
  T weight_;
};

/// The parts of a flow for one call.
template <class T>
Flow<T> flow_at(const FlowSpec& spec, const T* params, Shape shape);
Layout flow_params(const FlowSpec& spec, bool pressure);
/// rho, nu and forcing into `params`, which may hold more.
template <class T>
void initialise_flow(const FlowSpec& spec, std::span<T> params);
template <class T>
Channels<const T> forcing_of(const FlowSpec& spec, ConstStateView<T> conditions);
Layout flow_conditions(const FlowSpec& spec, Grid grid);

/// params_bar += the sums of `value` over all copies.
template <class T, class Value>
void add_flow_params(const Exec& exec, const Value& value, int copies, std::size_t params, T* params_bar,
                     Workspace& workspace) {
  double* partials = workspace.get<double>(exec, "fluids.partials", std::size_t(copies) * Value::kSums);
  run_sums(exec, std::size_t(copies), value, partials, workspace);
  run_each(exec, params, AddParams<T>{partials, params_bar, copies, Value::kSums});
}

Schema& flow_keys(Schema& schema, int smoothing);
FlowSpec flow_spec(const Config& config);
Schema& projection_keys(Schema& schema);
ProjectionSpec projection_spec(const Config& config);

}  // namespace mg::pde::fluids
