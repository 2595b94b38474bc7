#pragma once
#include "train/loss.hpp"

namespace mg::train {

/// Distance of the distributions of patches, wherever the patches lie. With the patches P_i(x) in R^(c p^2) of all cells
/// i of a lattice that wraps around, random unit vectors v_k that never change, and sorting over the cells:
///   loss = mean over levels l, k and ranks r of (sort_r <v_k, P(x_l)> - sort_r <v_k, P(y_l)>)^2
/// x_0 = x, x_{l+1} the means of blocks of 2 x 2 cells. The order of equal projections is that of their cells.
/// @source Bonneel et al., Sliced and Radon Wasserstein barycenters of measures, 2015; Heitz et al., A sliced Wasserstein
///   loss for neural texture synthesis, CVPR 2021 (there of features)
template <class T>
class SlicedLoss final : public Loss<T> {
 public:
  SlicedLoss(int projections, int patch, int levels) : projections_(projections), patch_(patch), levels_(levels) {}

  /// @throws std::invalid_argument when there is a mask, or the lattice cannot be halved so often
  /// @throws DeviceError on another backend than the host
  void value(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, T* losses,
             Workspace& workspace) const override;
  void adjoint(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, const T* losses_bar, View<T> x_bar,
               Workspace& workspace) const override;

 private:
  void check(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask) const;
  int projections_, patch_, levels_;
};

}  // namespace mg::train
