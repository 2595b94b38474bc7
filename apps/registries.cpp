#include "apps/registries.hpp"

#include "abm/agents_in_medium.hpp"
#include "abm/register.hpp"
#include "nca/register.hpp"
#include "pde/register.hpp"

namespace mg::apps {

namespace {

template <class T>
Registries<T> filled() {
  Registries<T> all;
  nca::register_systems(all.systems);
  pde::register_systems(all.systems);
  abm::register_systems(all.systems);
  const auto media = std::make_shared<Registry<System<T>>>();
  nca::register_systems(*media);
  pde::register_systems(*media);
  abm::register_medium<T>(all.systems, media);
  train::register_augmenters(all.augmenters);
  return all;
}

}  // namespace

template <class T>
const Registries<T>& registries() {
  static const Registries<T> all = filled<T>();
  return all;
}

bool has_solver(const std::string& model_type) {
  for (const auto& [type, schema] : registries<float>().systems.variants())
    if (type == model_type) return schema.find("solver") != nullptr;
  return false;
}

bool models_agents(const std::string& model_type) {
  static const auto known = [] {
    Registry<System<float>> agents;
    abm::register_systems(agents);
    abm::register_medium<float>(agents, std::make_shared<Registry<System<float>>>());
    return agents.variants();
  }();
  for (const auto& [type, schema] : known)
    if (type == model_type) return true;
  return false;
}

template const Registries<float>& registries<float>();
template const Registries<double>& registries<double>();

}  // namespace mg::apps
