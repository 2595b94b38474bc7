#pragma once
#include <string>

#include "core/system.hpp"

namespace mg::apps {

/// Refuses, before anything is allocated, what the host's free memory cannot hold. `bytes` = what is about to be taken.
/// @throws DeviceError that says `what` takes how much and what is free
void require_memory(const std::string& what, double bytes);

/// Refuses pictures too large for anyone: more than 2^28 pixels. `tiles` = lattices in one picture, `zoom` = pixels per
/// cell. @throws Error (usage) with the largest --zoom that fits
void require_drawable(Grid grid, int tiles, int zoom);

}  // namespace mg::apps
