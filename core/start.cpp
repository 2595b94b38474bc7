#include "core/start.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/array_file.hpp"
#include "core/image.hpp"
#include "core/philox.hpp"
#include "core/png.hpp"
#include "core/stencil.hpp"

namespace mg {

namespace {

constexpr NumberRange kValue{-1e30, 1e30};

Schema on_channels(Schema schema) {
  schema.list("channels", element::integer({0, 65535}), std::nullopt, "channels it acts on; null = all", 1, 65536);
  return schema.nullable();
}

/// A state while its layers are laid.
struct Canvas {
  int channels;
  Grid grid;
  std::vector<double> values;  // (channels, h, w)
  RandomStream random;         ///< of this layer

  std::size_t plane_size() const { return std::size_t(grid.h) * grid.w; }
  double* plane(int c) { return values.data() + std::size_t(c) * plane_size(); }
  Philox4 words(int channel, std::size_t cell) const {
    RandomStream stream = random;
    stream.step = std::uint32_t(channel);
    return stream.words(std::uint32_t(cell));
  }
};

int checked_channel(const Config& layer, const char* key, int channel, const Canvas& canvas) {
  if (channel >= canvas.channels)
    layer.fail(key, "channel " + std::to_string(channel) + ", but the model has " + std::to_string(canvas.channels) +
                        " (0.." + std::to_string(canvas.channels - 1) + ")");
  return channel;
}

std::vector<int> channels_of(const Config& layer, const Canvas& canvas) {
  std::vector<int> all;
  if (layer.has("channels")) {
    for (const int c : layer.get<std::vector<int>>("channels"))
      all.push_back(checked_channel(layer, "channels", c, canvas));
  } else {
    for (int c = 0; c < canvas.channels; ++c) all.push_back(c);
  }
  return all;
}

/// value(cell index, channel, old value) for every cell of the layer's channels.
template <class F>
void paint(const Config& layer, Canvas& canvas, const F& value) {
  for (const int c : channels_of(layer, canvas))
    for (std::size_t k = 0; k < canvas.plane_size(); ++k) canvas.plane(c)[k] = value(k, c, canvas.plane(c)[k]);
}

void constant(const Config& layer, Canvas& canvas) {
  const auto v = layer.get<double>("value");
  paint(layer, canvas, [&](std::size_t, int, double) { return v; });
}

void uniform(const Config& layer, Canvas& canvas) {
  const auto low = layer.get<double>("low"), high = layer.get<double>("high");
  if (!(high >= low)) layer.fail("high", "must not be below low");
  paint(layer, canvas,
        [&](std::size_t k, int c, double) { return low + (high - low) * uniform01<double>(canvas.words(c, k).v[0]); });
}

void noise(const Config& layer, Canvas& canvas) {
  const auto deviation = layer.get<double>("deviation");
  paint(layer, canvas, [&](std::size_t k, int c, double old) {
    const Philox4 w = canvas.words(c, k);
    double normal[2];
    normal2(w.v[0], w.v[1], normal);
    return old + deviation * normal[0];
  });
}

void smooth(const Config& layer, Canvas& canvas) {
  const std::string name = layer.get<std::string>("padding");
  const auto padding = Padding(std::find(std::begin(kPaddingNames), std::end(kPaddingNames), name) - kPaddingNames);
  const auto stencils = make_stencils<double>(padding, layer.get<int>("scale"));
  std::vector<double> out(canvas.plane_size());
  const Shape shape{1, 1, canvas.grid.h, canvas.grid.w};
  for (const int c : channels_of(layer, canvas))
    for (int pass = 0; pass < layer.get<int>("passes"); ++pass) {
      average<double>(Exec{}, stencils, {canvas.plane(c), shape}, {out.data(), shape});
      std::copy(out.begin(), out.end(), canvas.plane(c));
    }
}

void threshold(const Config& layer, Canvas& canvas) {
  const auto at = layer.get<double>("at"), above = layer.get<double>("above"), below = layer.get<double>("below");
  paint(layer, canvas, [&](std::size_t, int, double old) { return old > at ? above : below; });
}

void window(const Config& layer, Canvas& canvas) {
  const auto fraction = layer.get<double>("fraction"), outside = layer.get<double>("outside");
  const auto inside = [&](int k, int n) {
    const int margin = int(std::floor(n * (1 - fraction) / 2));
    return k >= margin && k < n - margin;
  };
  paint(layer, canvas, [&](std::size_t k, int, double old) {
    return inside(int(k) / canvas.grid.w, canvas.grid.h) && inside(int(k) % canvas.grid.w, canvas.grid.w) ? old
                                                                                                          : outside;
  });
}

void complement(const Config& layer, Canvas& canvas) {
  const int from = checked_channel(layer, "of", layer.get<int>("of"), canvas);
  const int to = checked_channel(layer, "channel", layer.get<int>("channel"), canvas);
  const auto sum = layer.get<double>("sum");
  for (std::size_t k = 0; k < canvas.plane_size(); ++k) canvas.plane(to)[k] = sum - canvas.plane(from)[k];
}

/// Squares with their centre in the middle (the first, unless all are scattered) or anywhere; they wrap round the lattice.
void squares(const Config& layer, Canvas& canvas) {
  const int count = layer.get<int>("count"), side = layer.get<int>("side");
  const auto value = layer.get<double>("value");
  const Grid grid = canvas.grid;
  if (side > std::min(grid.h, grid.w)) layer.fail("side", "larger than the lattice");
  for (int k = 0; k < count; ++k) {
    const Philox4 w = canvas.words(0, std::size_t(k));  // the same places in all channels
    const bool middle = !layer.get<bool>("scatter") && k == 0;
    const int y0 = middle ? (grid.h - side) / 2 : int(uniform_below(w.v[0], std::uint32_t(grid.h)));
    const int x0 = middle ? (grid.w - side) / 2 : int(uniform_below(w.v[1], std::uint32_t(grid.w)));
    for (const int c : channels_of(layer, canvas))
      for (int y = y0; y < y0 + side; ++y)
        for (int x = x0; x < x0 + side; ++x) canvas.plane(c)[std::size_t(y % grid.h) * grid.w + x % grid.w] = value;
  }
}

void disc(const Config& layer, Canvas& canvas) {
  const auto value = layer.get<double>("value"), radius = layer.get<double>("radius"), soft = layer.get<double>("soft");
  const auto centre = layer.get<std::vector<double>>("centre");
  const double y0 = centre[0] * canvas.grid.h, x0 = centre[1] * canvas.grid.w;
  paint(layer, canvas, [&](std::size_t k, int, double old) {
    const double dy = double(int(k) / canvas.grid.w) + 0.5 - y0, dx = double(int(k) % canvas.grid.w) + 0.5 - x0;
    const double r = std::sqrt(dy * dy + dx * dx);
    const double share = soft > 0 ? 0.5 * (1 - std::tanh((r - radius) / soft)) : (r <= radius ? 1.0 : 0.0);
    return old + (value - old) * share;
  });
}

void wave(const Config& layer, Canvas& canvas) {
  const auto amplitude = layer.get<double>("amplitude"), phase = layer.get<double>("phase");
  const auto periods = layer.get<std::vector<double>>("periods");
  paint(layer, canvas, [&](std::size_t k, int, double old) {
    const double y = double(int(k) / canvas.grid.w) / canvas.grid.h, x = double(int(k) % canvas.grid.w) / canvas.grid.w;
    return old + amplitude * std::cos(2 * std::numbers::pi * (periods[0] * y + periods[1] * x + phase));
  });
}

/// A picture's brightness over white ground, drawn into the middle.
void picture(const Config& layer, Canvas& canvas) {
  const std::string file = layer.get<std::string>("file");
  Image image = read_png(file);
  if (image.h > canvas.grid.h || image.w > canvas.grid.w) {
    const double ratio = std::min(double(canvas.grid.h) / image.h, double(canvas.grid.w) / image.w);
    image = shrink(image, std::max(1, int(image.h * ratio)), std::max(1, int(image.w * ratio)));
  }
  const Image rgb = over_white(image);
  const auto black = layer.get<double>("black"), white = layer.get<double>("white");
  const int y0 = (canvas.grid.h - rgb.h) / 2, x0 = (canvas.grid.w - rgb.w) / 2;
  for (const int c : channels_of(layer, canvas))
    for (int y = 0; y < rgb.h; ++y)
      for (int x = 0; x < rgb.w; ++x) {
        const std::uint8_t* p = rgb.at(y, x);
        const double light = (0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]) / 255;
        canvas.plane(c)[std::size_t(y + y0) * canvas.grid.w + x + x0] = black + (white - black) * light;
      }
}

using Lay = void (*)(const Config&, Canvas&);
struct Layer {
  const char* type;
  Lay lay;
  Schema schema;
};

std::vector<Layer> layers() {
  const auto pair = [](double a, double b) { return nlohmann::json::array({a, b}); };
  std::vector<std::string> paddings(std::begin(kPaddingNames), std::end(kPaddingNames));
  return {
      {"constant", constant,
       on_channels(Schema("constant", "One value everywhere")).number("value", std::nullopt, kValue, "the value")},
      {"uniform", uniform,
       on_channels(Schema("uniform", "Independent uniform numbers in every cell"))
           .number("low", 0, kValue, "lower end")
           .number("high", 1, kValue, "upper end")},
      {"noise", noise,
       on_channels(Schema("noise", "Adds independent normal numbers to what is there"))
           .number("deviation", std::nullopt, {0, 1e30}, "standard deviation")},
      {"smooth", smooth,
       on_channels(Schema("smooth", "Averages over neighbours with Gaussian weights"))
           .integer("scale", 1, {1, kMaxStencilScale}, "stencil of 2 scale + 1 cells, standard deviation scale / 2")
           .integer("passes", 1, {1, 10000}, "how often")
           .choice("padding", "CIRCULAR", paddings, "what lies outside of the lattice")},
      {"threshold", threshold,
       on_channels(Schema("threshold", "Two values: one above a level, one elsewhere"))
           .number("at", std::nullopt, kValue, "the level")
           .number("above", 1, kValue, "value of cells above it")
           .number("below", 0, kValue, "value of the others")},
      {"window", window,
       on_channels(Schema("window", "Keeps the middle of the lattice"))
           .number("fraction", 0.5, {0, 1}, "part of both axes that is kept")
           .number("outside", 0, kValue, "value of the other cells")},
      {"complement", complement,
       Schema("complement", "One channel becomes sum minus another")
           .integer("channel", std::nullopt, {0, 65535}, "channel that is written")
           .integer("of", std::nullopt, {0, 65535}, "channel that is subtracted")
           .number("sum", 1, kValue, "what both add up to")},
      {"squares", squares,
       on_channels(Schema("squares", "Seeds: squares of one value"))
           .integer("count", 1, {1, 100000}, "how many")
           .integer("side", std::nullopt, {1, 16384}, "side [cells]")
           .number("value", std::nullopt, kValue, "value inside")
           .boolean("scatter", false, "all at random places; else the first is in the middle")},
      {"disc", disc,
       on_channels(Schema("disc", "A disc of one value"))
           .list("centre", element::number({-10, 10}), pair(0.5, 0.5), "row and column, as parts of the lattice", 2, 2)
           .number("radius", std::nullopt, {0, 1e6}, "[cells]")
           .number("soft", 0, {0, 1e6}, "width of a tanh rim [cells]")
           .number("value", 1, kValue, "value inside")},
      {"wave", wave,
       on_channels(Schema("wave", "Adds amplitude cos(2 pi (periods . place + phase)), place in [0, 1)"))
           .number("amplitude", std::nullopt, kValue, "amplitude")
           .list("periods", element::number({-1e4, 1e4}), std::nullopt, "periods along rows and columns", 2, 2)
           .number("phase", 0, kValue, "phase [periods]")},
      {"image", picture,
       on_channels(Schema("image", "The brightness of a picture, in the middle; large ones are shrunk"))
           .path("file", std::nullopt, "PNG file")
           .number("black", 0, kValue, "value of black")
           .number("white", 1, kValue, "value of white")}};
}

/// The frame that an "array" names: (channels, h, w) of an array of rank 2 to 5.
struct Frame {
  Grid grid;
  int channels = 1, samples = 1;
  std::vector<double> values;
};
Frame array_frame(const Config& config, int sample) {
  const std::string file = config.get<std::string>("file");
  const Tensor tensor = read_array(file, config.get<std::string>("key"));
  const std::size_t rank = tensor.shape.size();
  if (rank < 2 || rank > 5)
    throw DataError(file + ": an array of " + std::to_string(rank) +
                    " axes; expected (h, w), (C, h, w), (T, C, h, w) or (B, T, C, h, w)");
  std::vector<std::size_t> shape(5 - rank, 1);
  shape.insert(shape.end(), tensor.shape.begin(), tensor.shape.end());
  for (const std::size_t n : shape)
    if (n < 1 || n > 1000000000) throw DataError(file + ": an axis of " + std::to_string(n) + " elements");
  Frame frame{{int(shape[3]), int(shape[4])}, int(shape[2]), int(shape[0]), {}};
  const int wanted = config.get<int>("frame"), t = wanted < 0 ? int(shape[1]) + wanted : wanted;
  if (t < 0 || t >= int(shape[1]))
    config.fail("frame", "frame " + std::to_string(wanted) + ", but " + file + " has " + std::to_string(shape[1]));
  if (sample < 0) return frame;
  const auto all = tensor.as_double();
  const std::size_t size = shape[2] * shape[3] * shape[4];
  const std::size_t at = (std::size_t(sample % frame.samples) * shape[1] + std::size_t(t)) * size;
  frame.values.assign(all.begin() + std::ptrdiff_t(at), all.begin() + std::ptrdiff_t(at + size));
  for (std::size_t k = 0; k < size; ++k)
    if (!std::isfinite(frame.values[k]))
      throw DataError(file + ": a value that is not finite at frame " + std::to_string(t) + ", channel " +
                      std::to_string(k / (shape[3] * shape[4])) + ", row " + std::to_string(k / shape[4] % shape[3]) +
                      ", column " + std::to_string(k % shape[4]));
  return frame;
}

Schema obstacle_schema() {
  return Schema("obstacle", "Cells that take no part")
      .choice("shape", "disc", {"disc", "rectangle"}, "what they form")
      .list("centre", element::number({-10, 10}), nlohmann::json::array({0.5, 0.5}),
            "row and column, as parts of the lattice", 2, 2)
      .number("radius", 4, {0, 1e6}, "of a disc [cells]")
      .list("sides", element::number({0, 1e6}), nlohmann::json::array({4, 4}),
            "of a rectangle, along rows and columns of cells [cells]", 2, 2);
}

}  // namespace

std::vector<double> make_obstacles(const Config& config) {
  if (config.type() == "array") return {};
  const auto all = config.list("obstacles");
  if (all.empty()) return {};
  const Grid grid = start_grid(config);
  std::vector<double> solid(std::size_t(grid.h) * std::size_t(grid.w));
  for (const Config& one : all) {
    const auto centre = one.get<std::vector<double>>("centre"), sides = one.get<std::vector<double>>("sides");
    const double radius = one.get<double>("radius");
    const bool disc = one.get<std::string>("shape") == "disc";
    for (int i = 0; i < grid.h; ++i)
      for (int j = 0; j < grid.w; ++j) {
        const double y = i + 0.5 - centre[0] * grid.h, x = j + 0.5 - centre[1] * grid.w;
        const bool inside =
            disc ? y * y + x * x <= radius * radius : std::abs(y) <= sides[0] / 2 && std::abs(x) <= sides[1] / 2;
        if (inside) solid[std::size_t(i) * std::size_t(grid.w) + std::size_t(j)] = 1;
      }
  }
  return solid;
}

Variants start_variants() {
  Variants variants;
  for (auto& layer : layers()) variants.emplace_back(layer.type, std::move(layer.schema));
  return {{"layers", Schema("layers", "A lattice of zeros on which layers are laid in order")
                         .list("size", element::integer({1, 65536}), nlohmann::json::array({64, 64}),
                               "rows and columns of the lattice", 2, 2)
                         .integer("samples", 1, {1, 100000}, "how many states, each with random numbers of its own")
                         .list("layers", element::variant(std::move(variants)), nlohmann::json::array(),
                               "what is laid, in order", 0, 1000)
                         .list("obstacles", element::object(obstacle_schema()), nlohmann::json::array(),
                               "cells that take no part, of a model with \"obstacles\"", 0, 1000)},
          {"array", Schema("array", "States from a file: an array (h, w), (C, h, w), (T, C, h, w) or (B, T, C, h, w)")
                        .path("file", std::nullopt, ".npy or .npz file")
                        .text("key", "", "name of the array in an .npz file; empty: \"states\", or the only one")
                        .integer("frame", -1, {-1000000000, 1000000000}, "which frame; -1 is the last")}};
}

Grid start_grid(const Config& config) {
  if (config.type() == "array") return array_frame(config, -1).grid;
  const auto size = config.get<std::vector<int>>("size");
  return {size[0], size[1]};
}

int start_samples(const Config& config) {
  return config.type() == "array" ? array_frame(config, -1).samples : config.get<int>("samples");
}

std::vector<double> make_start_state(const Config& config, int channels, std::uint64_t seed, int sample) {
  if (config.type() == "array") {
    Frame frame = array_frame(config, sample);
    if (frame.channels > channels)
      config.fail("file",
                  "has " + std::to_string(frame.channels) + " channels, the model has " + std::to_string(channels));
    frame.values.resize(std::size_t(channels) * frame.grid.h * frame.grid.w);
    return std::move(frame.values);
  }
  Canvas canvas{channels, start_grid(config), {}, {}};
  canvas.values.resize(std::size_t(channels) * canvas.plane_size());
  static const std::vector<Layer> known = layers();
  std::uint32_t number = 0;
  for (const Config& layer : config.list("layers")) {
    canvas.random = {.seed = seed,
                     .purpose = RandomPurpose::start,
                     .iteration = number++,
                     .step = 0,
                     .sample = std::uint32_t(sample)};
    for (const auto& one : known)
      if (layer.type() == one.type) one.lay(layer, canvas);
  }
  return std::move(canvas.values);
}

}  // namespace mg
