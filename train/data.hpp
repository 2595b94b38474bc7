#pragma once
#include <vector>

#include "core/config.hpp"
#include "core/schema.hpp"
#include "train/augmenter.hpp"

namespace mg::train {

/// The kinds of data a configuration can name, for Schema::variant.
Variants data_variants();

/// Reads what "data" names: every trajectory in order, repeated `copies` times, with its seed frame, padding and mask.
/// @throws DataError naming the file and the remedy; ConfigError for contradictions
std::vector<Trajectory> load_data(const Config& config);

}  // namespace mg::train
