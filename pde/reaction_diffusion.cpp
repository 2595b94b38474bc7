#include "pde/reaction_diffusion.hpp"

#include <stdexcept>

#include "core/stencil.hpp"
#include "pde/cells_run.hpp"
#include "pde/model_cell.hpp"
#include "pde/reaction_cell.hpp"
#include "pde/reaction_run.hpp"
#include "pde/sweep.hpp"

namespace mg::pde {

#define MG_INFO(M) {M::kName, M::kFields, M::kFieldNames, M::kParameters},
static constexpr ReactionInfo kReactions[] = {MG_REACTIONS(MG_INFO)};
#undef MG_INFO

std::span<const ReactionInfo> reactions() { return kReactions; }

static Layout named(const ReactionInfo& info) {
  Layout layout;
  for (const Parameter& p : info.parameters) layout.add(std::string(p.name), {1});
  return layout;
}

template <class T>
ReactionDiffusion<T>::ReactionDiffusion(int model, const GridSpec& grid, std::vector<double> values)
    : model_(model),
      values_(std::move(values)),
      layout_(named(kReactions[model])),
      medium_(grid, kReactions[model].fields, 0, layout_) {
  if (values_.size() != kReactions[model].parameters.size())
    throw std::invalid_argument(std::string(type()) + ": " + std::to_string(values_.size()) +
                                " parameter values, has " + std::to_string(kReactions[model].parameters.size()));
}

template <class T>
std::string_view ReactionDiffusion<T>::type() const {
  return kReactions[model_].name;
}
template <class T>
int ReactionDiffusion<T>::channels() const {
  return kReactions[model_].fields;
}
template <class T>
LinearPart ReactionDiffusion<T>::linear_part() const {
  const GridSpec& grid = medium_.spec();
  LinearPart part{grid.padding, grid.smoothing, grid.dx};
  if (grid.scale == 1)
    for (int c = 0; c < channels(); ++c) part.terms.push_back({.to = c, .from = c, .p1 = c});
  return part;
}

template <class T>
double ReactionDiffusion<T>::flop_per_cell() const {
  return 17.0 * channels();
}

template <class T>
void ReactionDiffusion<T>::initialise(std::uint64_t, std::span<T> params) const {
  for (std::size_t k = 0; k < values_.size(); ++k) params[k] = T(values_[k]);
  medium_.initialise(params);
}

/// What all passes share.
template <class T>
reaction::Pass<T> ReactionDiffusion<T>::pass(const RhsContext<T>& at, ConstView<T> x) const {
  medium_.require(type(), x.shape, channels());
  const StageTaps<T> taps = medium_.taps();
  reaction::Pass<T> s{};
  s.n = x.shape.n, s.h = x.shape.h, s.w = x.shape.w;
  s.padding = int(medium_.spec().padding);
  s.p = at.params, s.x = x.data;
  s.open = medium_.open(at, x.shape);
  s.corner = taps.corner, s.edge = taps.edge, s.centre = taps.centre;
  return s;
}

namespace {

/// The channels as samples of a field of one channel, as the stage Laplacian sees them.
template <class T>
StagePass<T, stage::Laplacian> laplacian_pass(const Medium<T>& medium, const RhsContext<T>& at, Shape shape) {
  StagePass<T, stage::Laplacian> s;
  medium.setup(at, shape, s);
  s.n = shape.n * shape.c, s.planes = 1, s.samples_per_mask = shape.c;
  return s;
}
template <class T, class Op>
void run_op(const RhsContext<T>& at, int n, int h, int w, const Op& op) {
  MG_DISPATCH(at.exec, run_cells, n, h, w, op, static_cast<T*>(nullptr), *at.workspace);
}
template <class T>
T* scratch(const RhsContext<T>& at, const char* name, Shape shape, int rim) {
  return at.workspace->template get<T>(at.exec, name,
                                       std::size_t(shape.n) * shape.c * (shape.h + 2 * rim) * (shape.w + 2 * rim));
}

}  // namespace

/// The Laplacian where more than padding surrounds the lattice, or the stencil is larger than 3x3. linear: without the
/// values on the sides.
template <class T>
const T* ReactionDiffusion<T>::laplacian_of(const RhsContext<T>& at, ConstView<T> x, bool linear) const {
  const Shape shape = x.shape;
  const GridSpec& grid = medium_.spec();
  T* lap = scratch(at, "pde.lap", shape, 0);
  if (grid.scale > 1) {
    laplacian<T>(at.exec, make_stencils<T>(grid.padding, grid.scale, grid.smoothing, grid.dx, true), x, {lap, shape});
    return lap;
  }
  T* z = scratch(at, "pde.z", shape, 1);
  medium_.fill(at, x, 0, shape.c, z, linear);
  auto s = laplacian_pass(medium_, at, shape);
  s.z = z, s.out = lap;
  run_op(at, s.n, s.h, s.w, StageValue<T, stage::Laplacian>{s});
  return lap;
}

/// L^T d likewise, and the gradient of the values on the sides.
template <class T>
const T* ReactionDiffusion<T>::laplacian_adjoint_of(const RhsContext<T>& at, ConstView<T> d, T* params_bar) const {
  const Shape shape = d.shape;
  const GridSpec& grid = medium_.spec();
  T* lap = scratch(at, "pde.lap", shape, 0);
  if (grid.scale > 1) {
    laplacian_adjoint<T>(at.exec, make_stencils<T>(grid.padding, grid.scale, grid.smoothing, grid.dx, true), d,
                         {lap, shape});
    return lap;
  }
  auto s = laplacian_pass(medium_, at, shape);
  s.z = scratch(at, "pde.z", shape, 1);  // a linear stage only looks at it
  s.out_bar = d.data, s.z_bar = scratch(at, "pde.z_bar", shape, 1);
  s.bars = at.workspace->template get<T>(at.exec, "pde.bars", std::size_t(s.n) * 4 * (shape.h + 4) * (shape.w + 4));
  run_op(at, s.n, s.h + 4, s.w + 4, StageBars<T, stage::Laplacian>{s});
  run_op(at, s.n, s.h + 2, s.w + 2, StageGather<T, stage::Laplacian>{s});
  medium_.fold(at, shape, 0, shape.c, s.z_bar, lap, {});
  medium_.side_bars(at, shape, shape.c, s.z_bar, at.params, params_bar);
  return lap;
}

namespace reaction {
template <class T>
static void dispatch(const Exec& exec, int model, Kind kind, const Pass<T>& pass, T* params_bar, Workspace& workspace) {
  MG_DISPATCH(exec, run<T>, model, kind, pass, params_bar, workspace);
}
}  // namespace reaction

/// Short rows would cost more to set up than they gain.
template <class T>
bool ReactionDiffusion<T>::sweeps(const Exec& exec, Shape shape) const {
  constexpr int kLeastWidth = 128;
  return exec.backend == Backend::host && fused() && shape.w >= kLeastWidth;
}

template <class T>
void ReactionDiffusion<T>::run_passes(const RhsContext<T>& at, Shape shape, std::span<const RhsPass<T>> passes,
                                      std::span<T> temporary) const {
  if (!sweeps(at.exec, shape)) return Rhs<T>::run_passes(at, shape, passes, temporary);
  medium_.require(type(), shape, channels());
  const StageTaps<T> taps = medium_.taps();
  const sweep::Setting<T> setting{
      model_, medium_.spec().padding, taps.corner, taps.edge, taps.centre, at.params, shape, temporary};
  sweep::host::run<T>(setting, passes, *at.workspace);
}

template <class T>
int ReactionDiffusion<T>::steps_at_once(const Exec& exec, Shape shape, int passes) const {
  return sweeps(exec, shape) ? sweep::host::steps_of_one_sweep<T>(shape, passes) : 1;
}

template <class T>
void ReactionDiffusion<T>::rhs(const RhsContext<T>& at, ConstView<T> x, T* slope, const Combinations<T>& sums) const {
  if (sweeps(at.exec, x.shape)) {
    const RhsPass<T> pass{.x = x.data, .slope = slope, .sums = sums};
    return run_passes(at, x.shape, {&pass, 1}, {});
  }
  auto s = pass(at, x);
  if (!fused()) s.lap = laplacian_of(at, x, false);
  s.out = slope, s.sums = sums;
  reaction::dispatch<T>(at.exec, model_, reaction::Kind::value, s, nullptr, *at.workspace);
}

template <class T>
void ReactionDiffusion<T>::rhs_adjoint(const RhsContext<T>& at, ConstView<T> x, ConstView<T> slope_bar, T* x_bar,
                                       const Combinations<T>& sums, T* params_bar) const {
  auto s = pass(at, x);
  if (!fused()) s.lap = laplacian_adjoint_of(at, slope_bar, params_bar);
  s.fold = medium_.spec().padding == Padding::reflect;
  s.d = slope_bar.data, s.out = x_bar, s.sums = sums;
  reaction::dispatch<T>(at.exec, model_, reaction::Kind::adjoint, s, params_bar, *at.workspace);
}

template <class T>
void ReactionDiffusion<T>::rhs_tangent(const RhsContext<T>& at, ConstView<T> x, ConstView<T> x_dot,
                                       T* slope_dot) const {
  auto s = pass(at, x);
  if (!fused()) s.lap = laplacian_of(at, x_dot, true);
  s.d = x_dot.data, s.out = slope_dot;
  reaction::dispatch<T>(at.exec, model_, reaction::Kind::tangent, s, nullptr, *at.workspace);
}

template class ReactionDiffusion<float>;
template class ReactionDiffusion<double>;

}  // namespace mg::pde
