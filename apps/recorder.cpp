#include "apps/recorder.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "apps/bounds.hpp"
#include "core/error.hpp"
#include "core/gif.hpp"
#include "core/png.hpp"

namespace mg::apps {

namespace fs = std::filesystem;

namespace {

constexpr int kMostFilm = 100, kStrip = 8, kSide = 256, kMostLines = 512, kShown = 4;
constexpr int kStripWidth = 1400, kFinalWidth = 1100, kFilmWidth = 640;  // [pixels]

std::string time_note(double t) {
  char text[32];
  std::snprintf(text, sizeof text, "t = %.4g", t);
  return text;
}

/// `count` of 0 .. n-1, spread evenly, both ends included.
std::vector<std::size_t> spread(std::size_t n, int count) {
  std::vector<std::size_t> picked;
  const auto most = std::min(n, std::size_t(count));
  for (std::size_t k = 0; k < most; ++k) picked.push_back(most == 1 ? n - 1 : k * (n - 1) / (most - 1));
  return picked;
}

/// Whether frame `index` of `total` is one of about `most` evenly spread ones, the last included.
bool picks(int index, int total, int most) {
  if (total <= most || index == total - 1) return true;
  return (long long)(index) * (most - 1) / (total - 1) != (long long)(index - 1) * (most - 1) / (total - 1) ||
         index == 0;
}

}  // namespace

Recorder::Recorder(RecorderOptions options, int channels, Grid grid, const std::vector<double>& times)
    : options_(std::move(options)), channels_(channels), grid_(grid), times_(times) {
  if (options_.channels.empty())
    for (int c = 0; c < std::min(channels, kShown); ++c) options_.channels.push_back(c);
  for (const int c : options_.channels)
    if (c < 0 || c >= channels)
      throw Error(ExitCode::usage,
                  "--channels: no channel " + std::to_string(c) + " (0.." + std::to_string(channels - 1) + ")");
  lines_.resize(options_.channels.size());
  if (options_.zoom > 0) require_drawable(grid, int(options_.channels.size()), options_.zoom);
  plan_files();
}

void Recorder::plan_files() {
  for (const auto& output : options_.outputs) {
    const std::string extension = fs::path(output).extension().string();
    if (extension == ".png") files_.push_back({output, "strip"});
    if (extension == ".gif") files_.push_back({output, "film"});
    if (extension == ".npz") files_.push_back({output, "numbers"});
    std::error_code error;
    if (extension == ".png" || extension == ".gif" || extension == ".npz") {
      const fs::path folder = fs::absolute(output).parent_path();
      if (!fs::is_directory(folder, error)) throw IoError(output + ": no folder " + folder.string());
      continue;
    }
    if (!extension.empty() && output.back() != '/')
      throw Error(ExitCode::usage, "-o " + output + ": expected .png, .gif, .npz or a folder");
    fs::create_directories(output, error);
    if (error) throw IoError(output + ": cannot be created: " + error.message());
    for (const auto& [name, kind] : {std::pair{"strip.png", "strip"},
                                     {"final.png", "final"},
                                     {"film.gif", "film"},
                                     {"kymograph.png", "kymograph"},
                                     {"states.npz", "numbers"}})
      files_.push_back({(fs::path(output) / name).string(), kind});
  }
  for (const auto& file : files_) {
    if (file.kind != "numbers") continue;
    if (numbers_) throw Error(ExitCode::usage, "only one .npz file at a time");
    numbers_ = std::make_unique<NpzWriter>(file.path);
    numbers_->add("times", {times_.size()}, times_.data());
    numbers_->begin("states", "F32",
                    {times_.size(), std::size_t(channels_), std::size_t(grid_.h), std::size_t(grid_.w)});
  }
}

template <class T>
void Recorder::add(int index, double time, const std::vector<T>& frame) {
  Planes state(channels_, grid_.h, grid_.w);
  std::copy(frame.begin(), frame.end(), state.values.begin());
  if (numbers_) numbers_->append(state.values.data(), state.values.size() * sizeof(float));
  const int total = int(times_.size());
  if (picks(index, total, kMostFilm)) {
    kept_.push_back(reduced(state, kSide));
    kept_times_.push_back(time);
  }
  if (picks(index, total, kMostLines)) {
    for (std::size_t k = 0; k < lines_.size(); ++k) {
      const float* row = state.plane(options_.channels[k]) + std::size_t(grid_.h / 2) * grid_.w;
      lines_[k].emplace_back(row, row + grid_.w);
    }
    line_times_.push_back(time);
  }
  const auto [low, high] = std::minmax_element(frame.begin(), frame.end());
  low_ = double(*low);
  high_ = double(*high);
  last_ = std::move(state);
  last_time_ = time;
  ++frames_;
}

std::vector<ValueRange> Recorder::ranges() const {
  std::vector<ValueRange> all;
  for (int c = 0; c < channels_; ++c)
    all.push_back(options_.range ? *options_.range : value_range(kept_, c, options_.map));
  return all;
}

int Recorder::picture_zoom(int room, int columns) const {
  if (options_.zoom > 0) return options_.zoom;
  return std::clamp(room / std::max(1, columns * kept_.front().w), 1, 8);
}

void Recorder::write_film(const std::string& path) const {
  FieldStyle style{options_.map, picture_zoom(kFilmWidth, int(options_.channels.size())), {}, ranges(), {}};
  std::vector<Image> frames;
  for (std::size_t k = 0; k < kept_.size(); ++k) {
    std::vector<Image> tiles;
    for (const int c : options_.channels)
      tiles.push_back(field_picture(kept_[k], c, style.ranges[std::size_t(c)], style.map, style.zoom));
    frames.push_back(tile(tiles, int(tiles.size()), 3));
  }
  write_gif(path, frames);
}

void Recorder::write_kymograph(const std::string& path) const {
  std::vector<Image> parts;
  char note[64];
  std::snprintf(note, sizeof note, "middle row, t = %.4g to %.4g", line_times_.front(), line_times_.back());
  const int zoom = std::clamp(2 * kSide / std::max(grid_.w, 1), 1, 4);
  for (std::size_t k = 0; k < lines_.size(); ++k) {
    const int c = options_.channels[k];
    parts.push_back(
        kymograph(lines_[k], "channel " + std::to_string(c), note, ranges()[std::size_t(c)], options_.map, zoom));
  }
  write_png(path, tile(parts, int(parts.size()), 3));
}

void Recorder::write_strip(const std::string& path) const {
  FieldStyle style{options_.map, 1, {}, ranges(), {}};
  std::vector<Planes> states;
  for (const std::size_t k : spread(kept_.size(), kStrip)) {
    states.push_back(kept_[k]);
    style.notes.push_back(time_note(kept_times_[k]));
  }
  style.zoom = picture_zoom(kStripWidth, int(states.size()));
  write_png(path, field_table(states, options_.channels, style));
}

/// The last frame as it is, each channel over its own range.
void Recorder::write_final(const std::string& path) const {
  const int shown = int(options_.channels.size()), columns = shown < 4 ? shown : (shown + 1) / 2;
  FieldStyle style{options_.map, options_.zoom, {}, {}, {time_note(last_time_)}};
  if (style.zoom == 0) style.zoom = std::clamp(kFinalWidth / std::max(1, columns * grid_.w), 1, 8);
  if (options_.range) style.ranges = ranges();
  std::vector<Image> parts;
  for (const int c : options_.channels) parts.push_back(field_table({last_}, {c}, style));
  write_png(path, tile(parts, columns, 3));
}

void Recorder::end_numbers() {
  const std::vector<float> missing(std::size_t(channels_) * std::size_t(grid_.h) * std::size_t(grid_.w),
                                   std::numeric_limits<float>::quiet_NaN());
  for (int k = frames_; k < int(times_.size()); ++k) numbers_->append(missing.data(), missing.size() * sizeof(float));
  const auto reached = double(frames_);
  numbers_->add("frames", {}, &reached);
  numbers_->finish();
}

std::vector<std::string> Recorder::finish() {
  std::vector<std::string> written;
  for (const auto& file : files_) {
    if (file.kind != "numbers" && kept_.empty()) continue;  // not even the start was finite
    if (file.kind == "numbers") end_numbers();
    if (file.kind == "strip") write_strip(file.path);
    if (file.kind == "final") write_final(file.path);
    if (file.kind == "film") write_film(file.path);
    if (file.kind == "kymograph") write_kymograph(file.path);
    written.push_back(file.path);
  }
  return written;
}

template void Recorder::add(int, double, const std::vector<float>&);
template void Recorder::add(int, double, const std::vector<double>&);

TrajectoryWriter::TrajectoryWriter(const std::string& path, int samples, int channels, Grid grid,
                                   const std::vector<double>& times, bool double_precision)
    : writer_(path),
      times_(times),
      frame_size_(std::size_t(channels) * std::size_t(grid.h) * std::size_t(grid.w)),
      double_(double_precision) {
  writer_.add("times", {times.size()}, times.data());
  writer_.begin("states", double_ ? "F64" : "F32",
                {std::size_t(samples), times.size(), std::size_t(channels), std::size_t(grid.h), std::size_t(grid.w)});
}

void TrajectoryWriter::end_trajectory() {
  const auto missing = [&](auto nan) {
    const std::vector<decltype(nan)> frame(frame_size_, nan);
    while (frames_ < int(times_.size())) add(frame);
  };
  if (double_)
    missing(std::numeric_limits<double>::quiet_NaN());
  else
    missing(std::numeric_limits<float>::quiet_NaN());
  frames_ = 0;
}

void TrajectoryWriter::finish() { writer_.finish(); }

}  // namespace mg::apps
