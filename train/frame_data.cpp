#include "train/frame_data.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "core/array_file.hpp"
#include "core/error.hpp"
#include "core/png.hpp"
#include "core/times.hpp"

namespace mg::train {
namespace fs = std::filesystem;
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Variants rescale_variants() {
  return {{"none", Schema("no rescaling", "Values as they are")},
          {"minmax", Schema("minmax", "Smallest and largest value of the data become low and high")
                         .number("low", 0, {-1e30, 1e30}, "what the smallest value becomes")
                         .number("high", 1, {-1e30, 1e30}, "what the largest value becomes")
                         .choice("per", "channel", {"channel", "all"}, "smallest and largest of what")},
          {"affine", Schema("affine", "value scale + shift")
                         .number("scale", 1, {-1e30, 1e30}, "factor")
                         .number("shift", 0, {-1e30, 1e30}, "summand")}};
}

void require_finite(const Trajectory& t) {
  const std::size_t plane = std::size_t(t.grid.h) * t.grid.w;
  for (std::size_t k = 0; k < t.frames.size(); ++k)
    for (std::size_t i = 0; i < t.frames[k].size(); ++i)
      if (!std::isfinite(t.frames[k][i]))
        throw DataError(t.name + ": a value that is not finite in frame " + std::to_string(k) + ", channel " +
                        std::to_string(i / plane) + ", row " + std::to_string(i % plane / std::size_t(t.grid.w)) +
                        ", column " + std::to_string(i % std::size_t(t.grid.w)));
}

void pick_channels(const Config& config, Trajectory& t) {
  if (!config.has("channels")) return;
  const auto wanted = config.get<std::vector<int>>("channels");
  const std::size_t plane = std::size_t(t.grid.h) * t.grid.w;
  for (const int c : wanted)
    if (c >= t.channels)
      config.fail("channels", "channel " + std::to_string(c) + ", but " + t.name + " has " +
                                  std::to_string(t.channels) + " (0.." + std::to_string(t.channels - 1) + ")");
  for (auto& frame : t.frames) {
    std::vector<float> kept;
    for (const int c : wanted)
      kept.insert(kept.end(), frame.begin() + std::ptrdiff_t(std::size_t(c) * plane),
                  frame.begin() + std::ptrdiff_t((std::size_t(c) + 1) * plane));
    frame = std::move(kept);
  }
  t.channels = int(wanted.size());
}

void keep_every(const Config& config, Trajectory& t) {
  const auto stride = config.get<std::size_t>("stride");
  std::size_t kept = 0;
  for (std::size_t k = 0; k < t.frames.size(); k += stride, ++kept) {
    if (k != kept) t.frames[kept] = std::move(t.frames[k]);
    if (!t.times.empty()) t.times[kept] = t.times[k];
  }
  t.frames.resize(kept);
  if (!t.times.empty()) t.times.resize(kept);
  if (kept < 2)
    config.fail("stride", t.name + " keeps " + std::to_string(kept) + " frame; a series needs at least two");
}

/// x -> scale x + shift of one channel.
struct Affine {
  double scale = 1, shift = 0;
};

std::vector<Affine> rescaling(const Config& rescale, const std::vector<Trajectory>& data) {
  const std::size_t channels = std::size_t(data.front().channels);
  if (rescale.type() == "affine")
    return std::vector<Affine>(channels, {rescale.get<double>("scale"), rescale.get<double>("shift")});
  std::vector<double> low(channels, kInfinity), high(channels, -kInfinity);
  for (const auto& t : data) {
    const std::size_t plane = std::size_t(t.grid.h) * t.grid.w;
    for (const auto& frame : t.frames)
      for (std::size_t i = 0; i < frame.size(); ++i) {
        low[i / plane] = std::min(low[i / plane], double(frame[i]));
        high[i / plane] = std::max(high[i / plane], double(frame[i]));
      }
  }
  if (rescale.get<std::string>("per") == "all") {
    std::fill(low.begin(), low.end(), *std::min_element(low.begin(), low.end()));
    std::fill(high.begin(), high.end(), *std::max_element(high.begin(), high.end()));
  }
  const auto to_low = rescale.get<double>("low"), to_high = rescale.get<double>("high");
  std::vector<Affine> maps(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    if (!(high[c] > low[c]))
      throw DataError(data.front().name + ": channel " + std::to_string(c) + " is constant and cannot be rescaled");
    maps[c].scale = (to_high - to_low) / (high[c] - low[c]);
    maps[c].shift = to_low - low[c] * maps[c].scale;
  }
  return maps;
}

void apply_rescale(const Config& rescale, std::vector<Trajectory>& data) {
  if (rescale.type() == "none") return;
  const auto maps = rescaling(rescale, data);
  for (auto& t : data) {
    const std::size_t plane = std::size_t(t.grid.h) * t.grid.w;
    for (auto& frame : t.frames)
      for (std::size_t i = 0; i < frame.size(); ++i) {
        const Affine& map = maps[i / plane];
        frame[i] = float(map.scale * double(frame[i]) + map.shift);
      }
  }
}

void set_times(const Config& config, std::vector<double> times, Trajectory& t) {
  if (config.has("times")) times = read_times(config.at("times"));
  if (times.empty()) return;
  if (times.size() != t.frames.size())
    throw DataError(t.name + ": " + std::to_string(times.size()) + " times for " + std::to_string(t.frames.size()) +
                    " frames");
  for (std::size_t k = 0; k < times.size(); ++k)
    if (!std::isfinite(times[k]) || (k > 0 && !(times[k] > times[k - 1])))
      throw DataError(t.name + ": times must increase, but time " + std::to_string(k) + " is " +
                      std::to_string(times[k]) + (k > 0 ? " after " + std::to_string(times[k - 1]) : ""));
  t.times = std::move(times);
}

std::vector<Trajectory> load_array(const Config& config) {
  const std::string file = config.get<std::string>("file"), times_key = config.get<std::string>("times_key");
  const Tensor tensor = read_array(file, config.get<std::string>("key"));
  const std::size_t rank = tensor.shape.size();
  if (rank < 3 || rank > 5)
    throw DataError(file + ": an array of " + std::to_string(rank) +
                    " axes; expected (T, h, w), (T, C, h, w) or (B, T, C, h, w)");
  std::vector<std::size_t> shape = tensor.shape;
  if (rank == 3) shape.insert(shape.begin() + 1, 1);
  if (rank < 5) shape.insert(shape.begin(), 1);
  for (const std::size_t n : shape)
    if (n < 1 || n > 1000000000) throw DataError(file + ": an axis of " + std::to_string(n) + " elements");
  std::vector<double> times;
  if (fs::path(file).extension() == ".npz" && !config.has("times")) {
    const TensorFile all = read_npz(file);
    const std::string name = times_key.empty() ? "times" : times_key;
    if (all.contains(name) || !times_key.empty()) times = all.at(name).as_double();
  }
  const auto values = tensor.as_double();
  const std::size_t size = shape[2] * shape[3] * shape[4];
  std::vector<Trajectory> data(shape[0]);
  for (std::size_t b = 0; b < shape[0]; ++b) {
    data[b].name = shape[0] > 1 ? file + ", trajectory " + std::to_string(b) : file;
    data[b].channels = int(shape[2]);
    data[b].grid = {int(shape[3]), int(shape[4])};
    for (std::size_t t = 0; t < shape[1]; ++t) {
      const auto begin = values.begin() + std::ptrdiff_t((b * shape[1] + t) * size);
      data[b].frames.emplace_back(begin, begin + std::ptrdiff_t(size));
    }
    set_times(config, times, data[b]);
  }
  return data;
}

/// Names in the order a person expects: frame2 before frame10.
bool natural_less(const std::string& a, const std::string& b) {
  std::size_t i = 0, j = 0;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  while (i < a.size() && j < b.size()) {
    if (digit(a[i]) && digit(b[j])) {
      std::size_t p = i, q = j;
      while (i < a.size() && digit(a[i])) ++i;
      while (j < b.size() && digit(b[j])) ++j;
      while (p < i && a[p] == '0') ++p;
      while (q < j && b[q] == '0') ++q;
      if (i - p != j - q) return i - p < j - q;
      if (const int order = a.compare(p, i - p, b, q, j - q); order != 0) return order < 0;
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i, ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

std::vector<std::string> pictures_in(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->path().extension() == ".png") files.push_back(it->path().string());
  if (error) throw DataError(folder + ": " + error.message());
  if (files.empty()) throw DataError(folder + ": holds no .png file");
  std::sort(files.begin(), files.end(), natural_less);
  return files;
}

std::vector<float> colours_of(const Image& rgba, const std::string& colours) {
  if (colours == "rgba") return to_planes(rgba).values;
  Planes rgb = to_planes(over_white(rgba));
  if (colours == "rgb") return rgb.values;
  std::vector<float> grey(rgb.values.begin(), rgb.values.begin() + std::ptrdiff_t(rgb.h) * rgb.w);
  for (std::size_t k = 0; k < grey.size(); ++k)
    grey[k] = 0.299F * rgb.plane(0)[k] + 0.587F * rgb.plane(1)[k] + 0.114F * rgb.plane(2)[k];
  return grey;
}

Trajectory load_stack(const Config& config, const std::string& name, const std::vector<std::string>& files) {
  const std::string colours = config.get<std::string>("colours");
  Trajectory t;
  t.name = name;
  t.channels = colours == "grey" ? 1 : colours == "rgb" ? 3 : 4;
  for (const auto& file : files) {
    Image image;
    try {
      image = read_png(file);
    } catch (const IoError& error) {
      throw DataError(error.what());
    }
    if (t.frames.empty()) t.grid = {image.h, image.w};
    if (image.h != t.grid.h || image.w != t.grid.w)
      throw DataError(file + ": " + std::to_string(image.h) + " x " + std::to_string(image.w) + " pixels, but " +
                      files.front() + " has " + std::to_string(t.grid.h) + " x " + std::to_string(t.grid.w));
    t.frames.push_back(colours_of(image, colours));
  }
  set_times(config, {}, t);
  return t;
}

std::vector<Trajectory> load_stacks(const Config& config) {
  const auto folders = config.get<std::vector<std::string>>("folders");
  const auto files = config.get<std::vector<std::string>>("files");
  if (folders.empty() == files.empty()) config.fail("", "give either \"folders\" or \"files\"");
  std::vector<Trajectory> data;
  for (const auto& folder : folders) data.push_back(load_stack(config, folder, pictures_in(folder)));
  if (!files.empty()) data.push_back(load_stack(config, files.front(), files));
  return data;
}

/// Picture and label: two frames, of which the second holds the label everywhere.
std::vector<Trajectory> load_labelled(const Config& config) {
  const auto file = config.get<std::string>("pictures"), labels_file = config.get<std::string>("labels");
  const Tensor pictures = read_idx(file), labels = read_idx(labels_file);
  if (pictures.shape.size() != 3 || labels.shape.size() != 1 || pictures.shape[0] != labels.shape[0] ||
      pictures.size() == 0)
    throw DataError(file + ": pictures (n, h, w) and as many labels (n) are wanted, " + labels_file + " has " +
                    std::to_string(labels.size()));
  const auto limit = config.get<std::size_t>("limit");
  const std::size_t count = limit > 0 ? std::min(limit, pictures.shape[0]) : pictures.shape[0];
  const std::size_t plane = pictures.shape[1] * pictures.shape[2];
  const auto values = pictures.as_double(), classes = labels.as_double();
  std::vector<Trajectory> data(count);
  for (std::size_t n = 0; n < count; ++n) {
    data[n].name = file + ", picture " + std::to_string(n);
    data[n].channels = 1;
    data[n].grid = {int(pictures.shape[1]), int(pictures.shape[2])};
    std::vector<float> picture(plane);
    for (std::size_t i = 0; i < plane; ++i) picture[i] = float(values[n * plane + i] / 255);
    data[n].frames = {std::move(picture), std::vector<float>(plane, float(classes[n]))};
  }
  return data;
}

}  // namespace

Schema with_frame_options(Schema schema) {
  schema
      .list("channels", element::integer({0, 65535}), std::nullopt, "channels kept, in this order; null = all", 1,
            65536)
      .nullable()
      .integer("stride", 1, {1, 1000000}, "every stride-th frame is kept, the first included")
      .variant("rescale", rescale_variants(), "none", "how values are mapped")
      .integer("append_zeros", 0, {0, 1024}, "further channels, of zeros, that count as observed")
      .integer("copies", 1, {1, 4096}, "copies of every trajectory, next to each other");
  return schema;
}

void apply_frame_options(const Config& config, std::vector<Trajectory>& data) {
  for (auto& t : data) {
    pick_channels(config, t);
    require_finite(t);
    if (t.channels != data.front().channels)
      throw DataError(t.name + ": " + std::to_string(t.channels) + " channels, but " + data.front().name + " has " +
                      std::to_string(data.front().channels));
  }
  apply_rescale(config.at("rescale"), data);
  for (auto& t : data) keep_every(config, t);
  const int zeros = config.get<int>("append_zeros"), copies = config.get<int>("copies");
  std::vector<Trajectory> all;
  for (auto& t : data) {
    t.channels += zeros;
    for (auto& frame : t.frames) frame.resize(std::size_t(t.channels) * t.grid.h * t.grid.w);
    all.insert(all.end(), std::size_t(copies), t);
  }
  data = std::move(all);
}

Variants frame_data_variants() {
  Schema array("array", "A time series from a file: an array (T, h, w), (T, C, h, w) or (B, T, C, h, w)");
  array.path("file", std::nullopt, ".npy or .npz file")
      .text("key", "", "name of the array in an .npz file; empty: \"states\", or the only one")
      .text("times_key", "", "name of the array of times in an .npz file; empty: \"times\" if there is one")
      .variant("times", times_variants(), std::nullopt, "times of the frames, in place of those of the file")
      .nullable();
  Schema stack("stack", "Time series of pictures: the .png files of a folder in natural order");
  stack.list("folders", element::path(), nlohmann::json::array(), "one folder for each trajectory", 0, 100000)
      .list("files", element::path(), nlohmann::json::array(), "the frames of one trajectory, instead of folders", 0,
            1000000)
      .choice("colours", "grey", {"grey", "rgb", "rgba"}, "channels of a picture, in [0, 1]")
      .variant("times", times_variants(), std::nullopt, "times of the frames; null = 0, 1, 2, ...")
      .nullable();
  Schema idx("idx", "Labelled pictures in the IDX format, that of the MNIST digits; values 0 .. 255 become 0 .. 1");
  idx.path("pictures", std::nullopt, "array (n, h, w) of bytes")
      .path("labels", std::nullopt, "array (n) of bytes")
      .integer("limit", 0, {0, 1 << 30}, "only the first so many; 0 = all");
  return {{"array", with_frame_options(std::move(array))},
          {"stack", with_frame_options(std::move(stack))},
          {"idx", std::move(idx)}};
}

std::vector<Trajectory> load_frame_data(const Config& config) {
  if (config.type() == "idx") return load_labelled(config);
  auto data = config.type() == "array" ? load_array(config) : load_stacks(config);
  apply_frame_options(config, data);
  return data;
}

}  // namespace mg::train
