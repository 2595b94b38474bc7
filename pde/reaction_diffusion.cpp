#include "pde/reaction_diffusion.hpp"

#include <stdexcept>

#include "core/stencil.hpp"
#include "pde/reaction_cell.hpp"
#include "pde/reaction_run.hpp"

namespace mg::pde {

#define MG_INFO(M) {M::kName, M::kFields, M::kParameters},
static constexpr ReactionInfo kReactions[] = {MG_REACTIONS(MG_INFO)};
#undef MG_INFO

std::span<const ReactionInfo> reactions() { return kReactions; }

template <class T>
ReactionDiffusion<T>::ReactionDiffusion(int model, const GridSpec& grid, std::vector<double> values)
    : model_(model), grid_(grid), values_(std::move(values)) {
  if (values_.size() != kReactions[model].parameters.size())
    throw std::invalid_argument(std::string(type()) + ": " + std::to_string(values_.size()) +
                                " parameter values, has " + std::to_string(kReactions[model].parameters.size()));
  for (const Parameter& p : kReactions[model].parameters) layout_.add(std::string(p.name), {1});
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
double ReactionDiffusion<T>::flop_per_cell() const {
  return 17.0 * channels();
}

template <class T>
void ReactionDiffusion<T>::initialise(std::uint64_t, std::span<T> params) const {
  for (std::size_t k = 0; k < values_.size(); ++k) params[k] = T(values_[k]);
}

/// What all passes share. The Laplacian of `stencil_of`, or its transpose, is taken by the pass itself where the stencil is
/// 3x3, else by a pass of its own.
template <class T>
reaction::Pass<T> ReactionDiffusion<T>::pass(const RhsContext<T>& at, ConstView<T> x, const T* stencil_of,
                                             bool transposed) const {
  const Shape shape = x.shape;
  if (shape.c != channels())
    throw std::invalid_argument(std::string(type()) + ": " + std::to_string(shape.c) + " channels given, has " +
                                std::to_string(channels()));
  if (grid_.padding == Padding::reflect && (shape.h <= grid_.scale || shape.w <= grid_.scale))
    throw std::invalid_argument(std::string(type()) + ": a lattice of " + std::to_string(shape.h) + " x " +
                                std::to_string(shape.w) + " is too small for REFLECT");
  const auto stencils = make_stencils<T>(grid_.padding, grid_.scale, grid_.smoothing, grid_.dx, true);
  reaction::Pass<T> s{};
  s.n = shape.n, s.h = shape.h, s.w = shape.w;
  s.padding = int(grid_.padding);
  s.fold = transposed && grid_.padding == Padding::reflect;
  s.p = at.params, s.x = x.data;
  if (grid_.scale == 1) {
    s.corner = stencils.lap[0], s.edge = stencils.lap[1], s.centre = stencils.lap[4];
    return s;
  }
  T* lap = at.workspace->template get<T>(at.exec, "pde.reaction.lap", shape.size());
  if (transposed)
    laplacian_adjoint<T>(at.exec, stencils, {stencil_of, shape}, {lap, shape});
  else
    laplacian<T>(at.exec, stencils, {stencil_of, shape}, {lap, shape});
  s.lap = lap;
  return s;
}

namespace reaction {
template <class T>
static void dispatch(const Exec& exec, int model, Kind kind, const Pass<T>& pass, T* params_bar, Workspace& workspace) {
  MG_DISPATCH(exec, run<T>, model, kind, pass, params_bar, workspace);
}
}  // namespace reaction

template <class T>
void ReactionDiffusion<T>::rhs(const RhsContext<T>& at, ConstView<T> x, T* slope, const Combinations<T>& sums) const {
  auto s = pass(at, x, x.data, false);
  s.out = slope, s.sums = sums;
  reaction::dispatch<T>(at.exec, model_, reaction::Kind::value, s, nullptr, *at.workspace);
}

template <class T>
void ReactionDiffusion<T>::rhs_adjoint(const RhsContext<T>& at, ConstView<T> x, ConstView<T> slope_bar, T* x_bar,
                                       const Combinations<T>& sums, T* params_bar) const {
  auto s = pass(at, x, slope_bar.data, true);
  s.d = slope_bar.data, s.out = x_bar, s.sums = sums;
  reaction::dispatch<T>(at.exec, model_, reaction::Kind::adjoint, s, params_bar, *at.workspace);
}

template <class T>
void ReactionDiffusion<T>::rhs_tangent(const RhsContext<T>& at, ConstView<T> x, ConstView<T> x_dot,
                                       T* slope_dot) const {
  auto s = pass(at, x, x_dot.data, false);
  s.d = x_dot.data, s.out = slope_dot;
  reaction::dispatch<T>(at.exec, model_, reaction::Kind::tangent, s, nullptr, *at.workspace);
}

template class ReactionDiffusion<float>;
template class ReactionDiffusion<double>;

}  // namespace mg::pde
