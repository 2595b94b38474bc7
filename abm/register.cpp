#include "abm/register.hpp"

#include "abm/agent_system.hpp"
#include "abm/ant_system.hpp"
#include "abm/physarum.hpp"
#include "abm/slime_demo.hpp"

namespace mg::abm {

template <class T>
void register_systems(Registry<System<T>>& registry) {
  registry.add("agents", agent_schema(),
               [](const Config& config) { return std::make_unique<AgentSystem<T>>(agent_spec(config)); });
  registry.add("ants", ant_schema(),
               [](const Config& config) { return std::make_unique<AntSystem<T>>(ant_spec(config)); });
  registry.add("physarum", physarum_schema(),
               [](const Config& config) { return std::make_unique<PhysarumSystem<T>>(physarum_spec(config)); });
  registry.add("slime_demo", slime_demo_schema(),
               [](const Config& config) { return std::make_unique<SlimeDemoSystem<T>>(slime_demo_spec(config)); });
}

template void register_systems<float>(Registry<System<float>>&);
template void register_systems<double>(Registry<System<double>>&);

}  // namespace mg::abm
