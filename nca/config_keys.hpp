#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/schema.hpp"
#include "nca/nca_spec.hpp"

// Keys that the configurations of all automata share, and what they mean.
namespace mg::nca {

/// "channels"; "kernels" with their default, unless there is none; "padding".
Schema& add_perception_keys(Schema& schema, bool kernels);
/// "hidden", and for a perceptron "activation", "hidden_bias", "output_bias".
Schema& add_network_keys(Schema& schema, bool perceptron);
/// "fire_rate", "fire_mask", and with `boundary` "boundary", "boundary_channels".
Schema& add_update_keys(Schema& schema, bool boundary);
/// "kernel_scale", "smoothing", "dx", "compat".
Schema& add_stencil_keys(Schema& schema);

/// What the keys above say, as far as the configuration has them.
/// @throws ConfigError
NcaSpec shared_spec(const Config& config, bool gated);

/// Position of `name` in `names`; the schema has checked that it is one of them.
template <std::size_t N>
int index_of(const std::string_view (&names)[N], const std::string& name) {
  return int(std::find(std::begin(names), std::end(names), name) - std::begin(names));
}
template <std::size_t N>
std::vector<std::string> words(const std::string_view (&names)[N]) {
  return {std::begin(names), std::end(names)};
}

}  // namespace mg::nca
