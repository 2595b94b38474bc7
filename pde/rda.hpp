#pragma once
#include "core/config.hpp"
#include "core/schema.hpp"
#include "pde/neural_spec.hpp"

namespace mg::pde {

/// Keys of {"type": "rda"}: reaction-diffusion-advection with learned terms,
///   dx/dt = D(x) - V(x) + R(x)
///   R = tanh net(x) - k x^3, or P(x) - x K(x) - k x^3 with P, K = relu6 net;  V = G0 (v0 x) + G1 (v1 x), (v0, v1) = net(x)
///   D = sparse_plus(d) L x, or N(relu6 net(x), x), or their sum
/// on the stencils of scale 1; every net is one per cell on monomials of the channels (neural::Net).
/// @source the reference implementation
Schema rda_schema();

/// @throws ConfigError at the key that contradicts another; unknown terms say which was meant
NeuralSpec rda_spec(const Config& config);

}  // namespace mg::pde
