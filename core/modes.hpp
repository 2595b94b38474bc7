#pragma once
#include "core/buffer.hpp"
#include "core/padding.hpp"
#include "core/view.hpp"

// Real modes of the lattice that diagonalise every stencil that is even along both axes, as the Laplacians of
// core/stencil.hpp at scale 1 are: with theta_k, phi_l the angles of a mode and a = cos theta, b = cos phi,
//   smoothing 1: ((1 + a) (1 + b) - 4) / dx^2    smoothing 0: (2 a + 2 b - 4) / dx^2
// Per axis of n cells: CIRCULAR cos + sin (2 pi k j / n); REPLICATE cos(pi k (j + 1/2) / n); REFLECT cos(pi k j / (n - 1));
// ZEROS sin(pi (k + 1) (j + 1) / (n + 1)).
namespace mg {

/// z = Q W^(1/2) x with Q orthonormal, W = 1/2 on the rim of REFLECT (squared in its corners) and 1 elsewhere: the
/// stencils are symmetric in the inner product of W. `transposed`: W^(-1/2) instead, for the transposes of stencils.
/// @param x (n, c, h, w)   @param z (n, c, h, w) overwritten; no alias
template <class T>
void to_modes(const Exec& exec, Padding padding, ConstView<T> x, T* z, Workspace& workspace, bool transposed = false);
/// x = W^(-1/2) Q^T z, the inverse of to_modes with the same flag.
/// @param x  overwritten; no alias
template <class T>
void from_modes(const Exec& exec, Padding padding, const T* z, View<T> x, Workspace& workspace,
                bool transposed = false);

/// Cosines of the angles along both axes, where `exec` runs.
template <class T>
struct ModeCosines {
  const T *rows, *columns;  // [h], [w]
};
template <class T>
ModeCosines<T> mode_cosines(const Exec& exec, Padding padding, Shape shape, Workspace& workspace);

}  // namespace mg
