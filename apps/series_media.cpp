#include "apps/series_media.hpp"

#include <algorithm>
#include <cmath>

#include "apps/recorder.hpp"
#include "apps/trajectory.hpp"
#include "core/field_picture.hpp"
#include "core/log.hpp"
#include "core/png.hpp"
#include "train/samples.hpp"

namespace mg::apps {

namespace fs = std::filesystem;

namespace {

constexpr int kColumns = 8, kShown = 4, kSide = 256, kWidth = 1400;

/// Rolls `system` from the first frame of `data` over `times`.
template <class T>
TrajectoryReport predict(const Exec& exec, const System<T>& system, const std::vector<T>& params,
                         const train::Trajectory& data, const std::vector<double>& times, std::uint64_t seed,
                         std::int64_t sample, const FrameSink<T>& sink) {
  std::vector<T> start, conditions;
  const int channels = system.state_layout(data.grid).blocks().front().dims.at(0);
  train::append_state(data, 0, channels, start);
  const Layout layout = system.condition_layout(data.grid);
  if (data.boundary.empty())
    conditions.resize(layout.size());
  else
    train::append_conditions(data, layout, 1, conditions);
  return roll_times<T>(exec, system, data.grid, params, conditions, start, times, seed, sample, sink);
}

/// Target, prediction and their difference as channels 3 c, 3 c + 1, 3 c + 2.
Planes beside(const std::vector<float>& target, const Planes& prediction, int shown) {
  Planes out(3 * shown, prediction.h, prediction.w);
  const std::size_t plane = std::size_t(prediction.h) * prediction.w;
  for (int c = 0; c < shown; ++c) {
    const float* wanted = target.data() + std::size_t(c) * plane;
    std::copy_n(wanted, plane, out.plane(3 * c));
    std::copy_n(prediction.plane(c), plane, out.plane(3 * c + 1));
    for (std::size_t k = 0; k < plane; ++k) out.plane(3 * c + 2)[k] = prediction.plane(c)[k] - wanted[k];
  }
  return reduced(out, kSide);
}

void write_comparison(const fs::path& file, const std::vector<Planes>& states, const std::vector<std::string>& notes,
                      int shown) {
  FieldStyle style;
  style.zoom = std::clamp(kWidth / (int(states.size()) * states.front().w), 1, 8);
  std::vector<Image> parts;
  for (int c = 0; c < shown; ++c) {
    const std::string name = "channel " + std::to_string(c) + ", ";
    style.names.resize(std::size_t(3 * shown));
    style.ranges.assign(std::size_t(3 * shown), {});
    style.names[std::size_t(3 * c)] = name + "target";
    style.names[std::size_t(3 * c + 1)] = name + "prediction";
    style.names[std::size_t(3 * c + 2)] = name + "prediction - target";
    const ValueRange range = value_range(states, 3 * c);
    style.ranges[std::size_t(3 * c)] = style.ranges[std::size_t(3 * c + 1)] = range;
    style.map = ColourMap::viridis;
    style.notes.clear();
    parts.push_back(field_table(states, {3 * c, 3 * c + 1}, style));
    style.map = ColourMap::diverging;
    style.ranges[std::size_t(3 * c + 2)] = value_range(states, 3 * c + 2, style.map);
    style.notes = notes;
    parts.push_back(field_table(states, {3 * c + 2}, style));
  }
  write_png(file, tile(parts, 1, 0));
}

}  // namespace

std::vector<double> times_of(const train::Trajectory& data) {
  if (!data.times.empty()) return data.times;
  std::vector<double> times;
  for (std::size_t k = 0; k < data.frames.size(); ++k) times.push_back(double(k));
  return times;
}

train::Trajectory in_steps(train::Trajectory data, int steps_per_frame) {
  data.times.clear();
  for (std::size_t k = 0; k < data.frames.size(); ++k) data.times.push_back(double(k) * steps_per_frame);
  return data;
}

template <class T>
void write_weights(const fs::path& file, const Layout& layout, const std::vector<T>& params) {
  std::vector<Image> parts;
  for (const auto& block : layout.blocks()) {
    if (block.size < 2 || block.size > 1000000) continue;
    int rows = block.dims.at(0);
    int columns = int(block.size) / std::max(rows, 1);
    if (columns == 1) std::swap(rows, columns);  // a vector lies on its side
    Planes planes(1, rows, columns);
    for (std::size_t k = 0; k < block.size; ++k) planes.values[k] = float(params[block.offset + k]);
    FieldStyle style;
    style.map = ColourMap::diverging;
    style.zoom = std::clamp(320 / std::max(rows, columns), 1, 16);
    style.names = {block.name};
    parts.push_back(field_table({planes}, {0}, style));
  }
  if (parts.empty()) return;
  write_png(file, tile(parts, std::min(3, int(parts.size())), 6));
}

template <class T>
void write_series_media(const fs::path& folder, const Exec& exec, const System<T>& system, const std::vector<T>& params,
                        const train::Trajectory& data, std::uint64_t seed) {
  const auto times = times_of(data);
  const int frames = int(times.size()), shown = std::min(data.channels, kShown);
  const int channels = system.state_layout(data.grid).blocks().front().dims.at(0);
  std::vector<int> picked;
  for (int k = 0; k < std::min(frames, kColumns); ++k)
    picked.push_back(int((long long)(k) * (frames - 1) / std::max(1, std::min(frames, kColumns) - 1)));
  std::vector<double> longer = times;
  for (int k = 1; k < frames; ++k) longer.push_back(times.back() + times[std::size_t(k)] - times.front());
  RecorderOptions options;
  options.outputs = {(folder / "prediction.png").string(), (folder / "prediction.gif").string()};
  Recorder recorder(options, channels, data.grid, longer);
  std::vector<Planes> states;
  std::vector<std::string> notes;
  const auto way =
      predict<T>(exec, system, params, data, longer, seed, 0, [&](int index, double time, const std::vector<T>& frame) {
        recorder.add(index, time, frame);
        if (std::find(picked.begin(), picked.end(), index) == picked.end()) return;
        Planes p(channels, data.grid.h, data.grid.w);
        std::copy(frame.begin(), frame.end(), p.values.begin());
        states.push_back(beside(data.frames[std::size_t(index)], p, shown));
        char note[32];
        std::snprintf(note, sizeof note, "t = %.4g", time);
        notes.emplace_back(note);
      });
  if (!way.problem.empty()) log::warn("the prediction ends early: {}", way.problem);
  if (!states.empty()) write_comparison(folder / "compare.png", states, notes, shown);
  recorder.finish();
  write_weights(folder / "weights.png", system.param_layout(), params);
}

template <class T>
SeriesError series_error(const Exec& exec, const System<T>& system, const std::vector<T>& params,
                         const train::Trajectory& data, std::uint64_t seed, std::int64_t sample) {
  SeriesError error;
  const std::size_t plane = std::size_t(data.grid.h) * data.grid.w;
  const auto way = predict<T>(exec, system, params, data, times_of(data), seed, sample,
                              [&](int index, double time, const std::vector<T>& frame) {
                                if (index == 0) return;
                                const auto& target = data.frames[std::size_t(index)];
                                double squares = 0, spread = 0;
                                for (int c = 0; c < data.channels; ++c) {
                                  double mean = 0;
                                  for (std::size_t k = 0; k < plane; ++k)
                                    mean += double(target[std::size_t(c) * plane + k]) / double(plane);
                                  for (std::size_t k = std::size_t(c) * plane; k < (std::size_t(c) + 1) * plane; ++k) {
                                    squares += std::pow(double(frame[k]) - double(target[k]), 2);
                                    spread += std::pow(double(target[k]) - mean, 2);
                                  }
                                }
                                error.times.push_back(time);
                                error.rms.push_back(std::sqrt(squares / double(target.size())));
                                error.target_rms.push_back(std::sqrt(spread / double(target.size())));
                              });
  error.problem = way.problem;
  return error;
}

#define MG_INSTANTIATE(T)                                                                                           \
  template void write_weights(const fs::path&, const Layout&, const std::vector<T>&);                               \
  template void write_series_media(const fs::path&, const Exec&, const System<T>&, const std::vector<T>&,           \
                                   const train::Trajectory&, std::uint64_t);                                        \
  template SeriesError series_error(const Exec&, const System<T>&, const std::vector<T>&, const train::Trajectory&, \
                                    std::uint64_t, std::int64_t);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::apps
