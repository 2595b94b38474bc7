#include "nca/nca_spec.hpp"

#include <stdexcept>
#include <string>

namespace mg::nca {

void check(const NcaSpec& spec) {
  const auto require = [](bool good, const std::string& what) {
    if (!good) throw std::invalid_argument("NCA: " + what);
  };
  const std::string channels = std::to_string(spec.channels) + " channels";
  require(spec.channels >= 1, channels);
  require(spec.perception.blocks() >= 1, "it perceives nothing: no kernel is chosen");
  require(spec.hidden >= 0, "a hidden width of " + std::to_string(spec.hidden));
  require(spec.fire_rate > 0 && spec.fire_rate <= 1, "fire rate outside (0, 1]: " + std::to_string(spec.fire_rate));
  require(!spec.alive || (spec.alive_channel >= 0 && spec.alive_channel < spec.channels),
          "alive channel " + std::to_string(spec.alive_channel) + " of " + channels);
  require(spec.boundary != Boundary::soft || (spec.boundary_channels >= 1 && spec.boundary_channels < spec.channels),
          "a soft boundary of " + std::to_string(spec.boundary_channels) + " channels in a state of " + channels +
              " (it must leave one free)");
}

Layout nca_param_layout(const NcaSpec& spec) {
  Layout layout;
  layout.add("hidden.weight", {spec.hidden_width(), spec.features()});
  if (spec.hidden_bias) layout.add("hidden.bias", {spec.hidden_width()});
  layout.add("output.weight", {spec.outputs(), spec.hidden_width()});
  if (spec.output_bias) layout.add("output.bias", {spec.outputs()});
  return layout;
}

}  // namespace mg::nca
