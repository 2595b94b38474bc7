#include "pde/neural.hpp"

#include "pde/neural_rhs.hpp"
#include "pde/rda.hpp"
#include "pde/rdc.hpp"

namespace mg::pde {

template <class T>
void register_neural(Registry<Rhs<T>>& registry) {
  registry.add("rda", rda_schema(),
               [](const Config& config) { return std::make_unique<NeuralRhs<T>>(rda_spec(config)); });
  registry.add("rdc", rdc_schema(),
               [](const Config& config) { return std::make_unique<NeuralRhs<T>>(rdc_spec(config)); });
}
template void register_neural(Registry<Rhs<float>>&);
template void register_neural(Registry<Rhs<double>>&);

}  // namespace mg::pde
