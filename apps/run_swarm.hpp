#pragma once
#include <string>
#include <vector>

#include "apps/model.hpp"

namespace mg::apps {

struct RunSwarmOptions {
  std::vector<std::string> outputs;  ///< .png, .gif or .npz
  std::string size;                  ///< lattice of a model without data
  int steps = 200, every = 0, zoom = 0, sample = 0;
};

/// Whether the model is a swarm of agents.
bool runs_swarm(const ModelSource& source);

/// `morphogen run` of a swarm: starts inside the ink of the data's first frame, or anywhere on a lattice of `size` (128 by
/// default); pictures with agents over the lattice, numbers as npz, a report on stdout.
int run_swarm(const RunSwarmOptions& options, const GlobalOptions& global, const ModelSource& source);

}  // namespace mg::apps
