#include "abm/agent_spec.hpp"

#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

namespace mg::abm {

int AgentSpec::agents() const { return std::accumulate(species.begin(), species.end(), 0); }

int AgentSpec::features() const {
  const int felt = sensing == Sensing::gradient ? 3 * channels : int(sensor_angles.size()) * channels;
  return felt + (sensing == Sensing::gradient && absolute_heading ? 2 : 0);
}

namespace {

void require(bool fine, const std::string& what) {
  if (!fine) throw std::invalid_argument("agents: " + what);
}

/// Appends the layers in -> widths... -> out; names `prefix`.L.weight and .bias.
std::vector<DenseLayer> add_layers(Layout& layout, std::size_t base, const std::string& prefix, int in,
                                   std::vector<int> widths, int out, bool bias) {
  if (out > 0) widths.push_back(out);
  std::vector<DenseLayer> layers;
  for (std::size_t l = 0; l < widths.size(); ++l) {
    DenseLayer layer{in, widths[l], layout.size() - base, -1};
    const std::string name = prefix + "." + std::to_string(l);
    layout.add(name + ".weight", {layer.out, layer.in});
    if (bias) {
      layer.bias = std::ptrdiff_t(layout.size() - base);
      layout.add(name + ".bias", {layer.out});
    }
    layers.push_back(layer);
    in = widths[l];
  }
  return layers;
}

}  // namespace

void check(const AgentSpec& s) {
  require(!s.species.empty(), "at least one species is needed");
  for (const int n : s.species) require(n >= 1, "every species needs at least one agent, got " + std::to_string(n));
  require(s.channels >= 1, "the lattice needs at least one channel, got " + std::to_string(s.channels));
  require(s.dt > 0 && std::isfinite(s.dt), "dt must be positive, got " + std::to_string(s.dt));
  require(s.derivative_sigma >= 0 && s.derivative_sigma <= 64, "derivative_sigma must be in [0, 64]");
  require(s.sensing == Sensing::gradient || !s.sensor_angles.empty(), "sensing by sensors needs at least one angle");
  require(s.sensor_length > 0, "sensor_length must be positive, got " + std::to_string(s.sensor_length));
  require(!s.hidden.empty(), "the policy needs at least one hidden layer");
  for (const auto* widths : {&s.hidden, &s.head_hidden})
    for (const int n : *widths) require(n >= 1, "hidden layers need at least one unit, got " + std::to_string(n));
  require(s.max_speed > 0 && s.max_turn > 0, "max_speed and max_turn must be positive");
  require(s.blur_radius >= 0 && s.blur_radius <= 64, "blur_radius must be in [0, 64]");
  require(s.blur_radius == 0 || s.blur_sigma > 0, "blur_sigma must be positive");
  require(s.decay > 0 && s.decay < 1 && s.blend > 0 && s.blend < 1, "decay and blend must lie inside (0, 1)");
  require(!s.noise || (s.rotation_noise > 0 && s.translation_noise > 0),
          "rotation_noise and translation_noise must be positive: without noise, switch it off");
}

AgentParams agent_params(const AgentSpec& s) {
  check(s);
  AgentParams p;
  for (std::size_t k = 0; k < s.species.size(); ++k) {
    const std::size_t base = p.layout.size();
    const std::string name = "species" + std::to_string(k);
    const int trunk = s.hidden.back();
    p.trunk = add_layers(p.layout, base, name + ".trunk", s.features(), s.hidden, 0, true);
    p.deposit = add_layers(p.layout, base, name + ".deposit", trunk, s.head_hidden, s.channels, true);
    p.speed = add_layers(p.layout, base, name + ".speed", trunk, s.head_hidden, 1, false);
    p.turn = add_layers(p.layout, base, name + ".turn", trunk, s.head_hidden, 1, false);
    if (s.sensing == Sensing::sensors) {
      p.sensor_length = p.layout.size() - base;
      p.layout.add(name + ".sensor.length", {1});
      p.sensor_angles = p.layout.size() - base;
      p.layout.add(name + ".sensor.angles", {int(s.sensor_angles.size())});
    }
    p.policy_size = p.layout.size() - base;
  }
  p.decay = p.layout.size();
  p.layout.add("field.decay", {s.channels});
  p.blend = p.layout.size();
  p.layout.add("field.blend", {s.channels});
  if (s.noise) {
    p.rotation_noise = p.layout.size();
    p.layout.add("noise.rotation", {1});
    p.translation_noise = p.layout.size();
    p.layout.add("noise.translation", {1});
  }
  return p;
}

}  // namespace mg::abm
