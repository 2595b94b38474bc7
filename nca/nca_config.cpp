#include <array>

#include "nca/config_keys.hpp"
#include "nca/nca_system.hpp"

namespace mg::nca {
namespace {

constexpr std::array<std::string_view, 5> kKernels = {"ID", "DIFF", "GRAD", "AV", "LAP"};

Schema alive_schema() {
  return Schema("alive",
                "Alive masking: a cell is set to zero unless, before and after the update, the alive channel of "
                "some cell in its 3x3 neighbourhood exceeds the threshold.")
      .integer("channel", 3, {0, 1 << 20}, "the alive channel")
      .number("threshold", 0.1, {}, "what the alive channel must exceed");
}

PerceptionSpec perception_spec(const Config& config) {
  PerceptionSpec p;
  p.id = p.lap = false;
  if (!config.json().contains("kernels")) p.id = p.lap = p.grad = true;  // kernels of its own: what a loss looks at
  const auto kernels =
      config.json().contains("kernels") ? config.get<std::vector<std::string>>("kernels") : std::vector<std::string>{};
  bool* const flags[] = {&p.id, &p.diff, &p.grad, &p.av, &p.lap};
  for (const std::string& kernel : kernels) {
    bool& flag = *flags[std::find(kKernels.begin(), kKernels.end(), kernel) - kKernels.begin()];
    if (flag) config.fail("kernels", "kernel \"" + kernel + "\" is listed twice");
    flag = true;
  }
  p.padding = Padding(index_of(kPaddingNames, config.get<std::string>("padding")));
  p.scale = config.get<int>("kernel_scale");
  p.smoothing = config.get<int>("smoothing");
  p.dx = config.get<double>("dx");
  p.original_scaled_kernels = config.at("compat").get<std::string>("scaled_kernels") == "original";
  return p;
}

}  // namespace

Schema& add_perception_keys(Schema& schema, bool kernels) {
  Property kernel;
  kernel.kind = Property::Kind::choice;
  kernel.doc = "kernel";
  kernel.choices = {kKernels.begin(), kKernels.end()};
  schema.integer("channels", 16, {1, 4096}, "channels of a cell, observable ones first");
  if (kernels)
    schema.list("kernels", kernel, nlohmann::json{"ID", "LAP"},
                "what a cell perceives: ID itself, DIFF norm of the gradient, GRAD both derivatives, AV average, LAP "
                "Laplacian; the order does not matter",
                1, 5);
  return schema.choice("padding", "CIRCULAR", words(kPaddingNames), "what lies outside the lattice");
}

Schema& add_network_keys(Schema& schema, bool perceptron) {
  schema.integer("hidden", 0, {0, 1 << 16}, "hidden width; 0 means the number of perceived features");
  if (!perceptron) return schema;
  return schema.choice("activation", "relu", words(kActivationNames), "nonlinearity of the hidden layer")
      .boolean("hidden_bias", false, "a bias in the hidden layer")
      .boolean("output_bias", true, "a bias in the output layer");
}

Schema& add_update_keys(Schema& schema, bool boundary) {
  schema.number("fire_rate", 0.5, {0, 1, true, false}, "probability that an update happens")
      .choice("fire_mask", "channel", {"channel", "cell"}, "whether each channel of a cell or the whole cell fires");
  if (!boundary) return schema;
  return schema
      .choice("boundary", "none", {"none", "soft", "hard"},
              "soft overwrites the last channels with a mask, hard multiplies every channel by one")
      .integer("boundary_channels", 1, {1, 4096}, "channels that a soft boundary overwrites");
}

Schema& add_stencil_keys(Schema& schema) {
  return schema.integer("kernel_scale", 1, {1, 16}, "radius of the kernels, (2 s + 1)^2 cells")
      .integer("smoothing", 1, {0, 1}, "1: smooth kernels (Sobel, 9-point Laplacian), 0: the shortest differences")
      .number("dx", 1.0, {0, std::numeric_limits<double>::infinity(), true, true}, "cell size")
      .object("compat",
              Schema("compat", "Compatibility with models of the reference implementation.")
                  .choice("scaled_kernels", "fixed", {"fixed", "original"},
                          "kernels of scale 2 and more: consistent with scale 1, or as the reference has them"),
              "compatibility");
}

Schema nca_schema() {
  Schema schema("nca",
                "Neural cellular automaton: every cell perceives its neighbourhood through fixed kernels and "
                "changes by a small network, the same in every cell. Type gnca gates the change with a second "
                "set of outputs.");
  add_perception_keys(schema, true);
  add_network_keys(schema, true);
  add_update_keys(schema, true);
  schema.object("alive", alive_schema(), "alive masking; null for none").nullable();
  return add_stencil_keys(schema);
}

NcaSpec shared_spec(const Config& config, bool gated) {
  const auto has = [&](const char* key) { return config.json().contains(key); };
  NcaSpec s;
  s.gated = gated;
  s.channels = config.get<int>("channels");
  s.perception = perception_spec(config);
  if (has("hidden")) s.hidden = config.get<int>("hidden");
  if (has("activation")) s.activation = Activation(index_of(kActivationNames, config.get<std::string>("activation")));
  if (has("hidden_bias")) s.hidden_bias = config.get<bool>("hidden_bias");
  if (has("output_bias")) s.output_bias = config.get<bool>("output_bias");
  s.fire_rate = config.get<double>("fire_rate");
  s.fire_mask = config.get<std::string>("fire_mask") == "cell" ? FireMask::cell : FireMask::channel;
  if (!has("boundary")) return s;
  const auto boundary = config.get<std::string>("boundary");
  s.boundary = boundary == "soft" ? Boundary::soft : boundary == "hard" ? Boundary::hard : Boundary::none;
  s.boundary_channels = config.get<int>("boundary_channels");
  if (s.boundary == Boundary::soft && s.boundary_channels >= s.channels)
    config.fail("boundary_channels",
                "a soft boundary must leave at least one of the " + std::to_string(s.channels) + " channels free");
  return s;
}

NcaSpec nca_spec(const Config& config, bool gated) {
  NcaSpec s = shared_spec(config, gated);
  s.alive = config.has("alive");
  if (s.alive) {
    const Config alive = config.at("alive");
    s.alive_channel = alive.get<int>("channel");
    s.alive_threshold = alive.get<double>("threshold");
    if (s.alive_channel >= s.channels)
      alive.fail("channel", "the model has " + std::to_string(s.channels) + " channels (0.." +
                                std::to_string(s.channels - 1) + ")");
  }
  check(s);
  return s;
}

}  // namespace mg::nca
