#include "abm/register.hpp"

#include "abm/agent_system.hpp"

namespace mg::abm {

template <class T>
void register_systems(Registry<System<T>>& registry) {
  registry.add("agents", agent_schema(),
               [](const Config& config) { return std::make_unique<AgentSystem<T>>(agent_spec(config)); });
}

template void register_systems<float>(Registry<System<float>>&);
template void register_systems<double>(Registry<System<double>>&);

}  // namespace mg::abm
