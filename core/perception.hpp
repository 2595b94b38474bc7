#pragma once
#include <vector>

#include "core/exec.hpp"
#include "core/padding.hpp"
#include "core/view.hpp"

namespace mg {

/// Which feature blocks a cell perceives, in this fixed order: ID, DIFF, GRAD (two blocks), AV, LAP.
struct PerceptionSpec {
  bool id = true, diff = false, grad = false, av = false, lap = true;
  Padding padding = Padding::circular;
  int scale = 1;                         ///< stencils are (2 scale + 1)^2
  int smoothing = 1;                     ///< 0 or 1; used at scale 1 only
  double dx = 1;                         ///< cell size [length]
  bool original_scaled_kernels = false;  ///< compat.scaled_kernels = "original" (scale >= 2 of the reference)

  int blocks() const { return int(id) + int(diff) + 2 * int(grad) + int(av) + int(lap); }
  int features(int channels) const { return blocks() * channels; }
  friend bool operator==(const PerceptionSpec&, const PerceptionSpec&) = default;
};

/// Features of every cell: p[n, block C + c] from channel c of x, block-major.
///   ID = x;  DIFF = sqrt((G0 x)^2 + (G1 x)^2);  GRAD = (G0 x, G1 x);  AV = A x;  LAP = L x
/// @param x  (n, c, h, w)
/// @param p  (n, spec.features(c), h, w) overwritten
/// @throws std::invalid_argument on unequal shapes, or a lattice too small for `reflect`
/// @source the reference implementation   @adjoint perceive_adjoint
template <class T>
void perceive(const Exec& exec, const PerceptionSpec& spec, ConstView<T> x, View<T> p);

/// Adjoint of perceive in gather form. DIFF at a zero gradient has derivative 0.
/// @param x      (n, c, h, w) forward input (read by DIFF only)
/// @param p_bar  (n, spec.features(c), h, w)
/// @param x_bar  (n, c, h, w) **accumulated**: x_bar += P^T p_bar
template <class T>
void perceive_adjoint(const Exec& exec, const PerceptionSpec& spec, ConstView<T> x, ConstView<T> p_bar, View<T> x_bar);

}  // namespace mg
