#include "nca/register.hpp"

#include "nca/nca_system.hpp"
#include "nca/variant_system.hpp"

namespace mg::nca {

template <class T>
void register_systems(Registry<System<T>>& registry) {
  for (const bool gated : {false, true})
    registry.add(gated ? "gnca" : "nca", nca_schema(),
                 [gated](const Config& config) { return std::make_unique<NcaSystem<T>>(nca_spec(config, gated)); });
  for (const auto& [type, schema] : variant_schemas())
    registry.add(type, schema, [](const Config& config) {
      return std::make_unique<VariantSystem<T>>(config.type(), variant_spec(config));
    });
}

template void register_systems<float>(Registry<System<float>>&);
template void register_systems<double>(Registry<System<double>>&);

}  // namespace mg::nca
