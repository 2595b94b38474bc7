#pragma once
#include <memory>
#include <string>

#include "core/buffer.hpp"
#include "core/registry.hpp"
#include "core/view.hpp"

namespace mg::train {

/// A distance between prediction x and target y, one number per sample. @source spec common 7
template <class T>
class Loss {
 public:
  virtual ~Loss() = default;
  /// losses[n] = loss(x[n], y[n]), overwritten.
  /// @param x, y  (n, c, h, w)
  /// @param mask  0/1, (n, c, 1, 1) or (n, c, h, w): only included elements count; null data = all. An entirely masked sample
  ///              has loss 0 and gradient 0
  virtual void value(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, T* losses,
                     Workspace& workspace) const = 0;
  /// x_bar += losses_bar[n] d loss_n / d x (accumulated; the same arguments as value()).
  virtual void adjoint(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, const T* losses_bar,
                       View<T> x_bar, Workspace& workspace) const = 0;
};

/// l1, l2, euclidean, cosine, spectral, spectral_full. Explicit registration, called by apps and tests.
template <class T>
void register_losses(Registry<Loss<T>>& registry);

}  // namespace mg::train
