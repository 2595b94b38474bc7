#include "train/feature_loss.hpp"

#include <stdexcept>
#include <string>
#include <utility>

#include "train/image_cell.hpp"
#include "train/plane_ops_host.hpp"

namespace mg::train {

template <class T>
FeatureLoss<T>::FeatureLoss(std::unique_ptr<Loss<T>> base, int observed, std::optional<PerceptionSpec> perception,
                            double grad_weight)
    : base_(std::move(base)), observed_(observed), perception_(std::move(perception)), grad_weight_(grad_weight) {
  if (observed < 1) throw std::invalid_argument("FeatureLoss: needs at least one observed channel");
  if (perception_ && perception_->blocks() == 0) throw std::invalid_argument("FeatureLoss: nothing to perceive");
}

template <class T>
void FeatureLoss<T>::check(ConstView<T> x, ConstView<T> y, ConstView<T> mask) const {
  const Shape a = x.shape, b = y.shape, m = mask.shape;
  if (a.c < observed_ || b.c < observed_ || a.n != b.n || a.h != b.h || a.w != b.w)
    throw std::invalid_argument("FeatureLoss: prediction (" + std::to_string(a.n) + ", " + std::to_string(a.c) + ", " +
                                std::to_string(a.h) + ", " + std::to_string(a.w) + ") and target (" +
                                std::to_string(b.n) + ", " + std::to_string(b.c) + ", " + std::to_string(b.h) + ", " +
                                std::to_string(b.w) + ") must agree and have " + std::to_string(observed_) +
                                " observed channels");
  if (mask.data != nullptr && (m.n != a.n || m.c != observed_))
    throw std::invalid_argument("FeatureLoss: the mask has " + std::to_string(m.n) + " samples of " +
                                std::to_string(m.c) + " channels, expected " + std::to_string(a.n) + " of " +
                                std::to_string(observed_));
}

/// The observed channels of `field`, contiguous.
template <class T>
View<T> FeatureLoss<T>::observe(const Exec& exec, ConstView<T> field, const char* name, Workspace& workspace) const {
  const Shape shape{field.shape.n, observed_, field.shape.h, field.shape.w};
  const View<T> to{workspace.get<T>(exec, name, shape.size()), shape};
  for_plane_cells(exec, shape, GatherChannels<T>{field.data, to.data, shape.plane(), field.shape.c, observed_});
  return to;
}

template <class T>
void FeatureLoss<T>::scale(const Exec& exec, View<T> features) const {
  for_plane_cells(
      exec, features.shape,
      ScaleChannels<T>{features.data, features.shape.plane(), features.shape.c, observed_, T(grad_weight_)});
}

template <class T>
View<T> FeatureLoss<T>::perceived(const Exec& exec, ConstView<T> observed, const char* name,
                                  Workspace& workspace) const {
  Shape shape = observed.shape;
  shape.c = perception_->features(observed_);
  const View<T> p{workspace.get<T>(exec, name, shape.size()), shape};
  perceive<T>(exec, *perception_, observed, p);
  scale(exec, p);
  return p;
}

template <class T>
View<const T> FeatureLoss<T>::tiled(const Exec& exec, ConstView<T> mask, Workspace& workspace) const {
  if (mask.data == nullptr || !perception_) return mask;
  Shape shape = mask.shape;
  shape.c = perception_->features(observed_);
  T* to = workspace.get<T>(exec, "features.mask", shape.size());
  for_plane_cells(exec, shape, TileMask<T>{mask.data, to, shape.plane(), observed_, perception_->blocks()});
  return {to, shape};
}

template <class T>
void FeatureLoss<T>::value(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, T* losses,
                           Workspace& workspace) const {
  check(x, y, mask);
  View<T> a = observe(exec, x, "features.x", workspace), b = observe(exec, y, "features.y", workspace);
  if (perception_) {
    a = perceived(exec, a, "features.px", workspace);
    b = perceived(exec, b, "features.py", workspace);
  }
  base_->value(exec, a, b, tiled(exec, mask, workspace), losses, workspace);
}

template <class T>
void FeatureLoss<T>::adjoint(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, const T* losses_bar,
                             View<T> x_bar, Workspace& workspace) const {
  check(x, y, mask);
  const View<T> a = observe(exec, x, "features.x", workspace), b = observe(exec, y, "features.y", workspace);
  const View<T> a_bar{workspace.get<T>(exec, "features.x_bar", a.shape.size()), a.shape};
  zero_bytes(exec, a_bar.data, a.shape.size() * sizeof(T));
  const View<const T> counted = tiled(exec, mask, workspace);
  if (perception_) {
    const View<T> pa = perceived(exec, a, "features.px", workspace), pb = perceived(exec, b, "features.py", workspace);
    const View<T> p_bar{workspace.get<T>(exec, "features.p_bar", pa.shape.size()), pa.shape};
    zero_bytes(exec, p_bar.data, pa.shape.size() * sizeof(T));
    base_->adjoint(exec, pa, pb, counted, losses_bar, p_bar, workspace);
    scale(exec, p_bar);
    perceive_adjoint<T>(exec, *perception_, a, p_bar, a_bar);
  } else {
    base_->adjoint(exec, a, b, counted, losses_bar, a_bar, workspace);
  }
  const GatherChannels<T> gather{nullptr, nullptr, a.shape.plane(), x.shape.c, observed_};
  for_plane_cells(exec, a.shape, ScatterChannels<T>{gather, a_bar.data, x_bar.data});
}

template class FeatureLoss<float>;
template class FeatureLoss<double>;

}  // namespace mg::train
