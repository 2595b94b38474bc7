#include "pde/rda.hpp"

#include "core/suggest.hpp"
#include "pde/neural_config.hpp"

namespace mg::pde {
namespace {

using neural::LinearMap;
using neural::Role;

const std::vector<std::string> kTerms = {"reaction_pure",    "reaction_split",      "advection",
                                         "diffusion_linear", "diffusion_nonlinear", "diffusion"};

Schema numbers_per_term(double value) {
  Schema schema("init_scale", "Scale of the initial parameters of each term.");
  for (const char* term : {"reaction", "advection", "diffusion"})
    schema.number(term, value, {0, 1e6}, std::string("scale of the ") + term + " term");
  return schema;
}
Schema inits_per_term() {
  Schema schema("init", "How the weights of each term are drawn.");
  for (const char* term : {"reaction", "advection", "diffusion"})
    schema.choice(term, "normal", names_of(kNetInitNames),
                  std::string("weights of the ") + term +
                      " term: normal, a corner of a random rotation, or 0.9 times a (permuted) unit matrix and noise");
  return schema;
}
Schema zeros_per_term() {
  Schema schema("zero_init", "Whether the last layer of each term's networks starts at 0.");
  for (const char* term : {"reaction", "advection", "diffusion"})
    schema.boolean(term, std::string_view(term) != "diffusion", std::string("of the ") + term + " term");
  return schema;
}

/// The terms of the list that the model knows, after the aliases.
std::vector<std::string> known_terms(const Config& config) {
  const Config compat = config.at("compat");
  std::vector<std::string> terms;
  for (std::string term : config.get<std::vector<std::string>>("terms")) {
    if (term == "reaction" && compat.get<bool>("reaction_alias")) term = "reaction_split";
    if (std::find(kTerms.begin(), kTerms.end(), term) == kTerms.end()) {
      if (compat.get<std::string>("unknown_terms") == "ignore") continue;
      config.fail("terms", "unknown term \"" + term + "\"; known are " + join(kTerms) + did_you_mean(term, kTerms));
    }
    if (std::find(terms.begin(), terms.end(), term) != terms.end())
      config.fail("terms", "term \"" + term + "\" is listed twice");
    const std::string family = term.substr(0, term.find('_'));
    for (const auto& other : terms)
      if (other.substr(0, other.find('_')) == family)
        config.fail("terms", "\"" + other + "\" and \"" + term + "\" exclude each other");
    terms.push_back(term);
  }
  if (terms.empty()) config.fail("terms", "no term is left of the right-hand side");
  return terms;
}

}  // namespace

Schema rda_schema() {
  return Schema("rda",
                "Reaction-diffusion-advection with learned terms: every cell feeds monomials of its channels to small "
                "networks, the same in every cell, that give reaction, velocities and diffusivities.")
      .integer("channels", 4, {1, 1024}, "channels of a cell, observable ones first")
      .choice("padding", "CIRCULAR", names_of(kPaddingNames), "what lies outside the lattice")
      .number("dx", 1.0, {0, std::numeric_limits<double>::infinity(), true, true}, "cell size")
      .integer("smoothing", 1, {0, 1}, "1: smooth stencils (Sobel, 9-point Laplacian), 0: the shortest differences")
      .list("terms", element::text(), nlohmann::json{"reaction_pure", "advection", "diffusion"},
            "terms of the right-hand side, at most one of each kind: reaction_pure (tanh net) or reaction_split "
            "(production "
            "- x decay); advection; diffusion_linear, diffusion_nonlinear or diffusion (both)",
            1, 8)
      .choice("activation", "tanh", names_of(kNetActivationNames), "nonlinearity of the hidden layers")
      .choice("advection_activation", "tanh", names_of(kNetActivationNames), "output nonlinearity of the velocities")
      .choice("diffusion_activation", "relu6", names_of(kNetActivationNames),
              "output nonlinearity of the diffusivities")
      .boolean("bias", true, "biases in all layers")
      .number("stability", 0.01, {0, 1e6}, "k of the damping - k x^3 of a reaction")
      .integer("order", 1, {1, 8}, "highest degree of the monomials that a layer reads")
      .integer("layers", 1, {0, 64}, "hidden layers of every network, as wide as the cell has channels")
      .object("init_scale", numbers_per_term(0.5), "initial scales")
      .object("init", inits_per_term(), "initial weights")
      .object("zero_init", zeros_per_term(), "networks that start without effect")
      .boolean("advection_tied_init", true, "both velocity components start with equal output weights")
      .object("compat",
              Schema("compat", "Compatibility with models of the reference implementation.")
                  .choice("unknown_terms", "error", {"error", "ignore"}, "what happens to unknown terms")
                  .boolean("reaction_alias", false, "the term \"reaction\" means reaction_split")
                  .number("relu6_zero_grad", 0, {0, 0.5}, "slope of an output relu6 at exactly 0 and 6"),
              "compatibility");
}

NeuralSpec rda_spec(const Config& config) {
  NeuralSpec s;
  s.type = "rda";
  s.channels = config.get<int>("channels");
  s.padding = named<Padding>(config, "padding", kPaddingNames);
  s.dx = config.get<double>("dx");
  s.smoothing = config.get<int>("smoothing");
  s.order = config.get<int>("order");
  s.stability = config.get<double>("stability");
  s.relu6_edge = config.at("compat").get<double>("relu6_zero_grad");
  const auto terms = known_terms(config);
  const auto has = [&](const char* term) { return std::find(terms.begin(), terms.end(), term) != terms.end(); };
  const auto net = [&](const char* name, const char* term, Role role, int out, NetActivation outer) {
    NeuralNet n;
    n.name = name, n.role = role, n.out = out, n.outer = outer;
    n.layers = config.get<int>("layers");
    n.inner = named<NetActivation>(config, "activation", kNetActivationNames);
    n.bias = config.get<bool>("bias");
    n.scale = config.at("init_scale").get<double>(term);
    n.init = named<NetInit>(config.at("init"), term, kNetInitNames);
    n.zero = config.at("zero_init").get<bool>(term);
    s.nets.push_back(n);
  };
  const int C = s.channels;
  if (has("reaction_pure")) net("reaction", "reaction", Role::add, C, NetActivation::tanh);
  if (has("reaction_split")) {
    net("reaction.production", "reaction", Role::add, C, NetActivation::relu6);
    net("reaction.decay", "reaction", Role::decay, C, NetActivation::relu6);
  }
  if (!s.nets.empty()) s.cubic_end = C;
  if (has("advection")) {
    net("advection", "advection", Role::advection, 2 * C,
        named<NetActivation>(config, "advection_activation", kNetActivationNames));
    s.nets.back().tied = config.get<bool>("advection_tied_init");
  }
  const bool both = has("diffusion");
  if (both || has("diffusion_nonlinear")) {
    net("diffusion", "diffusion", Role::diffusion, C,
        named<NetActivation>(config, "diffusion_activation", kNetActivationNames));
    if (both) s.nets.back().scale *= 0.1;
  }
  if (both || has("diffusion_linear")) {
    s.linear_end = C;
    s.linear_name = "diffusion.constants";
    s.linear_map = LinearMap::sparse_plus;
    s.linear_scale = config.at("init_scale").get<double>("diffusion");
  }
  try {
    check(s);
  } catch (const std::invalid_argument& error) {
    config.fail("order", error.what());
  }
  return s;
}

}  // namespace mg::pde
