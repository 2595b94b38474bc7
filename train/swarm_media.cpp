#include "train/swarm_media.hpp"

#include <algorithm>
#include <cmath>

#include "core/field_picture.hpp"
#include "core/gif.hpp"
#include "core/png.hpp"
#include "train/swarm_augmenter.hpp"

namespace mg::train {
namespace {

/// Pixels per node, so that the longer side of a picture has about 256.
int zoom_for(Grid grid) { return std::clamp(256 / std::max(grid.h, grid.w), 1, 8); }

Grid grid_of(const Layout& layout) {
  const auto& dims = layout.at("lattice").dims;
  return {dims[1], dims[2]};
}

/// The value that four fifths of the inked nodes stay below: a few hot nodes do not darken the rest.
double bright_value(const Layout& layout, const std::vector<std::vector<float>>& states) {
  const Block& lattice = layout.at("lattice");
  const Grid grid = grid_of(layout);
  std::vector<float> values;
  for (const auto& state : states)
    for (int i = 0; i < grid.h * grid.w; ++i)
      if (const float v = state[lattice.offset + std::size_t(i)]; v > 0) values.push_back(v);
  if (values.empty()) return 1;
  const auto at = values.begin() + std::ptrdiff_t(values.size() * 4 / 5);
  std::nth_element(values.begin(), at, values.end());
  return std::max(1.25 * double(*at), 1e-12);
}

}  // namespace

bool is_swarm(const Layout& layout) {
  return layout.contains("x") && layout.contains("u") && layout.contains("lattice");
}

Image swarm_picture(const Layout& layout, const std::vector<float>& state, double high, int zoom) {
  const Grid grid = grid_of(layout);
  const Block& lattice = layout.at("lattice");
  Planes planes(1, grid.h, grid.w);
  std::copy_n(state.begin() + std::ptrdiff_t(lattice.offset), planes.values.size(), planes.values.begin());
  if (high <= 0) high = std::max(1e-12, double(*std::max_element(planes.values.begin(), planes.values.end())));
  Image image = field_picture(planes, 0, {0, high}, ColourMap::magma, zoom);
  const Block& x = layout.at("x");
  if (zoom < 3 && x.size / 2 > planes.values.size() / 8) return image;  // they would hide what they leave
  for (std::size_t i = 0; i + 1 < x.size; i += 2) {
    const double row = (double(state[x.offset + i]) + 0.5) * zoom,
                 column = (double(state[x.offset + i + 1]) + 0.5) * zoom;
    if (!(row >= 0 && column >= 0 && row < image.h && column < image.w)) continue;
    constexpr std::uint8_t kAgent[3] = {0, 230, 255};  // no colour of the map
    std::copy_n(kAgent, 3, image.at(int(row), int(column)));
  }
  return image;
}

template <class T>
std::vector<T> swarm_start(const Layout& layout, const Trajectory* data, std::uint64_t seed, int sample) {
  const Grid grid = grid_of(layout);
  const std::vector<float> ink = data != nullptr ? ink_of(data->frames.front(), data->channels, data->name)
                                                 : std::vector<float>(std::size_t(grid.h) * std::size_t(grid.w), 1.0F);
  std::vector<T> state(layout.size());
  const RandomStream stream{seed, RandomPurpose::pool, 0, 0, std::uint32_t(sample)};
  scatter_agents(ink, grid, stream, layout.at("x").dims[0], state.data() + layout.at("x").offset,
                 state.data() + layout.at("u").offset);
  return state;
}

template <class T>
SwarmFilm film_swarm(const Exec& exec, const System<T>& system, const std::vector<T>& params, const Layout& layout,
                     const std::vector<T>& start, int steps, int every, std::uint64_t seed, std::int64_t iteration) {
  Buffer<T> weights(exec, params.size()), a(exec, start.size()), b(exec, start.size());
  if (!params.empty()) weights.upload(params);
  a.upload(start);
  Workspace workspace;
  SwarmFilm film;
  const auto keep = [&](int step) {
    const auto state = a.to_vector();
    film.states.emplace_back(state.begin(), state.end());
    film.steps.push_back(step);
  };
  StepIndex index;
  index.seed = seed, index.iteration = iteration;
  for (int k = 0; k < steps; ++k) {
    if (every > 0 && k % every == 0) keep(k);
    index.step = k;
    index.t = k;
    system.step(exec, index, weights.data(), {}, {a.data(), &layout, 1}, {b.data(), &layout, 1}, workspace);
    std::swap(a, b);
  }
  keep(steps);
  return film;
}

template <class T>
void write_swarm_media(const std::filesystem::path& folder, const Exec& exec, const System<T>& system,
                       const std::vector<T>& params, const Trajectory& data, const MediaOptions& options) {
  const Layout layout = system.state_layout(data.grid);
  const int zoom = zoom_for(data.grid);
  std::vector<Image> targets;
  for (const auto& frame : data.frames) {
    Planes ink(1, data.grid.h, data.grid.w);
    ink.values = ink_of(frame, data.channels, data.name);
    targets.push_back(field_picture(ink, 0, {0, 1}, ColourMap::magma, zoom));
  }
  write_png(folder / "target.png", tile(targets, int(targets.size()), 4));

  const int every = std::max(1, options.steps / std::max(1, options.animation));
  const auto film = film_swarm(exec, system, params, layout, swarm_start<T>(layout, &data, options.seed, 0),
                               options.steps, every, options.seed, options.iteration);
  const double high = bright_value(layout, film.states);
  std::vector<Image> frames;
  for (const auto& state : film.states) frames.push_back(swarm_picture(layout, state, high, zoom));
  write_gif(folder / "swarm.gif", frames);
  std::vector<Image> strip;
  const int count = std::min(options.strip, int(frames.size()));
  for (int k = 0; k < count; ++k)
    strip.push_back(frames[std::size_t(k * (int(frames.size()) - 1) / std::max(1, count - 1))]);
  write_png(folder / "swarm.png", tile(strip, int(strip.size()), 4));
}

#define MG_INSTANTIATE(T)                                                                                             \
  template std::vector<T> swarm_start(const Layout&, const Trajectory*, std::uint64_t, int);                          \
  template SwarmFilm film_swarm(const Exec&, const System<T>&, const std::vector<T>&, const Layout&,                  \
                                const std::vector<T>&, int, int, std::uint64_t, std::int64_t);                        \
  template void write_swarm_media(const std::filesystem::path&, const Exec&, const System<T>&, const std::vector<T>&, \
                                  const Trajectory&, const MediaOptions&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train
