#include <stdexcept>

#include "nca/config_keys.hpp"
#include "nca/nca_system.hpp"
#include "nca/variant_system.hpp"

namespace mg::nca {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Schema& add_rate(Schema& schema) {
  return schema.number("rate", 1.0, {0, kInfinity, true, true},
                       "length of a step: what an update is multiplied by; with dx, the scale of the pattern");
}

Schema whole(const char* title, const char* doc, bool kernels = true, bool boundary = true) {
  Schema s(title, doc);
  add_perception_keys(s, kernels);
  add_network_keys(s, true);
  add_update_keys(s, boundary);
  add_stencil_keys(s);
  return add_rate(s);
}

Schema bounded(const char* title, const char* doc) {
  return whole(title, doc).integer("observable", 4, {0, 4096}, "channels that are clipped to [0, 1]");
}

Schema kan_schema() {
  Schema s(
      "kanca",
      "Automaton whose network is two Kolmogorov-Arnold layers: every input passes through a function of its own, a "
      "sum over basis functions with learned weights.");
  add_perception_keys(s, true);
  add_network_keys(s, false);
  add_update_keys(s, true);
  add_stencil_keys(s);
  return add_rate(s)
      .choice("basis", "gauss", words(kBasisNames),
              "basis functions: gauss bells with even centres, mean one linear function, polynomial powers, legendre, "
              "chebyshev of tanh x, fourier 1, cos, sin of period 2 basis_bounds")
      .integer("basis_functions", 16, {1, 256}, "functions of an input")
      .number("basis_width", 4.0, {0, kInfinity, true, true}, "gauss: basis_functions times the width of a bell")
      .number("basis_bounds", 3.0, {0, kInfinity, true, true}, "centres lie in [-bounds, bounds]")
      .number("init_scale", 0.1, {0, kInfinity, false, true}, "standard deviation of the first layer's weights")
      .boolean(
          "clamp_last", false,
          "polynomial and legendre as the reference has them: the last weight serves two degrees, two coefficients "
          "differ");
}

template <class Build>
auto at_model(const Config& config, const Build& build) {
  try {
    return build();
  } catch (const std::invalid_argument& error) {
    config.fail("", error.what());
  }
}

}  // namespace

Variants variant_schemas() {
  return {
      {"bnca", bounded("bnca",
                       "Neural cellular automaton whose states are clipped: observable channels to [0, 1], the "
                       "others to [-1, 1].")},
      {"gbnca", bounded("gbnca", "As bnca, with the gated update of gnca.")},
      {"hnca", whole("hnca", "Automaton that perceives all products of up to `order` channels of a cell.")
                   .integer("order", 2, {1, kMaxOrder}, "highest degree of the products")},
      {"mnca", whole("mnca",
                     "Several automata at once: number i sees the state averaged over blocks of scales[i]^2 cells "
                     "and changes the i-th share of the channels, block by block.")
                   .list("scales", element::integer({1, 1024}), nlohmann::json{1, 2},
                         "sides of the blocks; channels are divided evenly among them", 1, kMaxScales)
                   .boolean("gated", false, "whether updates are gated")},
      {"anca", whole("anca",
                     "Automaton with multi-head attention inside every cell, over a sequence of as many vectors "
                     "as there are channels.")
                   .integer("heads", 4, {1, 4096}, "heads, of channels / heads numbers each")},
      {"kanca", kan_schema()},
      {"cnca", whole("cnca",
                     "Automaton that perceives derivatives of several wavelengths; its features are ordered "
                     "channel by channel.")
                   .integer("wavelets", 1, {1, 4}, "wavelengths of the derivatives DIFF: 8 pi, 4 pi, 2 pi, pi")},
      {"legacy_nca", whole("legacy_nca",
                           "The plain automaton in the layout of old models: features channel by channel, "
                           "ID, AV the mean of 3 x 3 cells, DIFF both derivatives, LAP.")
                         .boolean("gated", false, "whether updates are gated")},
      {"lnca",
       whole("lnca", "Automaton that learns its perception kernels and may see goal channels, which do not evolve.",
             false, false)
           .integer("learned_kernels", 4, {1, 64}, "kernels that act on every channel")
           .integer("goals", 0, {0, 256}, "channels of the data's mask that every cell sees beside what it perceives")
           .boolean("gated", false, "whether updates are gated")},
  };
}

VariantSpec variant_spec(const Config& config) {
  const std::string type = config.type();
  VariantSpec s;
  const bool gated = type == "gbnca" || (config.json().contains("gated") && config.get<bool>("gated"));
  s.base = shared_spec(config, gated);
  s.rate = config.get<double>("rate");
  if (type == "bnca" || type == "gbnca") s.bounded = true, s.observed = config.get<int>("observable");
  if (type == "hnca") s.order = config.get<int>("order");
  if (type == "mnca") s.scales = config.get<std::vector<int>>("scales");
  if (type == "anca") s.update = Update::attention, s.heads = config.get<int>("heads");
  if (type == "kanca") {
    s.update = Update::kan;
    s.basis = {Basis(index_of(kBasisNames, config.get<std::string>("basis"))), config.get<int>("basis_functions"),
               config.get<double>("basis_width"), config.get<double>("basis_bounds"), config.get<bool>("clamp_last")};
    s.init_scale = config.get<double>("init_scale");
  }
  if (type == "cnca") s.bank = Bank::wavelet, s.wavelets = config.get<int>("wavelets");
  if (type == "legacy_nca") s.bank = Bank::legacy;
  if (type == "lnca") {
    s.bank = Bank::learned;
    s.kernels = config.get<int>("learned_kernels");
    s.goals = config.get<int>("goals");
  }
  at_model(config, [&] {
    check(s);
    return 0;
  });
  return s;
}

NcaSpec objective_spec(const Config& config) {
  if (config.type() == "nca" || config.type() == "gnca") return nca_spec(config, config.type() == "gnca");
  NcaSpec s = variant_spec(config).base;
  if (config.type() == "cnca" || config.type() == "legacy_nca")  // their DIFF are two derivatives
    s.perception.grad = s.perception.diff, s.perception.diff = false;
  return s;
}

}  // namespace mg::nca
