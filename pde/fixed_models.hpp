#pragma once
#include "core/registry.hpp"
#include "pde/rhs.hpp"

namespace mg::pde {

/// Adds the models with known equations, each under its own type: the reactions of pde/reaction_cell.hpp.
template <class T>
void register_fixed_models(Registry<Rhs<T>>& registry);

}  // namespace mg::pde
