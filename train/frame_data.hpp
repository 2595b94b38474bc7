#pragma once
#include <vector>

#include "core/config.hpp"
#include "core/schema.hpp"
#include "train/augmenter.hpp"

namespace mg::train {

/// `schema` with the keys that all time series share: channels, rescale, stride, append_zeros, copies.
Schema with_frame_options(Schema schema);

/// Applies those keys in this order: picks channels, rescales, keeps every stride-th frame, appends channels of zeros,
/// copies. Smallest and largest value are taken over all trajectories and all of their frames, as the reference does.
/// @throws DataError naming trajectory, frame and cell of a value that is not finite; ConfigError
void apply_frame_options(const Config& config, std::vector<Trajectory>& data);

/// The variants "array" (.npy, .npz), "stack" (folders of PNG files) and "idx" (labelled pictures).
Variants frame_data_variants();
/// Reads what such a key names, apply_frame_options() included.
/// @throws DataError for files that do not fit, ConfigError for times that do not
std::vector<Trajectory> load_frame_data(const Config& config);

}  // namespace mg::train
