#pragma once
#include "core/registry.hpp"
#include "core/system.hpp"

namespace mg::nca {

/// Adds the types "nca" and "gnca" and those of variant_schemas().
template <class T>
void register_systems(Registry<System<T>>& registry);

}  // namespace mg::nca
