#include "pde/register.hpp"

#include "pde/explicit_rk.hpp"
#include "pde/fixed_models.hpp"
#include "pde/fluids.hpp"
#include "pde/image_classifier.hpp"
#include "pde/kvaerno3.hpp"
#include "pde/modal_solver.hpp"
#include "pde/neural.hpp"
#include "pde/pde_system.hpp"
#include "pde/stabilised.hpp"

namespace mg::pde {

template <class T>
void register_rhs(Registry<Rhs<T>>& registry) {
  register_fixed_models(registry);
  register_neural(registry);
  register_fluids(registry);
}

template <class T>
void register_solvers(Registry<Solver<T>>& registry) {
  register_explicit(registry);
  register_stabilised(registry);
  register_modal(registry);
  register_implicit(registry);
}

template <class T>
void register_systems(Registry<System<T>>& registry) {
  register_fluid_systems(registry);
  const auto equations = std::make_shared<Registry<Rhs<T>>>();
  const auto solvers = std::make_shared<Registry<Solver<T>>>();
  register_rhs(*equations);
  register_solvers(*solvers);
  const auto make = [equations, solvers](const Config& config) {
    return std::make_unique<PdeSystem<T>>(equations->create(config), solvers->create(config.at("solver")));
  };
  Variants learned;
  for (auto& [name, schema] : equations->variants()) {
    schema.variant("solver", solvers->variants(), "heun", "how it is solved in time");
    if (name == "rda" || name == "rdc") learned.emplace_back(name, schema);
    registry.add(name, std::move(schema), make);
  }
  register_image_classifier<T>(registry, learned, make);
}

template void register_rhs(Registry<Rhs<float>>&);
template void register_rhs(Registry<Rhs<double>>&);
template void register_solvers(Registry<Solver<float>>&);
template void register_solvers(Registry<Solver<double>>&);
template void register_systems(Registry<System<float>>&);
template void register_systems(Registry<System<double>>&);

}  // namespace mg::pde
