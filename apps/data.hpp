#pragma once
#include <vector>

#include "core/config.hpp"
#include "core/schema.hpp"
#include "core/system.hpp"
#include "train/augmenter.hpp"

namespace mg::apps {

/// The kinds of data of train/ and "simulate": frames that another model of the same configuration makes.
Variants data_variants();

/// Reads or simulates what "data" names, on the backend of `exec`.
/// @throws DataError, ConfigError, DivergedError when a simulation does not reach its last time
std::vector<train::Trajectory> load_data(const Config& config, const Exec& exec);

/// The start state of one sample that "start" describes, as `system` takes it; conditions are zeros.
template <class T>
struct StartState {
  Grid grid;
  std::vector<T> state, conditions;
};
template <class T>
StartState<T> configured_start(const Config& start, const System<T>& system, std::uint64_t seed, int sample);

}  // namespace mg::apps
