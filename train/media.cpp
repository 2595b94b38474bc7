#include "train/media.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/file.hpp"
#include "core/gif.hpp"
#include "core/plot.hpp"
#include "core/png.hpp"
#include "train/samples.hpp"

namespace mg::train {
namespace fs = std::filesystem;
namespace {

constexpr int kWidth = 1600;  // a strip is about as wide [pixels]

/// About `count` times from 0 to `steps`, both included.
std::vector<int> spread(int steps, int count) {
  std::vector<int> times;
  const int parts = std::clamp(count - 1, 1, std::max(steps, 1));
  for (int k = 0; k <= parts; ++k) times.push_back(int((long long)(steps)*k / parts));
  return times;
}

template <class T>
Planes planes_of(const Buffer<T>& state, const Block& block) {
  Planes planes(block.dims.at(0), block.dims.at(1), block.dims.at(2));
  const auto host = state.to_vector();
  std::copy_n(host.begin(), planes.values.size(), planes.values.begin());
  return planes;
}

/// States of the undisturbed rollout at `times`, which increase.
template <class T>
std::vector<Planes> roll(const Exec& exec, const System<T>& system, const std::vector<T>& params,
                         const Trajectory& data, const MediaOptions& options, const std::vector<int>& times) {
  const Layout layout = system.state_layout(data.grid), conditions = system.condition_layout(data.grid);
  const Block& block = layout.blocks().front();
  std::vector<T> start, masks;
  append_state(data, 0, block.dims.at(0), start);
  append_conditions(data, conditions, 1, masks);
  const Buffer<T> theta = uploaded(exec, params), mask = uploaded(exec, masks);
  Buffer<T> now = uploaded(exec, start), next(exec, start.size());
  Workspace workspace;
  StepIndex index;
  index.seed = options.seed;
  index.iteration = options.iteration;
  std::vector<Planes> states;
  for (int time : times) {
    for (; index.step < time; ++index.step, index.t += index.h) {
      system.step(exec, index, theta.data(), {mask.data(), &conditions, 1}, {now.data(), &layout, 1},
                  {next.data(), &layout, 1}, workspace);
      std::swap(now, next);
    }
    states.push_back(planes_of(now, block));
  }
  return states;
}

int picture_scale(int pixels, int room) { return std::clamp(room / std::max(pixels, 1), 1, 8); }

}  // namespace

template <class T>
void write_media(const fs::path& folder, const Exec& exec, const System<T>& system, const std::vector<T>& params,
                 const Trajectory& data, const MediaOptions& options) {
  std::vector<Planes> frames;
  std::vector<int> numbers;
  for (std::size_t t = 0; t < data.frames.size(); ++t) {
    Planes p(data.channels, data.grid.h, data.grid.w);
    p.values = data.frames[t];
    frames.push_back(std::move(p));
    numbers.push_back(int(t));
  }
  const auto strip = [&](const std::vector<Planes>& states, const std::vector<int>& times) {
    return growth_strip(states, times, data.channels, options.premultiplied,
                        picture_scale(data.grid.w, kWidth / int(states.size())));
  };
  write_png(folder / "target.png", strip(frames, numbers));

  const auto times = spread(options.steps, options.strip);
  const auto states = roll(exec, system, params, data, options, times);
  write_png(folder / "growth.png", strip(states, times));
  write_png(folder / "hidden.png", channel_tiles(states.back(), 0, picture_scale(data.grid.w, 200)));
  std::vector<Image> pictures;
  const auto film = roll(exec, system, params, data, options, spread(options.steps, options.animation));
  for (const auto& state : film)
    pictures.push_back(
        enlarge(state_picture(state, data.channels, options.premultiplied), picture_scale(data.grid.w, 400)));
  write_gif(folder / "growth.gif", pictures);
}

void write_loss_curve(const fs::path& folder, const fs::path& metrics) {
  Series loss{"loss", {}, {}}, total{"total", {}, {}};
  const std::string text = read_file(metrics, std::uint64_t(1) << 36);
  for (std::size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    auto record =
        nlohmann::json::parse(text.begin() + std::ptrdiff_t(at), text.begin() + std::ptrdiff_t(end), nullptr, false);
    if (!record.is_object() || !record["step"].is_number() || !record["loss"].is_number()) continue;
    for (Series* series : {&loss, &total}) {
      if (!record.contains(series->name) || !record[series->name].is_number()) continue;
      series->x.push_back(record["step"].get<double>());
      series->y.push_back(record[series->name].get<double>());
    }
  }
  if (loss.x.size() < 2) return;
  PlotOptions options;
  options.title = "training loss";
  write_png(folder / "loss.png", plot_lines({loss, total}, options));
}

template void write_media<float>(const fs::path&, const Exec&, const System<float>&, const std::vector<float>&,
                                 const Trajectory&, const MediaOptions&);
template void write_media<double>(const fs::path&, const Exec&, const System<double>&, const std::vector<double>&,
                                  const Trajectory&, const MediaOptions&);

}  // namespace mg::train
