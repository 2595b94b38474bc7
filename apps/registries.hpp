#pragma once
#include "core/registry.hpp"
#include "core/system.hpp"
#include "train/augmenter.hpp"

namespace mg::apps {

/// Everything that a configuration can name, for one precision. Modules add theirs in the one place below.
template <class T>
struct Registries {
  Registry<System<T>> systems;
  Registry<train::Augmenter<T>, const train::AugmenterInputs<T>&> augmenters;
};

/// Filled at the first call. T is float or double.
template <class T>
const Registries<T>& registries();

/// Whether a model of that type has a solver, and with it a time of its own: it needs times, and its frames are fields.
bool has_solver(const std::string& model_type);

/// Whether a model of that type is one of agents: its state is a swarm, its start are positions.
bool models_agents(const std::string& model_type);

}  // namespace mg::apps
