#include "pde/fixed_models.hpp"

#include <algorithm>
#include <limits>

#include "pde/flux_model.hpp"
#include "pde/reaction_diffusion.hpp"
#include "pde/stencil_model.hpp"

namespace mg::pde {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// One element of "boundary".
Schema boundary_schema(std::span<const std::string_view> fields) {
  return Schema("boundary", "A value on some sides of one field, half a cell outside the outermost cells.")
      .choice("field", std::string(fields[0]), {fields.begin(), fields.end()}, "the field")
      .list("sides", element::choice({"top", "bottom", "left", "right"}),
            nlohmann::json{"top", "bottom", "left", "right"}, "top is row 0, left is column 0", 1, 4)
      .choice("kind", "dirichlet", {"dirichlet", "neumann", "robin"},
              "u = value; du/dn = value, n pointing outwards; a u + b du/dn = value")
      .number("value", 0.0, {}, "the value")
      .number("a", 1.0, {}, "of robin")
      .number("b", 1.0, {}, "of robin")
      .boolean("trainable", false, "make the value a parameter, an element of \"boundary\"");
}

/// The keys that all models share: parameters and lattice.
Schema fixed_schema(std::string_view name, std::span<const Parameter> parameters,
                    std::span<const std::string_view> fields) {
  Schema params("params", "Initial values of the parameters, all trainable.");
  for (const Parameter& p : parameters)
    params.number(std::string(p.name), p.value, {p.negative ? -kInfinity : 0, kInfinity}, std::string(p.doc));
  return Schema(std::string(name), "Partial differential equation with known terms.")
      .object("params", params, "parameters")
      .choice("padding", "CIRCULAR", {std::begin(kPaddingNames), std::end(kPaddingNames)},
              "what lies outside the lattice")
      .number("dx", 1.0, {0, kInfinity, true, true}, "cell size")
      .integer("smoothing", 1, {0, 1}, "1: smooth stencils (9-point Laplacian, Sobel), 0: the shortest differences")
      .list("boundary", element::object(boundary_schema(fields)), nlohmann::json::array(),
            "values on sides of the lattice, instead of the padding there")
      .choice("obstacles", "none", {"none", "no_flux", "hold"},
              "what the condition \"obstacle\" means, a mask of cells that do not change: no_flux, nothing passes into "
              "them; "
              "hold, their values act on the neighbours")
      .integer("kernel_scale", 1, {1, 16}, "radius of the stencils; above 1 only with compat.scaled_kernels")
      .object(
          "compat",
          Schema("compat", "Compatibility with models of the reference implementation.")
              .choice("scaled_kernels", "refuse", {"refuse", "original"},
                      "stencils of scale 2 and more: no consistent derivatives, so they are refused unless asked for"),
          "compatibility");
}

std::vector<BoundarySpec> boundary_spec(const Config& config, std::span<const std::string_view> fields) {
  constexpr std::string_view kSideNames[] = {"top", "bottom", "left", "right"};
  std::vector<BoundarySpec> all;
  for (const Config& c : config.list("boundary")) {
    BoundarySpec b;
    b.field = int(std::find(fields.begin(), fields.end(), c.get<std::string>("field")) - fields.begin());
    for (const auto& name : c.get<std::vector<std::string>>("sides")) {
      const int side = int(std::find(std::begin(kSideNames), std::end(kSideNames), name) - std::begin(kSideNames));
      for (const BoundarySpec& other : all)
        if (other.field == b.field && other.sides[side])
          c.fail("sides", "side \"" + name + "\" of this field has a value already");
      b.sides[side] = true;
    }
    const auto kind = c.get<std::string>("kind");
    b.a = kind == "dirichlet" ? 1 : kind == "neumann" ? 0 : c.get<double>("a");
    b.b = kind == "dirichlet" ? 0 : kind == "neumann" ? 1 : c.get<double>("b");
    b.g = c.get<double>("value");
    b.trainable = c.get<bool>("trainable");
    if (b.b / config.get<double>("dx") + b.a / 2 == 0) c.fail("", "a / 2 + b / dx is 0, which fixes nothing");
    all.push_back(b);
  }
  return all;
}

GridSpec grid_spec(const Config& config, std::span<const std::string_view> fields) {
  GridSpec g;
  g.padding =
      Padding(std::find(std::begin(kPaddingNames), std::end(kPaddingNames), config.get<std::string>("padding")) -
              std::begin(kPaddingNames));
  g.scale = config.get<int>("kernel_scale");
  g.smoothing = config.get<int>("smoothing");
  g.dx = config.get<double>("dx");
  g.boundary = boundary_spec(config, fields);
  const auto obstacles = config.get<std::string>("obstacles");
  g.obstacles = obstacles == "no_flux" ? Obstacles::no_flux : obstacles == "hold" ? Obstacles::hold : Obstacles::none;
  if (g.scale > 1 && config.at("compat").get<std::string>("scaled_kernels") != "original")
    config.fail("kernel_scale",
                "stencils of scale 2 and more are no derivatives; 1 is the only scale of a dynamics, or "
                "set compat.scaled_kernels to \"original\"");
  if (g.scale > 1 && (!g.boundary.empty() || g.obstacles != Obstacles::none))
    config.fail("kernel_scale", "boundary values and obstacles need scale 1");
  return g;
}

std::vector<double> parameter_values(const Config& config, std::span<const Parameter> parameters) {
  std::vector<double> values;
  for (const Parameter& p : parameters) values.push_back(config.at("params").get<double>(p.name));
  return values;
}

void add_limiter_key(Schema& schema) {
  schema.choice("limiter", "minmod", {"upwind", "minmod", "van_leer", "central"},
                "what is carried through a face: the upwind cell, a limited slope from it, or the mean");
}
void add_scheme_keys(Schema& schema) {
  schema.choice(
      "scheme", "product", {"product", "flux"},
      "product: div(f grad g) by the product rule, as the reference has it; flux: conservative finite volumes");
  add_limiter_key(schema);
}
Limiter limiter(const Config& config) {
  const auto name = config.get<std::string>("limiter");
  return name == "upwind"     ? Limiter::upwind
         : name == "minmod"   ? Limiter::minmod
         : name == "van_leer" ? Limiter::van_leer
                              : Limiter::central;
}
void refuse_trainable_sides(const Config& config, const GridSpec& grid) {
  for (const BoundarySpec& b : grid.boundary)
    if (b.trainable) config.fail("boundary", "values of the conservative form are constants, not trainable");
}

}  // namespace

template <class T>
void register_fixed_models(Registry<Rhs<T>>& registry) {
  for (std::size_t k = 0; k < reactions().size(); ++k) {
    const ReactionInfo& info = reactions()[k];
    registry.add(std::string(info.name), fixed_schema(info.name, info.parameters, info.field_names),
                 [k, &info](const Config& config) {
                   return std::make_unique<ReactionDiffusion<T>>(int(k), grid_spec(config, info.field_names),
                                                                 parameter_values(config, info.parameters));
                 });
  }
  for (std::size_t k = 0; k < stencil_models().size(); ++k) {
    const StencilModelInfo& info = stencil_models()[k];
    Schema schema = fixed_schema(info.name, info.parameters, info.fields);
    const bool hillen_painter = info.name == "hillen_painter";
    if (hillen_painter)
      schema.choice("diffusion", "porous", {"porous", "linear"},
                    "of the cells: porous, D div(c grad c) as the reference has it; linear, D times the Laplacian");
    const bool chemotaxis = hillen_painter || info.name == "keller_segel";
    if (chemotaxis) add_scheme_keys(schema);
    registry.add(std::string(info.name), schema, [=, &info](const Config& config) -> std::unique_ptr<Rhs<T>> {
      const GridSpec grid = grid_spec(config, info.fields);
      if (grid.scale > 1 && info.name == "cahn_hilliard")
        return make_scaled_cahn_hilliard<T>(grid, parameter_values(config, info.parameters));
      if (grid.scale > 1) config.fail("kernel_scale", "this model has stencils of scale 1 only");
      const bool linear = hillen_painter && config.get<std::string>("diffusion") == "linear";
      if (chemotaxis && config.get<std::string>("scheme") == "flux") {
        refuse_trainable_sides(config, grid);
        return make_flux_model<T>(hillen_painter ? FluxModelKind::hillen_painter : FluxModelKind::keller_segel,
                                  info.name, info.parameters, grid, limiter(config),
                                  parameter_values(config, info.parameters), linear);
      }
      return make_stencil_model<T>(int(k), grid, parameter_values(config, info.parameters), linear);
    });
  }
  static constexpr Parameter kAdvection[] = {{"D", 1, false, "diffusion"},
                                             {"v0", 0, true, "velocity along axis 1, from column to column"},
                                             {"v1", 0, true, "velocity along axis 0, from row to row"}};
  static constexpr std::string_view kTracer[] = {"u"};
  Schema schema = fixed_schema("advection_diffusion", kAdvection, kTracer);
  add_limiter_key(schema);
  registry.add("advection_diffusion", schema, [](const Config& config) {
    const GridSpec grid = grid_spec(config, kTracer);
    if (grid.scale > 1) config.fail("kernel_scale", "this model has stencils of scale 1 only");
    refuse_trainable_sides(config, grid);
    return make_flux_model<T>(FluxModelKind::advection_diffusion, "advection_diffusion", kAdvection, grid,
                              limiter(config), parameter_values(config, kAdvection));
  });
}

template void register_fixed_models(Registry<Rhs<float>>&);
template void register_fixed_models(Registry<Rhs<double>>&);

}  // namespace mg::pde
