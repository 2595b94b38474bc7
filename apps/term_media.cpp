#include "apps/term_media.hpp"

#include <algorithm>
#include <map>

#include "apps/registries.hpp"
#include "core/field_picture.hpp"
#include "core/png.hpp"
#include "core/validate.hpp"
#include "train/samples.hpp"

namespace mg::apps {
namespace {

constexpr int kShown = 6;

std::string family(const std::string& parameter) { return parameter.substr(0, parameter.find('.')); }

/// Whether an activation is 0 at 0.
bool vanishes(const std::string& activation) {
  return activation != "sigmoid" && activation != "softplus" && activation != "sparse_plus";
}

/// Output activation of the networks of a family.
std::string outer_activation(const Config& model, const std::string& family) {
  const auto named = [&](const char* key, const std::string& otherwise) {
    return model.json().contains(key) && model.has(key) ? model.get<std::string>(key) : otherwise;
  };
  if (model.type() == "rda")
    return family == "advection"   ? named("advection_activation", "tanh")
           : family == "diffusion" ? named("diffusion_activation", "relu6")
                                   : "tanh";
  const std::string outer = named("outer_activation", "tanh");
  return family == "motility"     ? named("motility_activation", outer)
         : family == "chemotaxis" ? named("chemotaxis_activation", outer)
         : family == "reaction"   ? outer
                                  : "relu";
}

/// The constant that gives no diffusion.
double no_diffusion(const Config& model) {
  const std::string map = model.type() == "rda" ? "sparse_plus" : model.get<std::string>("signal_diffusion");
  return map == "none" ? 0 : map == "sparse_plus" ? -1 : -800;
}

/// The model under one Euler step of length 1, which adds its slope.
std::unique_ptr<System<double>> euler_system(const Config& model) {
  const auto& systems = registries<double>().systems;
  nlohmann::json json = model.json();
  json["solver"] = {{"type", "euler"}, {"dt", 1.0}, {"stability", "off"}};
  const Schema schema = Schema("terms", "").variant("model", systems.variants(), std::nullopt, "");
  return systems.create(
      validate_config(schema, parse_config(nlohmann::json{{"model", json}}.dump(), "model")).at("model"));
}

std::vector<double> slope_of(const System<double>& system, Grid grid, const std::vector<double>& params,
                             const std::vector<double>& state) {
  const Layout layout = system.state_layout(grid), conditions = system.condition_layout(grid);
  std::vector<double> next(state.size());
  Workspace workspace;
  system.step({}, {}, params.data(), {nullptr, &conditions, 1}, {state.data(), &layout, 1}, {next.data(), &layout, 1},
              workspace);
  for (std::size_t i = 0; i < next.size(); ++i) next[i] -= state[i];
  return next;
}

}  // namespace

std::vector<LearnedTerm> learned_terms(const Config& model, const std::vector<double>& params, Grid grid,
                                       const std::vector<double>& state) {
  if (model.type() != "rda" && model.type() != "rdc") return {};
  const auto system = euler_system(model);
  const Layout& layout = system->param_layout();
  const auto whole = slope_of(*system, grid, params, state);
  std::vector<LearnedTerm> terms;
  for (const Block& block : layout.blocks()) {
    const std::string name = family(block.name);
    const auto known = std::find_if(terms.begin(), terms.end(), [&](const auto& t) { return t.name == name; });
    if (known != terms.end() || (name != "signal_diffusion" && !vanishes(outer_activation(model, name)))) continue;
    std::vector<double> without = params;
    for (const Block& part : layout.blocks())
      if (family(part.name) == name)
        std::fill_n(without.begin() + std::ptrdiff_t(part.offset), part.size,
                    part.name.ends_with(".constants") ? no_diffusion(model) : 0.0);
    LearnedTerm term{name, slope_of(*system, grid, without, state)};
    for (std::size_t i = 0; i < whole.size(); ++i) term.slope[i] = whole[i] - term.slope[i];
    terms.push_back(std::move(term));
  }
  return terms;
}

void write_term_media(const std::filesystem::path& file, const Config& model, const std::vector<double>& params,
                      const train::Trajectory& data) {
  if (model.type() != "rda" && model.type() != "rdc") return;
  const int channels = euler_system(model)->state_layout(data.grid).blocks().front().dims.at(0);
  std::vector<double> state;
  train::append_state(data, int(data.frames.size()) - 1, channels, state);
  std::vector<Image> parts;
  for (const LearnedTerm& term : learned_terms(model, params, data.grid, state)) {
    Planes planes(channels, data.grid.h, data.grid.w);
    std::copy(term.slope.begin(), term.slope.end(), planes.values.begin());
    FieldStyle style;
    style.map = ColourMap::diverging;
    style.zoom = std::clamp(256 / std::max(data.grid.h, data.grid.w), 1, 8);
    std::vector<int> shown;
    for (int c = 0; c < std::min(channels, kShown); ++c) {
      shown.push_back(c);
      style.names.push_back(term.name + " of channel " + std::to_string(c));
    }
    parts.push_back(field_table({planes}, shown, style));
  }
  if (!parts.empty()) write_png(file, tile(parts, int(parts.size()), 6));
}

}  // namespace mg::apps
