#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/bounds.hpp"
#include "apps/commands.hpp"
#include "apps/run_swarm.hpp"
#include "apps/run_times.hpp"
#include "apps/simulation.hpp"
#include "core/gif.hpp"
#include "core/log.hpp"
#include "core/npy.hpp"
#include "core/plot.hpp"
#include "core/png.hpp"

namespace mg::apps {

namespace {

namespace fs = std::filesystem;

struct RunOptions {
  std::string model, config, size;
  std::vector<std::string> outputs, damages;
  int steps = -1, every = 0, zoom = 0, sample = 0;
  bool hidden = false;
  // of models that run over times
  std::optional<double> until;
  int frames = 101;
  std::string map = kColourMapNames[0], range;
  std::vector<int> channels;
};

constexpr int kSteps = 200, kZoom = 4;  // of models that count steps, by default

/// Frames of a simulation, kept only as far as the outputs need them.
struct Recording {
  std::vector<Planes> states;
  std::vector<int> times;
};

bool wants(const RunOptions& options, const char* extension) {
  for (const auto& output : options.outputs)
    if (fs::path(output).extension() == extension) return true;
  return false;
}

void check_outputs(const RunOptions& options) {
  for (const auto& output : options.outputs) {
    const auto extension = fs::path(output).extension();
    if (extension != ".png" && extension != ".gif" && extension != ".npz")
      throw Error(ExitCode::usage, "-o " + output + ": expected a name that ends in .png, .gif or .npz");
    const fs::path folder = fs::absolute(output).parent_path();
    if (!fs::is_directory(folder)) throw IoError(output + ": no folder " + folder.string());
  }
}

Image picture(const Planes& state, const RunOptions& options, int observed, bool premultiplied) {
  if (options.hidden && state.c > observed) return channel_tiles(state, observed, options.zoom);
  return enlarge(state_picture(state, observed, premultiplied), options.zoom);
}

void write_outputs(const RunOptions& options, const Recording& recording, int observed, bool premultiplied) {
  for (const auto& output : options.outputs) {
    const auto extension = fs::path(output).extension();
    if (extension == ".png") {
      write_png(output, picture(recording.states.back(), options, observed, premultiplied));
    } else if (extension == ".gif") {
      std::vector<Image> frames;
      for (const auto& state : recording.states) frames.push_back(picture(state, options, observed, premultiplied));
      write_gif(output, frames);
    } else {
      const Planes& first = recording.states.front();
      std::vector<float> values;
      for (const auto& state : recording.states) values.insert(values.end(), state.values.begin(), state.values.end());
      std::vector<float> times(recording.times.begin(), recording.times.end());
      NpzWriter writer(output);
      writer.add("states", {recording.states.size(), std::size_t(first.c), std::size_t(first.h), std::size_t(first.w)},
                 values.data());
      writer.add("steps", {times.size()}, times.data());
      writer.finish();
    }
    log::info("wrote {}", output);
  }
}

/// Rolls to `to`, recording every `every` steps; every = 0 records the end only.
template <class T>
void roll(Simulation<T>& simulation, int to, int every, Recording& recording) {
  const auto record = [&] {
    if (!recording.times.empty() && recording.times.back() == simulation.step()) return;
    recording.states.push_back(simulation.planes(0));
    recording.times.push_back(simulation.step());
  };
  while (simulation.step() < to) {
    if (every > 0 && simulation.step() % every == 0) record();
    simulation.advance(every > 0 ? std::min(every - simulation.step() % every, to - simulation.step())
                                 : to - simulation.step());
  }
}

template <class T>
int run(const RunOptions& options, const GlobalOptions& global, const ModelSource& source) {
  std::vector<Damage> damages;
  for (const auto& text : options.damages) damages.push_back(parse_damage(text));
  std::stable_sort(damages.begin(), damages.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  const auto model = build_model<T>(source, global);
  const auto size = options.size.empty() ? std::nullopt : std::optional(parse_size(options.size));
  const Start<T> start = make_start(source, *model.system, size, options.sample);
  const bool film = wants(options, ".gif") || wants(options, ".npz");
  const int every = options.every > 0 ? options.every : film ? std::max(1, options.steps / 100) : 0;
  const double frames = film ? double(options.steps) / every + 2 : 1;
  if (frames * double(start.state.size()) * sizeof(float) > 4e9)
    throw Error(ExitCode::usage, "--every " + std::to_string(every) + ": the frames need more than 4 GB; raise it");
  if (wants(options, ".png") || wants(options, ".gif")) {
    const int channels = model.system->state_layout(start.grid).blocks().front().dims.at(0);
    require_drawable(start.grid, options.hidden ? std::max(1, channels - start.observed) : 1, options.zoom);
  }
  nlohmann::ordered_json report{{"steps", options.steps}, {"grid", {start.grid.h, start.grid.w}}};
  if (global.dry_run) {
    std::cout << report.dump() << "\n";
    return 0;
  }

  Simulation<T> simulation(make_exec(global), model, start, 1, source.seed);
  Recording recording;
  const auto begin = std::chrono::steady_clock::now();
  for (const auto& damage : damages) {
    if (damage.step > options.steps) break;
    roll(simulation, damage.step, film ? every : 0, recording);
    simulation.damage(damage.kind);
  }
  roll(simulation, options.steps, film ? every : 0, recording);
  recording.states.push_back(simulation.planes(0));
  recording.times.push_back(simulation.step());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

  double low = 0, high = 0;
  bool finite = true;
  for (const float value : recording.states.back().values) {
    finite = finite && std::isfinite(value);
    low = std::min(low, double(value));
    high = std::max(high, double(value));
  }
  if (!finite) log::warn("the final state holds values that are not finite");
  write_outputs(options, recording, start.observed, start.premultiplied);
  report.update(
      {{"seconds", seconds},
       {"cell_steps_per_second", double(options.steps) * start.grid.h * start.grid.w / std::max(seconds, 1e-9)},
       {"finite", finite},
       {"min", low},
       {"max", high},
       {"files", options.outputs}});
  if (start.data) report["mse"] = simulation.distances(start.data->frames.back(), start.observed)[0];
  std::cout << report.dump() << "\n";
  return 0;
}

}  // namespace

namespace {

ValueRange parse_range(const std::string& text) {
  ValueRange range;
  const auto number = [&](std::string_view part) {
    double v = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), v);
    if (error != std::errc() || end != part.data() + part.size())
      throw Error(ExitCode::usage, "--range: expected LOW:HIGH, got \"" + text + "\"");
    return v;
  };
  const auto colon = text.find(':');
  range.low = number(std::string_view(text).substr(0, colon));
  range.high = number(colon == std::string::npos ? "" : std::string_view(text).substr(colon + 1));
  if (!(range.high > range.low)) throw Error(ExitCode::usage, "--range: expected LOW below HIGH, got \"" + text + "\"");
  return range;
}

int run_over_times(const RunOptions& o, const GlobalOptions& global, const ModelSource& source) {
  if (o.steps >= 0 || o.every > 0 || !o.damages.empty() || !o.size.empty() || o.hidden)
    throw Error(ExitCode::usage,
                "this model runs over times: --until and --frames take the place of --steps and --every, the "
                "configuration's \"start\" that of --size; --damage and --hidden are for models that count steps");
  RunTimesOptions options;
  options.record.outputs = o.outputs;
  options.record.channels = o.channels;
  options.record.map =
      ColourMap(std::find(std::begin(kColourMapNames), std::end(kColourMapNames), o.map) - std::begin(kColourMapNames));
  if (!o.range.empty()) options.record.range = parse_range(o.range);
  options.record.zoom = o.zoom;
  options.until = o.until;
  options.frames = o.frames;
  options.sample = o.sample;
  return run_times(std::move(options), global, source);
}

int run_any(RunOptions o, const GlobalOptions& global) {
  const ModelSource source = find_model(o.model, o.config, global);
  if (runs_over_times(source)) return run_over_times(o, global, source);
  if (o.until || !o.channels.empty() || !o.range.empty())
    throw Error(ExitCode::usage, "--until, --channels and --range are for models that run over times");
  check_outputs(o);
  if (o.steps < 0) o.steps = kSteps;
  if (runs_swarm(source)) {
    if (!o.damages.empty() || o.hidden) throw Error(ExitCode::usage, "--damage and --hidden are for cellular automata");
    return run_swarm({o.outputs, o.size, o.steps, o.every, o.zoom, o.sample}, global, source);
  }
  if (o.zoom == 0) o.zoom = kZoom;
  return source.precision == "f64" ? run<double>(o, global, source) : run<float>(o, global, source);
}

}  // namespace

void add_run(Command& program, GlobalOptions& global) {
  Command command = program.subcommand("run", "Let a model run: pictures, animation or numbers");
  auto o = std::make_shared<RunOptions>();
  command.option("MODEL", o->model, "Run directory, checkpoint, model file or configuration").required();
  command.option("-o,--output", o->outputs,
                 "Where to: .png, .gif or .npz; of a model that runs over times also a folder for everything "
                 "(default runs/NAME-TIME-HASH); repeatable");
  command.option("--steps", o->steps, "Steps to run (default 200)").type("N").range(0, 1 << 30);
  command.option("--until", o->until, "Last time, in place of the times of the configuration").type("TIME");
  command.option("--frames", o->frames, "States up to --until (default 101)").type("N");
  command.option("--channels", o->channels, "Channels that pictures of fields show (default: the first four)")
      .type("C,C");
  command.option("--map", o->map, "Colours of fields: viridis, magma, grey or diverging")
      .one_of({std::begin(kColourMapNames), std::end(kColourMapNames)});
  command.option("--range", o->range, "Values at the ends of the colours (default: smallest and largest)")
      .type("LOW:HIGH");
  command.option("--size", o->size, "Lattice, as in 96 or 64x128; the start lies in its middle").type("HxW");
  command.option("--damage", o->damages, "Erase a region before step N: N:disc, lower, upper, left, right; repeatable")
      .type("N[:KIND]");
  command.option("--every", o->every, "Steps between frames of .gif and .npz (default: 100 frames)").type("N");
  command.option("--zoom", o->zoom, "Pixels per cell (default 4; of fields: as fits)").type("N");
  command.option("--sample", o->sample, "Which trajectory of the data to start from (default 0)").type("N");
  command.option("--config", o->config, "Configuration to take data and model from, for a bare model file");
  command.flag("--hidden", o->hidden, "Pictures of the hidden channels");
  command.action([o, &global] {
    if (o->every < 0 || o->sample < 0 || o->zoom < 0 || o->zoom > 64 || o->frames < 2 || o->frames > 1000000)
      throw Error(ExitCode::usage, "--every and --sample are at least 0, --zoom is 1 to 64, --frames is 2 to 1000000");
    return run_any(*o, global);
  });
}

}  // namespace mg::apps
