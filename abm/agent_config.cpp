#include <algorithm>
#include <limits>

#include "abm/agent_system.hpp"

namespace mg::abm {
namespace {

constexpr std::string_view kAssignments[] = {"ngp", "cic", "tsc"};
constexpr std::string_view kDomains[] = {"periodic", "mirror"};
constexpr std::string_view kSensing[] = {"gradient", "sensors"};
constexpr std::string_view kDeposits[] = {"linear", "softplus"};
constexpr std::string_view kTurns[] = {"tanh", "hard_tanh"};
constexpr std::string_view kFields[] = {"identity", "soft_saturation", "softplus"};

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr NumberRange kPositive = {0, kInfinity, true, true};
constexpr NumberRange kFraction = {0, 1, true, true};

template <std::size_t N>
std::vector<std::string> words(const std::string_view (&names)[N]) {
  return {std::begin(names), std::end(names)};
}
template <class E, std::size_t N>
E choice(const Config& config, const char* key, const std::string_view (&names)[N]) {
  return E(std::find(std::begin(names), std::end(names), config.get<std::string>(key)) - std::begin(names));
}

}  // namespace

Schema agent_schema() {
  return Schema("agents",
                "Agents that move over a lattice of signals: every agent feels the lattice, a network of its species "
                "decides how fast it moves, how it turns and what it deposits; the lattice diffuses and decays.")
      .list("species", element::integer({1, 1 << 26}), nlohmann::json{1000}, "agents of every species", 1, 64)
      .integer("channels", 1, {1, 4096}, "channels of the lattice")
      .number("dt", 1.0, kPositive, "length of a step")
      .choice("assignment", "tsc", words(kAssignments),
              "how agents meet the nodes: nearest (no gradient), linear or quadratic weights")
      .choice("domain", "periodic", words(kDomains), "torus, or box with reflecting walls")
      .choice("sensing", "gradient", words(kSensing),
              "what an agent feels: value and slopes, or the tips of sensor arms")
      .number("derivative_sigma", 0.0, {0, 64}, "width of the slope stencil in nodes; 0: 3x3")
      .boolean("absolute_heading", false, "the heading is a feature too (breaks the symmetry under rotations)")
      .number("sensor_length", 3.0, kPositive, "initial length of the sensor arms in nodes")
      .list("sensor_angles", element::number({-kInfinity, kInfinity, true, true}), nlohmann::json{0.0, 0.6, -0.6},
            "initial angles of the sensor arms to the heading in radians", 1, 64)
      .list("hidden", element::integer({1, 4096}), nlohmann::json{16}, "widths of the layers that the heads share", 1,
            16)
      .list("head_hidden", element::integer({1, 4096}), nlohmann::json{16}, "widths of the layers inside each head", 0,
            16)
      .choice("activation", "tanh", {std::begin(kActivationNames), std::end(kActivationNames)},
              "nonlinearity of the hidden layers")
      .choice("deposit", "linear", words(kDeposits), "sign of deposits: any, or positive only")
      .choice("turn", "tanh", words(kTurns), "how the turn saturates")
      .number("max_speed", 1.0, kPositive, "nodes per unit of time")
      .number("max_turn", 1.0, kPositive, "radians per unit of time")
      .boolean("renormalise", true, "brings every heading back to length 1 at each step")
      .choice("field", "identity", words(kFields), "nonlinearity of the lattice after deposits")
      .integer("blur_radius", 1, {0, 64}, "radius of the diffusion stencil in nodes; 0: none")
      .number("blur_sigma", 1.0, kPositive, "width of the diffusion stencil in nodes")
      .number("decay", 0.96, kFraction, "initial factor of the lattice per step")
      .number("blend", 0.1, kFraction, "initial share of the blurred lattice per step")
      .boolean("noise", false, "random turns and displacements")
      .number("rotation_noise", 0.1, kPositive, "initial rotational diffusion, radians^2 per unit of time")
      .number("translation_noise", 0.05, kPositive, "initial translational diffusion, nodes^2 per unit of time");
}

AgentSpec agent_spec(const Config& c) {
  AgentSpec s;
  s.species = c.get<std::vector<int>>("species");
  s.channels = c.get<int>("channels");
  s.dt = c.get<double>("dt");
  s.assignment = choice<Assignment>(c, "assignment", kAssignments);
  s.domain = choice<Domain>(c, "domain", kDomains);
  s.sensing = choice<Sensing>(c, "sensing", kSensing);
  s.derivative_sigma = c.get<double>("derivative_sigma");
  s.absolute_heading = c.get<bool>("absolute_heading");
  s.sensor_length = c.get<double>("sensor_length");
  s.sensor_angles = c.get<std::vector<double>>("sensor_angles");
  s.hidden = c.get<std::vector<int>>("hidden");
  s.head_hidden = c.get<std::vector<int>>("head_hidden");
  s.activation = choice<Activation>(c, "activation", kActivationNames);
  s.deposit = choice<DepositActivation>(c, "deposit", kDeposits);
  s.turn = choice<TurnActivation>(c, "turn", kTurns);
  s.max_speed = c.get<double>("max_speed");
  s.max_turn = c.get<double>("max_turn");
  s.renormalise = c.get<bool>("renormalise");
  s.field = choice<FieldActivation>(c, "field", kFields);
  s.blur_radius = c.get<int>("blur_radius");
  s.blur_sigma = c.get<double>("blur_sigma");
  s.decay = c.get<double>("decay");
  s.blend = c.get<double>("blend");
  s.noise = c.get<bool>("noise");
  s.rotation_noise = c.get<double>("rotation_noise");
  s.translation_noise = c.get<double>("translation_noise");
  if (s.assignment == Assignment::ngp)
    c.fail("assignment", "ngp has no gradient with respect to positions; take cic or tsc");
  return s;
}

}  // namespace mg::abm
