#include "apps/data.hpp"

#include <algorithm>
#include <chrono>

#include "apps/registries.hpp"
#include "apps/trajectory.hpp"
#include "core/log.hpp"
#include "core/safetensors.hpp"
#include "core/start.hpp"
#include "core/times.hpp"
#include "train/data.hpp"
#include "train/frame_data.hpp"
#include "train/free_memory.hpp"
#include "train/model_file.hpp"

namespace mg::apps {

namespace {

Schema simulate_schema() {
  Schema schema("simulate", "A time series that a model makes, computed anew when it is needed");
  schema.variant("model", registries<float>().systems.variants(), std::nullopt, "the system that makes the data")
      .path("weights", std::nullopt,
            "its parameters: a run directory, checkpoint or model file; null = the initial ones")
      .nullable()
      .variant("start", start_variants(), std::nullopt, "where it starts, and how many trajectories")
      .variant("times", times_variants(), std::nullopt, "when its state becomes a frame")
      .integer("seed", 0, {0, std::numeric_limits<std::int64_t>::max()}, "key of the random numbers of the data")
      .choice("precision", "f64", {"f32", "f64"}, "floating-point type of the simulation");
  return train::with_frame_options(std::move(schema));
}

void require_room(const Config& config, double bytes) {
  constexpr double kGigabyte = 1e9;
  const std::size_t available = train::free_memory({});
  if (available > 0 && bytes > double(available))
    config.fail("times", "the frames take " + std::to_string(bytes / kGigabyte) + " GB, but " +
                             std::to_string(double(available) / kGigabyte) + " GB are free");
}

template <class T>
std::vector<train::Trajectory> simulate(const Config& config, const Exec& exec) {
  const auto system = registries<T>().systems.create(config.at("model"));
  const auto seed = config.get<std::uint64_t>("seed");
  std::vector<T> params(system->param_layout().size());
  if (config.has("weights")) {
    const auto file = train::find_model_file(config.get<std::string>("weights"));
    params = train::model_params<T>(read_safetensors(file), system->param_layout(), file.string());
  } else {
    system->initialise(seed, params);
  }
  const auto times = read_times(config.at("times"));
  const Config start = config.at("start");
  const int samples = start_samples(start);
  const Grid grid = start_grid(start);
  const Block block = system->state_layout(grid).blocks().front();
  require_room(config, double(samples) * double(times.size()) * double(block.size) * sizeof(float));
  std::vector<train::Trajectory> data;
  double seconds = 0;
  for (int n = 0; n < samples; ++n) {
    train::Trajectory t;
    t.name = "simulated trajectory " + std::to_string(n);
    t.channels = block.dims.at(0);
    t.grid = grid;
    t.times = times;
    const auto from = configured_start(start, *system, seed, n);
    if (system->condition_layout(grid).contains("obstacle"))
      t.boundary.assign(from.conditions.begin(), from.conditions.end());
    const auto report = roll_times<T>(
        exec, *system, grid, params, from.conditions, from.state, times, seed, n,
        [&](int, double, const std::vector<T>& frame) { t.frames.emplace_back(frame.begin(), frame.end()); });
    if (!report.problem.empty()) throw DivergedError("data: " + t.name + ": " + report.problem);
    seconds += report.seconds;
    data.push_back(std::move(t));
  }
  log::info("simulated {} trajectories of {} frames in {:.1f} s", samples, times.size(), seconds);
  return data;
}

}  // namespace

Variants data_variants() {
  auto all = train::data_variants();
  all.emplace_back("simulate", simulate_schema());
  return all;
}

std::vector<train::Trajectory> load_data(const Config& config, const Exec& exec) {
  if (config.type() != "simulate") return train::load_data(config);
  auto data =
      config.get<std::string>("precision") == "f64" ? simulate<double>(config, exec) : simulate<float>(config, exec);
  train::apply_frame_options(config, data);
  return data;
}

template <class T>
StartState<T> configured_start(const Config& start, const System<T>& system, std::uint64_t seed, int sample) {
  StartState<T> out;
  out.grid = start_grid(start);
  const int channels = system.state_layout(out.grid).blocks().front().dims.at(0);
  const auto values = make_start_state(start, channels, seed, sample);
  out.state.assign(values.begin(), values.end());
  const Layout conditions = system.condition_layout(out.grid);
  out.conditions.resize(conditions.size());
  const auto solid = make_obstacles(start);
  if (!solid.empty()) {
    if (!conditions.contains("obstacle"))
      start.fail("obstacles", "the model \"" + std::string(system.type()) + "\" knows none; set its key obstacles");
    std::copy(solid.begin(), solid.end(), out.conditions.begin() + std::ptrdiff_t(conditions.at("obstacle").offset));
  }
  return out;
}

template StartState<float> configured_start(const Config&, const System<float>&, std::uint64_t, int);
template StartState<double> configured_start(const Config&, const System<double>&, std::uint64_t, int);

}  // namespace mg::apps
