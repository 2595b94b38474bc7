#include "pde/medium.hpp"

#include <algorithm>
#include <stdexcept>

#include "core/stencil.hpp"
#include "pde/cells_run.hpp"

namespace mg::pde {

template <class T>
static void run(const RhsContext<T>& at, int n, int h, int w, const auto& op) {
  MG_DISPATCH(at.exec, run_cells, n, h, w, op, static_cast<T*>(nullptr), *at.workspace);
}

template <class T>
Medium<T>::Medium(const GridSpec& spec, int fields, int intermediates, Layout& layout) : spec_(spec) {
  first_param_ = layout.size();
  for (const BoundarySpec& b : spec.boundary) {
    const int param = b.trainable ? int(first_param_ + values_.size()) : -1;
    if (b.trainable) values_.push_back(T(b.g));
    const double inner = b.b / spec.dx - b.a / 2, outer = b.b / spec.dx + b.a / 2;
    if (outer == 0) throw std::invalid_argument("boundary: a / 2 + b / dx is 0, which fixes nothing");
    for (int s = 0; s < kSides; ++s)
      if (b.sides[s]) side_[b.field][s] = {true, T(inner / outer), T(1 / outer), T(b.g), param};
  }
  for (int k = fields; k < fields + intermediates; ++k)
    for (int s = 0; s < kSides; ++s)
      if (side_[0][s].valued && !side_[k][s].valued) side_[k][s] = {true, 1, 0, 0, -1};
  if (!values_.empty()) layout.add("boundary", {int(values_.size())});
}

template <class T>
Layout Medium<T>::condition_layout(Grid grid) const {
  Layout layout;
  if (spec_.obstacles != Obstacles::none) layout.add("obstacle", {1, grid.h, grid.w});
  return layout;
}

template <class T>
void Medium<T>::initialise(std::span<T> params) const {
  std::copy(values_.begin(), values_.end(), params.begin() + std::ptrdiff_t(first_param_));
}

template <class T>
void Medium<T>::require(std::string_view type, Shape shape, int channels) const {
  if (shape.c != channels)
    throw std::invalid_argument(std::string(type) + ": " + std::to_string(shape.c) + " channels given, has " +
                                std::to_string(channels));
  if (spec_.padding == Padding::reflect && (shape.h <= spec_.scale || shape.w <= spec_.scale))
    throw std::invalid_argument(std::string(type) + ": a lattice of " + std::to_string(shape.h) + " x " +
                                std::to_string(shape.w) + " is too small for REFLECT");
}

template <class T>
StageTaps<T> Medium<T>::taps() const {
  const auto set = make_stencils<T>(spec_.padding, 1, spec_.smoothing, spec_.dx);
  return {set.grad0[2], set.grad0[5], set.lap[0], set.lap[1], set.lap[4]};
}

template <class T>
Surroundings<T> Medium<T>::around(Shape shape) const {
  Surroundings<T> s;
  s.h = shape.h, s.w = shape.w, s.padding = spec_.padding;
  std::copy(&side_[0][0], &side_[0][0] + kMaxHaloFields * kSides, &s.side[0][0]);
  return s;
}

template <class T>
void Medium<T>::fill(const RhsContext<T>& at, ConstView<T> x, int first, int planes, T* z, bool linear) const {
  const Shape s = x.shape;
  run<T>(at, s.n, s.h + 2, s.w + 2,
         FillHalo<T>{around(s), linear ? nullptr : at.params, x.data, z, s.c, first, planes});
}

template <class T>
void Medium<T>::fold(const RhsContext<T>& at, Shape shape, int first, int planes, const T* z_bar, T* x_bar,
                     const Combinations<T>& sums) const {
  run<T>(at, shape.n, shape.h, shape.w, FoldHalo<T>{around(shape), z_bar, x_bar, sums, shape.c, first, planes});
}

template <class T>
void Medium<T>::side_bars(const RhsContext<T>& at, Shape shape, int planes, const T* z_bar, const T* diffusion,
                          T* params_bar) const {
  if (spec_.boundary.empty() || params_bar == nullptr) return;
  const SideBar<T> op{around(shape), z_bar, shape.n, planes};
  MG_DISPATCH(at.exec, add_side_bars, op, planes, diffusion, params_bar, *at.workspace);
}

template <class T>
const T* Medium<T>::open(const RhsContext<T>& at, Shape shape) const {
  if (spec_.obstacles == Obstacles::none) return nullptr;
  if (at.conditions.data == nullptr || at.conditions.batch != shape.n || !at.conditions.layout->contains("obstacle"))
    throw std::invalid_argument("obstacles: the condition \"obstacle\" (1, h, w) is missing");
  const T* obstacle = at.conditions.data + std::size_t(shape.n) * at.conditions.layout->at("obstacle").offset;
  T* open = at.workspace->template get<T>(at.exec, "pde.open", std::size_t(shape.n) * (shape.h + 2) * (shape.w + 2));
  run<T>(at, shape.n, shape.h + 2, shape.w + 2, FillOpen<T>{around(shape), obstacle, open});
  return open;
}

template class Medium<float>;
template class Medium<double>;

}  // namespace mg::pde
