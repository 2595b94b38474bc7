#pragma once
#include <vector>

#include "core/config.hpp"
#include "core/schema.hpp"

namespace mg {

/// The kinds of lists of times a configuration can name (linspace, every, list), for Schema::variant.
Variants times_variants();

/// The times that a key of times_variants() describes, increasing; the first is when the state begins [model time].
/// @throws ConfigError for times that do not increase, with the place of the first that does not
std::vector<double> read_times(const Config& config);

}  // namespace mg
