#include "abm/ant_system.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/philox.hpp"

namespace mg::abm {

template <class T>
Layout AntSystem<T>::state_layout(Grid grid) const {
  if (!spec_.periodic && spec_.quirks.wall_signal && std::min(grid.h, grid.w) <= 2 * kWallWidth)
    throw std::invalid_argument("ants: the ramps of the wall signal need a lattice of more than " +
                                std::to_string(2 * kWallWidth) + " nodes a side, got " + std::to_string(grid.h) + "x" +
                                std::to_string(grid.w));
  Layout layout;
  layout.add("x", {spec_.agents, 2}).add("u", {spec_.agents, 2}).add("lattice", {spec_.channels, grid.h, grid.w});
  return layout;
}

template <class T>
void AntSystem<T>::initialise(std::uint64_t seed, std::span<T> params) const {
  RandomStream stream;
  stream.seed = seed;
  stream.purpose = RandomPurpose::init;
  for (const auto* chain : {&where_.trunk, &where_.deposit, &where_.speed, &where_.turn, &where_.velocity})
    for (const AntLayer& layer : *chain) {
      const double range = 1 / std::sqrt(double(layer.in));
      const auto draw = [&](std::size_t at) {
        return T(range * (2 * uniform01<double>(stream.words(std::uint32_t(at)).v[0]) - 1));
      };
      for (std::size_t i = 0; i < std::size_t(layer.in) * std::size_t(layer.out); ++i)
        params[layer.weight + i] = draw(layer.weight + i);
      for (int o = 0; layer.bias >= 0 && o < layer.out; ++o)
        params[std::size_t(layer.bias + o)] = draw(std::size_t(layer.bias + o));
    }
}

template class AntSystem<float>;
template class AntSystem<double>;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A quirk as a key: "preset", or one of the two ways by name.
struct QuirkKey {
  const char *name, *seed, *corrected, *doc;
  bool AntQuirks::*field;
};
constexpr QuirkKey kQuirks[] = {
    {"sense_frame", "mirrored", "heading", "slopes of the transposed block, or ahead and to the left of the heading",
     &AntQuirks::mirrored_frame},
    {"sense_gain", "raw", "unit", "plain sums and unnormalised stencils, or means and unit response to unit slope",
     &AntQuirks::raw_gains},
    {"sense_nonperiodic_shift", "shifted", "centred", "where the block of the slopes lies in a box with walls",
     &AntQuirks::shifted_slopes},
    {"deposit", "last_wins", "add", "of the agents on a node the last one sets it, or all add to it",
     &AntQuirks::last_deposit_wins},
    {"outside", "drop", "mirror", "beyond walls there is nothing, or the lattice mirrored", &AntQuirks::drop_outside},
    {"diffusion", "raw", "normalised", "normal densities that lose mass and see 0 outside, or a kernel of sum 1",
     &AntQuirks::raw_diffusion},
    {"lattice_clip", "unit", "none", "clip the lattice to [0, 1] (slime: never)", &AntQuirks::lattice_clip},
    {"turn_source", "agent0", "own", "whose turn every agent takes", &AntQuirks::turn_of_first},
    {"wall", "sticky", "mirror", "clip positions and flip velocities within 1/2 of a wall, or reflect",
     &AntQuirks::sticky_walls},
    {"wall_channel", "overwrite", "none", "a ramp towards the walls in the last channel", &AntQuirks::wall_signal}};

}  // namespace

Schema ant_schema() {
  Schema schema(
      "ants",
      "The neural agents of the reference implementation, with its quirks one by one; they stand on the nearest "
      "node, so that nothing but the move has a derivative by positions. \"agents\" is the model to train.");
  schema.choice("kind", "chemotaxis", {"slime", "chemotaxis", "wavelet"}, "what the agents sense and how they move")
      .integer("agents", 1000, {1, 1 << 26}, "number of agents")
      .integer("channels", 16, {1, 4096}, "channels of the lattice, and hidden units")
      .number("dt", 0.1, {0, kInfinity, true, true}, "length of a step")
      .number("sensor_angle", 0.6, {-kInfinity, kInfinity, true, true}, "angle of the outer sensors in radians (slime)")
      .number("sensor_length", 3, {0, 1e6}, "length of the sensor arms in nodes (slime)")
      .integer("length_scale", 2, {1, kMostAntRadius / 2}, "width of the wavelets in nodes")
      .integer("gaussian_blur", 0, {0, 64}, "radius of the diffusion stencil in nodes; 0: none")
      .number("decay_rate", 0.99, {0, 1}, "factor of the lattice at each step")
      .boolean("periodic", true, "torus, or box with walls")
      .choice("preset", "seed", {"seed", "corrected"},
              "what the keys below mean by preset: the reference, or repaired");
  for (const QuirkKey& q : kQuirks) schema.choice(q.name, "preset", {"preset", q.seed, q.corrected}, q.doc);
  return schema
      .choice("activation", "preset", {"preset", "relu", "tanh", "leaky_relu", "swish"},
              "nonlinearity of the hidden units: relu, or tanh")
      .choice("turn", "preset", {"preset", "hard_tanh", "tanh"}, "how turns saturate");
}

AntSpec ant_spec(const Config& c) {
  AntSpec s;
  const auto kind = c.get<std::string>("kind");
  s.kind = kind == "slime" ? AntKind::slime : kind == "wavelet" ? AntKind::wavelet : AntKind::chemotaxis;
  s.agents = c.get<int>("agents");
  s.channels = c.get<int>("channels");
  s.dt = c.get<double>("dt");
  s.sensor_angle = c.get<double>("sensor_angle");
  s.sensor_length = c.get<double>("sensor_length");
  s.length_scale = c.get<int>("length_scale");
  s.blur = c.get<int>("gaussian_blur");
  s.decay = c.get<double>("decay_rate");
  s.periodic = c.get<bool>("periodic");
  if (c.get<std::string>("preset") == "corrected") s.quirks = AntQuirks::none();
  for (const QuirkKey& q : kQuirks)
    if (const auto way = c.get<std::string>(q.name); way != "preset") s.quirks.*q.field = way == q.seed;
  if (const auto name = c.get<std::string>("activation"); name != "preset")
    for (std::size_t k = 0; k < std::size(kActivationNames); ++k)
      if (kActivationNames[k] == name) s.quirks.activation = Activation(k);
  if (const auto name = c.get<std::string>("turn"); name != "preset")
    s.quirks.turn = name == "tanh" ? TurnActivation::tanh : TurnActivation::hard_tanh;
  return s;
}

}  // namespace mg::abm
