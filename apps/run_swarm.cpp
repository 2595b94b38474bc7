#include "apps/run_swarm.hpp"

#include <chrono>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/bounds.hpp"
#include "apps/data.hpp"
#include "apps/registries.hpp"
#include "apps/simulation.hpp"
#include "core/gif.hpp"
#include "core/log.hpp"
#include "core/npy.hpp"
#include "core/png.hpp"
#include "train/swarm_media.hpp"

namespace mg::apps {

namespace {

constexpr int kSide = 128;  ///< of a lattice that nothing else decides

void write_numbers(const std::string& path, const Layout& layout, const train::SwarmFilm& film) {
  NpzWriter writer(path);
  for (const Block& block : layout.blocks()) {
    std::vector<std::size_t> shape = {film.states.size()};
    for (const int d : block.dims) shape.push_back(std::size_t(d));
    std::vector<float> values;
    for (const auto& state : film.states)
      values.insert(values.end(), state.begin() + std::ptrdiff_t(block.offset),
                    state.begin() + std::ptrdiff_t(block.offset + block.size));
    writer.add(block.name, shape, values.data());
  }
  const std::vector<float> steps(film.steps.begin(), film.steps.end());
  writer.add("steps", {steps.size()}, steps.data());
  writer.finish();
}

void write_outputs(const RunSwarmOptions& o, const Layout& layout, const train::SwarmFilm& film, int zoom) {
  for (const auto& output : o.outputs) {
    const auto extension = std::filesystem::path(output).extension();
    if (extension == ".npz") {
      write_numbers(output, layout, film);
    } else if (extension == ".png") {
      write_png(output, train::swarm_picture(layout, film.states.back(), 0, zoom));
    } else {
      std::vector<Image> frames;
      for (const auto& state : film.states) frames.push_back(train::swarm_picture(layout, state, 0, zoom));
      write_gif(output, frames);
    }
    log::info("wrote {}", output);
  }
}

template <class T>
int run_as(const RunSwarmOptions& o, const GlobalOptions& global, const ModelSource& source) {
  const Exec exec = make_exec(global);
  const auto model = build_model<T>(source, global);
  std::vector<train::Trajectory> data;
  if (source.experiment && source.experiment->has("data") && o.size.empty())
    data = load_data(source.experiment->at("data"), exec);
  const Grid grid = !data.empty() ? data.front().grid : !o.size.empty() ? parse_size(o.size) : Grid{kSide, kSide};
  const Layout layout = model.system->state_layout(grid);
  const bool film = std::any_of(o.outputs.begin(), o.outputs.end(), [](const std::string& path) {
    return std::filesystem::path(path).extension() != ".png";
  });
  const int every = !film ? 0 : o.every > 0 ? o.every : std::max(1, o.steps / 100);
  const double frames = film ? double(o.steps) / every + 2 : 1;
  const double bytes = frames * double(layout.size()) * sizeof(float) + 3 * double(layout.size()) * sizeof(T);
  if (bytes > 4e9)
    throw Error(ExitCode::usage, "a swarm and its frames of " + std::to_string(bytes / 1e9) +
                                     " GB are more than 4 GB; raise --every or lower --size");
  const int zoom = o.zoom > 0 ? o.zoom : std::clamp(384 / std::max(grid.h, grid.w), 1, 8);
  require_drawable(grid, 1, zoom);
  nlohmann::ordered_json report{{"steps", o.steps}, {"grid", {grid.h, grid.w}}, {"agents", layout.at("x").dims[0]}};
  if (global.dry_run) {
    std::cout << report.dump() << "\n";
    return 0;
  }
  const auto start = train::swarm_start<T>(layout, data.empty() ? nullptr : &data.front(), source.seed, o.sample);
  const auto begin = std::chrono::steady_clock::now();
  const auto result =
      train::film_swarm(exec, *model.system, model.params, layout, start, o.steps, every, source.seed, 0);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  bool finite = true;
  for (const float v : result.states.back()) finite = finite && std::isfinite(v);
  if (!finite) log::warn("the final state holds values that are not finite");
  write_outputs(o, layout, result, zoom);
  report.update({{"seconds", seconds},
                 {"agent_steps_per_second", double(o.steps) * layout.at("x").dims[0] / std::max(seconds, 1e-9)},
                 {"finite", finite},
                 {"files", o.outputs}});
  std::cout << report.dump() << "\n";
  return 0;
}

}  // namespace

bool runs_swarm(const ModelSource& source) { return models_agents(source.model.type()); }

int run_swarm(const RunSwarmOptions& options, const GlobalOptions& global, const ModelSource& source) {
  return source.precision == "f64" ? run_as<double>(options, global, source) : run_as<float>(options, global, source);
}

}  // namespace mg::apps
