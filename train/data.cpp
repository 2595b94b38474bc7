#include "train/data.hpp"

#include <filesystem>

#include "core/emoji.hpp"
#include "core/error.hpp"
#include "core/png.hpp"
#include "train/frame_data.hpp"
#include "train/free_memory.hpp"

namespace mg::train {
namespace fs = std::filesystem;
namespace {

Schema frame_schema() {
  return Schema("frame", "One picture of a sequence: a PNG file or an emoji")
      .path("file", std::nullopt, "PNG file")
      .nullable()
      .text("emoji", std::nullopt, "code point as in U+1F98E, drawn from an installed colour-emoji font")
      .nullable();
}

Schema trajectory_schema() {
  return Schema("trajectory", "One sequence")
      .list("frames", element::object(frame_schema()), std::nullopt, "pictures of one size, in order", 1, 10000);
}

Variants seed_variants() {
  return {
      {"none", Schema("no seed", "The first frame is the start")},
      {"square", Schema("square seed", "A start frame is put first: the first frame inside a central square")
                     .integer("size", 3, {1, 4096}, "side of the square [cells]")},
      {"cell", Schema("cell seed", "A start frame is put first: one cell at the centre with channels 3, 4, ... = 1")}};
}

Variants boundary_variants() {
  return {{"none", Schema("no mask", "No boundary mask")},
          {"stripes", Schema("stripes", "Masks of one cell wide stripes: even rows are 1, then even columns")
                          .integer("planes", 2, {1, 2}, "1 = row stripes, 2 = row and column stripes")},
          {"images", Schema("mask images", "Masks from the first channel of PNG files of the padded lattice's size")
                         .list("files", element::list(element::path(), 1, 64), std::nullopt,
                               "the planes of every mask; one mask serves all trajectories, else there is one for each",
                               1, 100000)}};
}

/// A picture that is missing is bad input like one that is damaged.
Image read_picture(const std::string& file) {
  try {
    return read_png(file);
  } catch (const IoError& error) {
    throw DataError(error.what());
  }
}

Image read_frame(const Config& c, const Config& frame, std::string& name) {
  if (frame.has("file") == frame.has("emoji")) frame.fail("", "a frame needs either \"file\" or \"emoji\"");
  Image image;
  if (frame.has("file")) {
    name = frame.get<std::string>("file");
    image = read_picture(name);
  } else {
    name = frame.get<std::string>("emoji");
    image = render_emoji(parse_code_point(name));
  }
  if (c.has("thumbnail")) image = thumbnail(image, c.get<int>("thumbnail"));
  image = subsample(image, c.get<int>("downsample"));
  if (c.get<bool>("crop_square")) {
    const int side = std::min(image.h, image.w);
    image = crop(image, 0, 0, side, side);
  }
  return image;
}

Planes frame_planes(const Config& c, const Config& frame, std::string& name) {
  Planes planes = to_planes(read_frame(c, frame, name));
  if (c.get<bool>("premultiply")) premultiply(planes);
  const int channels = c.get<int>("channels");
  planes.values.resize(std::size_t(channels) * planes.h * planes.w);
  planes.c = channels;
  return planes;
}

/// The frame inside the central square that covers n/2 - (size+1)/2 ... of both axes.
/// @source the reference implementation
Planes square_seed(const Planes& first, int size, const std::string& name) {
  if (size > std::min(first.h, first.w))
    throw DataError(name + ": " + std::to_string(first.h) + " x " + std::to_string(first.w) +
                    " pixels are too small for a seed of " + std::to_string(size));
  Planes seed(first.c, first.h, first.w);
  const int y0 = std::max(first.h / 2 - (size + 1) / 2, 0), x0 = std::max(first.w / 2 - (size + 1) / 2, 0);
  for (int c = 0; c < first.c; ++c)
    for (int y = y0; y < y0 + size; ++y)
      for (int x = x0; x < x0 + size; ++x) seed.plane(c)[y * seed.w + x] = first.at(c, y, x);
  return seed;
}

Planes cell_seed(const Planes& first) {
  Planes seed(first.c, first.h, first.w);
  for (int c = 3; c < seed.c; ++c) seed.plane(c)[seed.h / 2 * seed.w + seed.w / 2] = 1.0F;
  return seed;
}

/// Refuses frames that this machine cannot hold before they are padded and copied.
void require_room(const Config& c, const Planes& frame, std::size_t frames, const std::string& name) {
  constexpr double kUnknown = double(std::uint64_t(1) << 36), kGigabyte = 1e9;
  const std::size_t available = free_memory({});
  const double room = available > 0 ? double(available) : kUnknown, border = 2.0 * c.get<int>("pad");
  const double bytes = double(sizeof(float)) * c.get<int>("channels") * (frame.h + border) * (frame.w + border) *
                       double(frames) * c.get<int>("copies");
  if (bytes <= room) return;
  c.fail("pad", "with its padding and copies " + name + " takes " + std::to_string(bytes / kGigabyte) + " GB, but " +
                    std::to_string(room / kGigabyte) + " GB are free; lower pad, repeat_last or copies");
}

Trajectory load_trajectory(const Config& c, const std::vector<Config>& frames) {
  Trajectory t;
  t.channels = c.get<int>("channels");
  std::vector<Planes> planes;
  std::string first_name;
  for (const auto& frame : frames) {
    std::string name;
    planes.push_back(frame_planes(c, frame, name));
    if (planes.size() == 1) first_name = name;
    if (planes.back().h != planes.front().h || planes.back().w != planes.front().w)
      throw DataError(name + ": " + std::to_string(planes.back().h) + " x " + std::to_string(planes.back().w) +
                      " pixels, but " + first_name + " before it in the sequence has " +
                      std::to_string(planes.front().h) + " x " + std::to_string(planes.front().w) +
                      "; frames of one sequence need one size");
  }
  t.name = first_name;
  const Config seed = c.at("seed");
  if (seed.type() == "square")
    planes.insert(planes.begin(), square_seed(planes.front(), seed.get<int>("size"), t.name));
  if (seed.type() == "cell") planes.insert(planes.begin(), cell_seed(planes.front()));
  t.seed_cell = seed.type() == "cell";
  require_room(c, planes.front(), planes.size() + c.get<std::size_t>("repeat_last"), t.name);
  for (int k = 0; k < c.get<int>("repeat_last"); ++k) planes.push_back(planes.back());
  for (const auto& p : planes) {
    const Planes padded = pad(p, c.get<int>("pad"));
    t.grid = {padded.h, padded.w};
    t.frames.push_back(padded.values);
  }
  return t;
}

std::vector<float> stripes(int planes, Grid grid) {
  std::vector<float> mask;
  for (int k = 0; k < planes; ++k)
    for (int y = 0; y < grid.h; ++y)
      for (int x = 0; x < grid.w; ++x) mask.push_back((k == 0 ? y : x) % 2 == 0 ? 1.0F : 0.0F);
  return mask;
}

std::vector<float> image_mask(const std::vector<std::string>& files, Grid grid, const std::string& trajectory) {
  std::vector<float> mask;
  for (const auto& file : files) {
    const Planes planes = to_planes(read_picture(file));
    if (planes.h != grid.h || planes.w != grid.w)
      throw DataError(file + ": a mask of " + std::to_string(planes.h) + " x " + std::to_string(planes.w) + ", but " +
                      trajectory + " with its padding has " + std::to_string(grid.h) + " x " + std::to_string(grid.w));
    mask.insert(mask.end(), planes.plane(0), planes.plane(0) + std::size_t(grid.h) * grid.w);
  }
  return mask;
}

void add_boundaries(const Config& boundary, std::vector<Trajectory>& data) {
  if (boundary.type() == "stripes")
    for (auto& t : data) t.boundary = stripes(boundary.get<int>("planes"), t.grid);
  if (boundary.type() != "images") return;
  const auto files = boundary.get<std::vector<std::vector<std::string>>>("files");
  if (files.size() != 1 && files.size() != data.size())
    boundary.fail("files", std::to_string(files.size()) + " masks for " + std::to_string(data.size()) +
                               " trajectories; give one, or one for each");
  for (std::size_t k = 0; k < data.size(); ++k)
    data[k].boundary = image_mask(files[files.size() == 1 ? 0 : k], data[k].grid, data[k].name);
}

}  // namespace

Variants data_variants() {
  Variants all{
      {"images",
       Schema("images", "Sequences of pictures: RGBA values in [0, 1]")
           .list("trajectories", element::object(trajectory_schema()), std::nullopt, "sequences to learn", 1, 100000)
           .integer("downsample", 1, {1, 4096}, "every d-th row and column is kept")
           .integer("thumbnail", std::nullopt, {1, 16384}, "longer side after shrinking by area averaging")
           .nullable()
           .boolean("crop_square", false, "keep the top left square")
           .boolean("premultiply", false, "multiply RGB by alpha")
           .integer("channels", 4, {1, 4}, "channels kept: 4 = RGBA, 3 = RGB")
           .integer("pad", 0, {0, 16384}, "empty cells on every side")
           .integer("repeat_last", 0, {0, 10000}, "further copies of the last frame, which teach the model to stay")
           .integer("copies", 1, {1, 4096}, "copies of every trajectory, next to each other")
           .variant("seed", seed_variants(), "none", "start frame that is put before the given ones")
           .variant("boundary", boundary_variants(), "none",
                    "masks of a model with a boundary, on the padded lattice")}};
  for (auto& variant : frame_data_variants()) all.push_back(std::move(variant));
  return all;
}

std::vector<Trajectory> load_data(const Config& config) {
  if (config.type() != "images") return load_frame_data(config);
  std::vector<Trajectory> data;
  for (const auto& trajectory : config.list("trajectories")) {
    const Trajectory t = load_trajectory(config, trajectory.list("frames"));
    data.insert(data.end(), std::size_t(config.get<int>("copies")), t);
  }
  add_boundaries(config.at("boundary"), data);
  return data;
}

}  // namespace mg::train
