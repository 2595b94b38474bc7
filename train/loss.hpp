#pragma once
#include <memory>
#include <string>

#include "core/buffer.hpp"
#include "core/view.hpp"

namespace mg::train {

/// A distance between prediction x and target y, one number per sample. A NaN loss counts as 0 and an infinite one as
/// the largest finite number; their derivative is 0, so look for NaN in the state itself.
/// @source the reference implementation
template <class T>
class Loss {
 public:
  virtual ~Loss() = default;
  /// losses[n] = loss(x[n], y[n]), overwritten.
  /// @param x, y  (n, c, h, w)
  /// @param mask  0/1, (n, c, 1, 1) or (n, c, h, w): only included elements count; null data = all. An entirely masked
  ///              sample has loss 0 and gradient 0
  /// @throws std::invalid_argument on unequal shapes
  virtual void value(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, T* losses,
                     Workspace& workspace) const = 0;
  /// x_bar += losses_bar[n] d loss_n / d x (accumulated; the same arguments as value()).
  virtual void adjoint(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, const T* losses_bar,
                       View<T> x_bar, Workspace& workspace) const = 0;
};

/// What a loss may be told besides its name.
struct LossOptions {
  LossOptions(bool reference_form = false) : compat(reference_form) {}
  bool compat;  ///< the form of the reference where the two differ (cosine, spectral_full)
  int projections = 64, patch = 5, levels = 1;  ///< of sliced_wasserstein
};

/// Whether the loss of that name (see make_loss) transforms its fields: on the host that needs core/fft.hpp's library.
inline bool needs_fft(std::string_view loss) { return loss.starts_with("spectral"); }

/// The losses by name; means and sums run over what the mask counts (m elements), <.,.> over one sample:
///   l1             mean |x - y|                       derivative 0 at x = y
///   l2             mean (x - y)^2
///   euclidean      sqrt(mean (x - y)^2)               derivative 0 where the loss is 0
///   cosine         -<x, y> / (|x| |y|)                0 with derivative 0 when either is 0
///                  compat: -<x, y> / (m |x| |y|) with norms over all samples, masked or not
///   spectral       mean (|X| - |Y|)^2, X = rfft2(x)   derivative 0 where X = 0
///   spectral_full  mean |X - Y|^2
///                  compat: |mean (X - Y)^2|, the complex square; derivative 0 where that mean is 0
///   sliced_wasserstein  see train/sliced_loss.hpp; takes no mask
/// The mean of a spectral loss runs over the half plane (h, w / 2 + 1), unweighted; its mask must be (n, c, 1, 1).
/// @throws std::invalid_argument for an unknown name
/// @source the reference implementation
template <class T>
std::unique_ptr<Loss<T>> make_loss(const std::string& name, const LossOptions& options = {});

}  // namespace mg::train
