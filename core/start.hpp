#pragma once
#include <cstdint>
#include <vector>

#include "core/config.hpp"
#include "core/schema.hpp"
#include "core/system.hpp"

namespace mg {

/// The kinds of start states a configuration can name (layers, array), for Schema::variant.
Variants start_variants();

/// The lattice of a key of start_variants(), and how many samples it describes.
Grid start_grid(const Config& config);
int start_samples(const Config& config);

/// The obstacles of a key of start_variants(): (h, w), 1 in obstacles and 0 elsewhere; empty when it names none.
std::vector<double> make_obstacles(const Config& config);

/// Start state (channels, h, w) of one sample: layers are applied in order to a state of zeros. Random layers draw from
/// Philox with the key `seed` and a counter of layer, channel, cell and sample: the same numbers everywhere.
/// @param sample  0 <= sample; arrays of fewer samples repeat
/// @throws ConfigError for a channel that the model does not have or sizes that do not fit, DataError for files
std::vector<double> make_start_state(const Config& config, int channels, std::uint64_t seed, int sample);

}  // namespace mg
