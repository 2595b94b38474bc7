#include "pde/rdc.hpp"

#include "pde/neural_config.hpp"

namespace mg::pde {
namespace {

using neural::LinearMap;
using neural::Role;

constexpr std::string_view kLinearMapNames[] = {"none", "sparse_plus", "softplus"};

}  // namespace

Schema rdc_schema() {
  const auto activations = names_of(kNetActivationNames);
  return Schema("rdc",
                "Reaction-diffusion-chemotaxis with learned terms: cell channels that move, follow gradients of signal "
                "channels and react; signals that diffuse, are made and decay.")
      .integer("cell_channels", 1, {1, 512}, "cell channels, the first ones")
      .integer("signal_channels", 1, {1, 512}, "signal channels, after the cells")
      .choice("padding", "CIRCULAR", names_of(kPaddingNames), "what lies outside the lattice")
      .number("dx", 1.0, {0, std::numeric_limits<double>::infinity(), true, true}, "cell size")
      .integer("smoothing", 1, {0, 1}, "1: smooth stencils (Sobel, 9-point Laplacian), 0: the shortest differences")
      .choice("activation", "relu", activations, "nonlinearity of the hidden layers")
      .choice("outer_activation", "tanh", activations, "output nonlinearity of motility, chemotaxis and reaction")
      .choice("motility_activation", std::nullopt, activations,
              "output nonlinearity of the motility instead; one that is never negative (relu, relu6, softplus, "
              "sparse_plus, sigmoid) keeps it from concentrating cells; null = outer_activation")
      .nullable()
      .choice("chemotaxis_activation", std::nullopt, activations,
              "output nonlinearity of the chemotaxis instead; one that is never negative only attracts; null = "
              "outer_activation")
      .nullable()
      .choice("signal_diffusion", "none", names_of(kLinearMapNames),
              "how the constants of signal diffusion become coefficients: none may turn negative")
      .boolean("bias", true, "biases in all layers")
      .number("stability", 0.01, {0, 1e6}, "k of the damping - k x^3")
      .number("init_scale", 0.01, {0, 1e6}, "scale of the initial weights and biases");
}

NeuralSpec rdc_spec(const Config& config) {
  NeuralSpec s;
  s.type = "rdc";
  s.cells = config.get<int>("cell_channels");
  s.signals = config.get<int>("signal_channels");
  s.channels = s.cubic_end = s.linear_end = s.cells + s.signals;
  s.linear = s.cells;
  s.linear_name = "signal_diffusion.constants";
  s.linear_map = named<LinearMap>(config, "signal_diffusion", kLinearMapNames);
  s.linear_uniform = true;
  s.padding = named<Padding>(config, "padding", kPaddingNames);
  s.dx = config.get<double>("dx");
  s.smoothing = config.get<int>("smoothing");
  s.stability = config.get<double>("stability");
  const auto outer = named<NetActivation>(config, "outer_activation", kNetActivationNames);
  const auto or_outer = [&](const char* key) {
    return config.has(key) ? named<NetActivation>(config, key, kNetActivationNames) : outer;
  };
  const auto net = [&](const char* name, Role role, int first, int out, NetActivation activation) {
    NeuralNet n;
    n.name = name, n.role = role, n.first = first, n.out = out, n.outer = activation;
    n.inner = named<NetActivation>(config, "activation", kNetActivationNames);
    n.bias = config.get<bool>("bias");
    n.scale = config.get<double>("init_scale");
    s.nets.push_back(n);
  };
  net("motility", Role::diffusion, 0, s.cells, or_outer("motility_activation"));
  net("chemotaxis", Role::chemotaxis, 0, s.cells * s.signals, or_outer("chemotaxis_activation"));
  net("reaction", Role::add, 0, s.cells, outer);
  net("production", Role::add, s.cells, s.signals, NetActivation::relu);
  net("decay", Role::decay, s.cells, s.signals, NetActivation::relu);
  check(s);
  return s;
}

}  // namespace mg::pde
