#pragma once
#include "core/registry.hpp"
#include "pde/rhs.hpp"
#include "pde/solver.hpp"

namespace mg::pde {

/// Adds every right-hand side under its own type; each family has its register_... function, called here.
template <class T>
void register_rhs(Registry<Rhs<T>>& registry);

/// Adds every solver under its own type.
template <class T>
void register_solvers(Registry<Solver<T>>& registry);

/// Adds every right-hand side as a System: its own keys, and "solver" (a variant of register_solvers, Heun by default).
template <class T>
void register_systems(Registry<System<T>>& registry);

}  // namespace mg::pde
