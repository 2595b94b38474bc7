#pragma once
#include "core/registry.hpp"
#include "pde/rhs.hpp"

namespace mg::pde {

/// Adds the types "rda" and "rdc".
template <class T>
void register_neural(Registry<Rhs<T>>& registry);

}  // namespace mg::pde
