#include "pde/projection.hpp"

#include <algorithm>
#include <limits>

#include "core/modes.hpp"

namespace mg::pde::fluids {

template <class T>
Projection<T>::Projection(const FlowSpec& flow, const ProjectionSpec& spec)
    : spec_(spec), padding_(flow.padding), smoothing_(flow.smoothing), dx_(flow.dx) {
  neighbours_ = stencils_of<T, 1>(make_stencils<T>(flow.padding, 1, flow.smoothing, 1));
  const T sum = -neighbours_.lap[4];
  neighbours_.lap[4] = 0;
  for (T& tap : neighbours_.lap) tap /= sum;
  weight_ = T(flow.dx * flow.dx) / sum;
}

template <class T>
void Projection<T>::solve(const Exec& exec, ConstView<T> b, const T* start, int sweeps, T* phi,
                          Workspace& workspace) const {
  if (spec_.exact) return solve_exact(exec, b, phi, false, workspace);
  const std::size_t size = b.shape.size();
  T* const other = workspace.get<T>(exec, "fluids.sweep", size);
  T* from = sweeps % 2 == 0 ? phi : other;
  T* to = sweeps % 2 == 0 ? other : phi;
  if (start == nullptr)
    zero_bytes(exec, from, size * sizeof(T));
  else
    copy_bytes(exec, from, exec.backend, start, exec.backend, size * sizeof(T));
  for (int i = 0; i < sweeps; ++i) {
    run_cells(exec, padding_, b.shape, JacobiSweep<T>{neighbours_, {from, b.shape}, b, {to, b.shape}, weight_});
    std::swap(from, to);
  }
}

template <class T>
void Projection<T>::solve_adjoint(const Exec& exec, View<T> phi_bar, int sweeps, T* b_bar, T* start_bar,
                                  Workspace& workspace) const {
  const Shape shape = phi_bar.shape;
  const std::size_t bytes = shape.size() * sizeof(T);
  if (spec_.exact) {
    solve_exact(exec, phi_bar, b_bar, true, workspace);
    if (start_bar != nullptr) zero_bytes(exec, start_bar, bytes);
    return;
  }
  zero_bytes(exec, b_bar, bytes);
  T *from = phi_bar.data, *to = workspace.get<T>(exec, "fluids.sweep", shape.size());
  for (int i = 0; i < sweeps; ++i) {
    run_cells(exec, padding_, shape,
              JacobiSweepAdjoint<T>{neighbours_, {from, shape}, {to, shape}, {b_bar, shape}, weight_});
    std::swap(from, to);
  }
  if (start_bar != nullptr) copy_bytes(exec, start_bar, exec.backend, from, exec.backend, bytes);
}

template <class T>
void Projection<T>::solve_exact(const Exec& exec, ConstView<T> b, T* phi, bool transposed, Workspace& workspace) const {
  const Shape shape = b.shape;
  T* const z = workspace.get<T>(exec, "fluids.modes", shape.size());
  const bool cosine = padding_ == Padding::zeros;
  const FlipPairs<T> flip{{phi, shape}};
  if (cosine) {
    copy_bytes(exec, phi, exec.backend, b.data, exec.backend, shape.size() * sizeof(T));
    run_cells(exec, padding_, shape, flip);
    to_modes<T>(exec, padding_, {phi, shape}, z, workspace, transposed);
  } else {
    to_modes<T>(exec, padding_, b, z, workspace, transposed);
  }
  const ModeCosines<T> cosines = mode_cosines<T>(exec, padding_, shape, workspace);
  run_cells(exec, padding_, shape,
            InverseWideLaplacian<T>{{z, shape}, cosines.rows, cosines.columns, T(dx_ * dx_), smoothing_ == 1, cosine});
  from_modes<T>(exec, padding_, z, {phi, shape}, workspace, transposed);
  if (cosine) run_cells(exec, padding_, shape, flip);
}

template <class T>
Flow<T> flow_at(const FlowSpec& spec, const T* params, Shape shape) {
  return {stencils_of<T, 1>(make_stencils<T>(spec.padding, 1, spec.smoothing, spec.dx)), params, spec.copies, shape.w,
          shape.plane()};
}

Layout flow_params(const FlowSpec& spec, bool pressure) {
  Layout layout;
  layout.add("rho", {1}).add("nu", {1}).add("forcing", {2, spec.copies});
  if (pressure) layout.add("M", {1}).add("D", {1});
  return layout;
}
template <class T>
void initialise_flow(const FlowSpec& spec, std::span<T> params) {
  params[kRho] = T(spec.rho);
  params[kNu] = T(spec.nu);
  std::fill_n(params.begin() + kForcing, spec.copies, T(spec.force0));
  std::fill_n(params.begin() + kForcing + spec.copies, spec.copies, T(spec.force1));
}
Layout flow_conditions(const FlowSpec& spec, Grid grid) {
  Layout layout;
  if (spec.force_field) layout.add("forcing", {2 * spec.copies, grid.h, grid.w});
  return layout;
}
template <class T>
Channels<const T> forcing_of(const FlowSpec& spec, ConstStateView<T> conditions) {
  if (!spec.force_field) return {};
  return {conditions.field().data, 2 * spec.copies, 0};
}

Schema& flow_keys(Schema& schema, int smoothing) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return schema.integer("copies", 1, {1, 1024}, "independent flows side by side: channels of every field")
      .choice("padding", "CIRCULAR", {std::begin(kPaddingNames), std::end(kPaddingNames)},
              "what lies outside the lattice")
      .integer("smoothing", smoothing, {0, 1}, "1: smooth stencils (Sobel, 9-point Laplacian), 0: the shortest ones")
      .number("dx", 1.0, {0, kInfinity, true, true}, "cell size")
      .number("rho", 1.0, {0, kInfinity, true, true}, "density")
      .number("nu", 0.1, {0, kInfinity}, "kinematic viscosity")
      .list("forcing", element::number({}), nlohmann::json{0, 0}, "uniform body force along axis 1 and axis 0", 2, 2)
      .boolean("forcing_field", false, "a body force per cell on top of it, as the condition \"forcing\"");
}
FlowSpec flow_spec(const Config& config) {
  FlowSpec s;
  s.copies = config.get<int>("copies");
  const auto padding = config.get<std::string>("padding");
  s.padding = Padding(std::find(std::begin(kPaddingNames), std::end(kPaddingNames), padding) - kPaddingNames);
  s.smoothing = config.get<int>("smoothing");
  s.dx = config.get<double>("dx");
  s.rho = config.get<double>("rho");
  s.nu = config.get<double>("nu");
  const auto force = config.get<std::vector<double>>("forcing");
  s.force0 = force[0], s.force1 = force[1];
  s.force_field = config.get<bool>("forcing_field");
  return s;
}
Schema& projection_keys(Schema& schema) {
  return schema
      .choice("projection", "jacobi", {"jacobi", "exact"},
              "pressure equation: sweeps of Jacobi's method, or transforms that leave no divergence on their modes "
              "(walls are then closed to the flow)")
      .integer("sweeps", 1000, {0, 1 << 24}, "sweeps of Jacobi's method");
}
ProjectionSpec projection_spec(const Config& config) {
  if (config.get<std::string>("projection") == "exact" && config.get<std::string>("padding") == "ZEROS" &&
      config.get<int>("smoothing") == 1)
    config.fail("projection",
                "\"exact\" has no modes for smooth stencils (smoothing 1) next to ZEROS; use smoothing 0, another "
                "padding, or \"jacobi\"");
  return {config.get<std::string>("projection") == "exact", config.get<int>("sweeps")};
}

#define MG_INSTANTIATE(T)                                       \
  template class Projection<T>;                                 \
  template Flow<T> flow_at(const FlowSpec&, const T*, Shape);   \
  template void initialise_flow(const FlowSpec&, std::span<T>); \
  template Channels<const T> forcing_of<T>(const FlowSpec&, ConstStateView<T>);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::pde::fluids
