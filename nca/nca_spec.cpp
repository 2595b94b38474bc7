#include "nca/nca_spec.hpp"

#include <stdexcept>
#include <string>

namespace mg::nca {

// Every step checks its model, so the texts are made only where they are needed.
void check(const NcaSpec& spec) {
  const auto refuse = [](const std::string& what) { throw std::invalid_argument("NCA: " + what); };
  const auto channels = [&] { return std::to_string(spec.channels) + " channels"; };
  if (spec.channels < 1) refuse(channels());
  if (spec.perception.blocks() < 1) refuse("it perceives nothing: no kernel is chosen");
  if (spec.hidden < 0) refuse("a hidden width of " + std::to_string(spec.hidden));
  if (!(spec.fire_rate > 0 && spec.fire_rate <= 1))
    refuse("fire rate outside (0, 1]: " + std::to_string(spec.fire_rate));
  if (spec.alive && (spec.alive_channel < 0 || spec.alive_channel >= spec.channels))
    refuse("alive channel " + std::to_string(spec.alive_channel) + " of " + channels());
  if (spec.boundary == Boundary::soft && (spec.boundary_channels < 1 || spec.boundary_channels >= spec.channels))
    refuse("a soft boundary of " + std::to_string(spec.boundary_channels) + " channels in a state of " + channels() +
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
