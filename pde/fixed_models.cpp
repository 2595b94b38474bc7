#include "pde/fixed_models.hpp"

#include <algorithm>
#include <limits>

#include "pde/reaction_diffusion.hpp"

namespace mg::pde {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The keys that all models share: parameters and lattice.
Schema fixed_schema(std::string_view name, std::span<const Parameter> parameters) {
  Schema params("params", "Initial values of the parameters, all trainable.");
  for (const Parameter& p : parameters)
    params.number(std::string(p.name), p.value, {p.negative ? -kInfinity : 0, kInfinity}, std::string(p.doc));
  return Schema(std::string(name), "Partial differential equation with known terms.")
      .object("params", params, "parameters")
      .choice("padding", "CIRCULAR", {std::begin(kPaddingNames), std::end(kPaddingNames)},
              "what lies outside the lattice")
      .number("dx", 1.0, {0, kInfinity, true, true}, "cell size")
      .integer("smoothing", 1, {0, 1}, "1: smooth stencils (9-point Laplacian, Sobel), 0: the shortest differences")
      .integer("kernel_scale", 1, {1, 16}, "radius of the stencils; above 1 only with compat.scaled_kernels")
      .object(
          "compat",
          Schema("compat", "Compatibility with models of the reference implementation.")
              .choice("scaled_kernels", "refuse", {"refuse", "original"},
                      "stencils of scale 2 and more: no consistent derivatives, so they are refused unless asked for"),
          "compatibility");
}

GridSpec grid_spec(const Config& config) {
  GridSpec g;
  g.padding =
      Padding(std::find(std::begin(kPaddingNames), std::end(kPaddingNames), config.get<std::string>("padding")) -
              std::begin(kPaddingNames));
  g.scale = config.get<int>("kernel_scale");
  g.smoothing = config.get<int>("smoothing");
  g.dx = config.get<double>("dx");
  if (g.scale > 1 && config.at("compat").get<std::string>("scaled_kernels") != "original")
    config.fail("kernel_scale",
                "stencils of scale 2 and more are no derivatives; 1 is the only scale of a dynamics, or "
                "set compat.scaled_kernels to \"original\"");
  return g;
}

std::vector<double> parameter_values(const Config& config, std::span<const Parameter> parameters) {
  std::vector<double> values;
  for (const Parameter& p : parameters) values.push_back(config.at("params").get<double>(p.name));
  return values;
}

}  // namespace

template <class T>
void register_fixed_models(Registry<Rhs<T>>& registry) {
  for (std::size_t k = 0; k < reactions().size(); ++k) {
    const ReactionInfo& info = reactions()[k];
    registry.add(std::string(info.name), fixed_schema(info.name, info.parameters), [k, &info](const Config& config) {
      return std::make_unique<ReactionDiffusion<T>>(int(k), grid_spec(config),
                                                    parameter_values(config, info.parameters));
    });
  }
}

template void register_fixed_models(Registry<Rhs<float>>&);
template void register_fixed_models(Registry<Rhs<double>>&);

}  // namespace mg::pde
