#pragma once
#include <string>
#include <string_view>

#include "pde/rhs.hpp"

namespace mg::pde {

/// The fastest rate of a right-hand side at a state, and what its mode looks like.
struct SpectralEstimate {
  double radius = 0;       ///< of dF/dx [1 / model time]; not finite where F is not
  int channel = 0;         ///< with the largest part of the mode
  double correlation = 0;  ///< of neighbouring cells in that channel: -1 a pattern of single cells, 1 uniform
  std::string_view term;   ///< "the reaction", "diffusion" or "transport"; empty unless asked for
};

/// Power iteration with the tangent of the right-hand side from a fixed start: the same state gives the same bits. An
/// estimate from below, by a few per cent after 20 iterations. Scratch: workspace "spectral". Waits for the device.
template <class T>
SpectralEstimate spectral_radius(const Rhs<T>& rhs, const RhsContext<T>& at, ConstView<T> x, int iterations = 20,
                                 bool want_term = false);

/// What is wrong with fixed steps of h, as a sentence naming the term and the rate that limit them; empty when nothing is.
/// @param limit  h radius that the scheme bears on the negative axis
template <class T>
std::string stability_complaint(const Rhs<T>& rhs, const RhsContext<T>& at, ConstView<T> x, std::string_view scheme,
                                double h, double limit);

}  // namespace mg::pde
