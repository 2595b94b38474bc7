#pragma once
#include "core/config.hpp"
#include "core/schema.hpp"
#include "pde/neural_spec.hpp"

namespace mg::pde {

/// Keys of {"type": "rdc"}: reaction-diffusion-chemotaxis of cells c and signals s with learned terms,
///   c_i' = N(M_i, c_i) - sum_s [ K_is grad c_i . grad s + c_i (grad K_is . grad s + K_is L s) ] + R_i - k c_i^3
///   s'   = d_s L s + P_s - s Q_s - k s^3
/// with the networks M (motility), K (chemotaxis), R (reaction), P (production) and Q (decay) of one hidden layer.
/// @source the reference implementation
Schema rdc_schema();

/// @throws ConfigError at the key that contradicts another
NeuralSpec rdc_spec(const Config& config);

}  // namespace mg::pde
