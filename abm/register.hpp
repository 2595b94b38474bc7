#pragma once
#include "core/registry.hpp"
#include "core/system.hpp"

namespace mg::abm {

/// Adds the types "agents" and "physarum".
template <class T>
void register_systems(Registry<System<T>>& registry);

}  // namespace mg::abm
