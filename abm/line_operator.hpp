#pragma once
#include <span>
#include <vector>

#include "abm/assignment_cell.hpp"

namespace mg::abm {

/// A linear map along one axis of a lattice, row i: out[i] = sum_{start[i] <= k < start[i+1]} weight[k] in[index[k]].
/// Two-dimensional stencils that are products of two of these need no special case at walls, at lattices smaller than the
/// stencil, or in their adjoint: that is the transposed map.
template <class T>
struct LineOperator {
  std::vector<int> start;  // [n + 1]
  std::vector<int> index;
  std::vector<T> weight;
  int n() const { return int(start.size()) - 1; }
};

/// Correlation with `kernel` (2 r + 1 taps, tap r at offset 0) under the node map of `domain`.
template <class T>
LineOperator<T> correlation(Domain domain, int n, std::span<const double> kernel);
template <class T>
LineOperator<T> transposed(const LineOperator<T>& op);

/// Taps of the separable stencils, 2 r + 1 each.
struct LineKernels {
  std::vector<double> blur;        ///< normalised Gaussian of the field update
  std::vector<double> derivative;  ///< along the axis of the derivative: unit response to unit slope, odd
  std::vector<double> smooth;      ///< across it, sums to 1
};
/// @param blur_radius       0: no blur
/// @param derivative_sigma  0: [-1,0,1]/2 and [1,2,1]/4 (Sobel / 8); else derivative of a Gaussian of that width,
///                          a g(a) / sum a^2 g and g / sum g for |a| <= ceil(2 sigma)
LineKernels line_kernels(int blur_radius, double blur_sigma, double derivative_sigma);

/// The maps of one lattice: all six that a step and its adjoint need.
template <class T>
struct LatticeOperators {
  LineOperator<T> blur[2], derivative[2], smooth[2];               // [axis]
  LineOperator<T> derivative_transposed[2], smooth_transposed[2];  // [axis]
};
template <class T>
LatticeOperators<T> lattice_operators(Domain domain, int h, int w, const LineKernels& kernels);

}  // namespace mg::abm
