#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/schema.hpp"

namespace mg::apps {

/// The config key "sweep".
Variants sweep_variants();

/// Number of points of a sweep. @throws ConfigError
std::int64_t sweep_size(const Config& sweep);

/// The overrides ("path=value", as for --set) of point `index`. In a product the last axis varies fastest.
/// @throws ConfigError beyond the last point
std::vector<std::string> sweep_point(const Config& sweep, std::int64_t index);

/// Points of one of several workers: worker, worker + workers, worker + 2 workers, ...
/// @source the reference implementation
std::vector<std::int64_t> worker_points(std::int64_t points, std::int64_t worker, std::int64_t workers);

/// "0007"
std::string point_name(std::int64_t index);

}  // namespace mg::apps
