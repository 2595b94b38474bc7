#pragma once
#include <memory>
#include <optional>

#include "core/perception.hpp"
#include "train/loss.hpp"

namespace mg::train {

/// Compares the observed channels of x and y, or what the model perceives of them. The features of a channel are the
/// blocks of core/perception; channels >= observed of the features (everything but the first block) count `grad_weight`:
///   loss(x, y) = base(g p(x[:observed]), g p(y[:observed])),  g = 1 for the first block, grad_weight for the others
/// The gradient norm (DIFF) has derivative 0 where it is 0. @source the reference implementation
template <class T>
class FeatureLoss final : public Loss<T> {
 public:
  /// @param perception  what to perceive; none = compare the channels themselves
  FeatureLoss(std::unique_ptr<Loss<T>> base, int observed, std::optional<PerceptionSpec> perception,
              double grad_weight = 0.1);

  /// @param x  (n, >= observed, h, w)   @param y  (n, >= observed, h, w)
  /// @param mask  (n, observed, 1, 1) or (n, observed, h, w): repeated for every block
  void value(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, T* losses,
             Workspace& workspace) const override;
  void adjoint(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, const T* losses_bar, View<T> x_bar,
               Workspace& workspace) const override;

 private:
  View<T> observe(const Exec& exec, ConstView<T> field, const char* name, Workspace& workspace) const;
  View<T> perceived(const Exec& exec, ConstView<T> observed, const char* name, Workspace& workspace) const;
  View<const T> tiled(const Exec& exec, ConstView<T> mask, Workspace& workspace) const;
  void scale(const Exec& exec, View<T> features) const;
  void check(ConstView<T> x, ConstView<T> y, ConstView<T> mask) const;

  std::unique_ptr<Loss<T>> base_;
  int observed_;
  std::optional<PerceptionSpec> perception_;
  double grad_weight_;
};

}  // namespace mg::train
