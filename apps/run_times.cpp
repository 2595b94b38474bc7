#include "apps/run_times.hpp"

#include <sys/resource.h>

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/registries.hpp"
#include "apps/signals.hpp"
#include "core/log.hpp"
#include "core/start.hpp"
#include "core/times.hpp"
#include "train/run_directory.hpp"
#include "train/samples.hpp"

namespace mg::apps {

namespace {

[[noreturn]] void usage(const std::string& message) { throw Error(ExitCode::usage, message); }

bool names(const ModelSource& source, const char* key) { return source.experiment && source.experiment->has(key); }

/// Most memory that this process ever held [MB].
double peak_megabytes() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  return double(use.ru_maxrss) / 1024;
}

/// A line now and then about how far a simulation is.
class Milestones {
 public:
  explicit Milestones(double last) : last_(last) {}
  void at(double time) {
    constexpr std::chrono::seconds kEvery{5};
    if (Clock::now() - line_ < kEvery) return;
    line_ = Clock::now();
    log::info("time {:.6g} of {:.6g}", time, last_);
  }

 private:
  using Clock = std::chrono::steady_clock;
  double last_;
  Clock::time_point line_ = Clock::now();
};

template <class T>
int run_as(RunTimesOptions& options, const GlobalOptions& global, const ModelSource& source) {
  const Exec exec = make_exec(global);
  const auto model = build_model<T>(source, global);
  const auto data = fallback_data(source, options.until, exec);
  const auto times = wanted_times(source, options.until, options.frames, data);
  const auto start = wanted_start(source, *model.system, options.sample, data);
  const int channels = model.system->state_layout(start.grid).blocks().front().dims.at(0);
  nlohmann::ordered_json report{{"model", source.model.type()},
                                {"grid", {start.grid.h, start.grid.w}},
                                {"channels", channels},
                                {"times", {times.front(), times.back()}},
                                {"frames", times.size()}};
  if (global.dry_run) {
    std::cout << report.dump() << "\n";
    return 0;
  }
  if (options.record.outputs.empty())
    options.record.outputs = {train::RunDirectory::new_path("runs", source.experiment->get<std::string>("name"),
                                                            source.experiment->json().dump())
                                  .string() +
                              "/"};
  Recorder recorder(options.record, channels, start.grid, times);
  Milestones milestones(times.back());
  watch_signals();
  const auto way = roll_times<T>(
      exec, *model.system, start.grid, model.params, start.conditions, start.state, times, source.seed, options.sample,
      [&](int index, double time, const std::vector<T>& frame) {
        recorder.add(index, time, frame);
        milestones.at(time);
      },
      stop_requested);
  const auto files = recorder.finish();
  const double rate = double(way.steps) * start.grid.h * start.grid.w / std::max(way.seconds, 1e-9);
  log::info("{} steps of {:.4g} to {:.4g} in {:.2f} s, {:.4g} M cell-steps/s; states {:.1f} MB, process {:.0f} MB",
            way.steps, way.shortest, way.longest, way.seconds, rate / 1e6, way.state_bytes / 1e6, peak_megabytes());
  report.update({{"frames_reached", way.frames},
                 {"steps", way.steps},
                 {"step_shortest", way.shortest},
                 {"step_longest", way.longest},
                 {"seconds", way.seconds},
                 {"cell_steps_per_second", rate},
                 {"finite", way.problem.empty()},
                 {"min", recorder.low()},
                 {"max", recorder.high()},
                 {"files", files}});
  if (!way.problem.empty()) report["problem"] = way.problem;
  std::cout << report.dump() << "\n";
  if (way.problem.empty()) return 0;
  if (stop_requested()) {
    log::warn("{}; the {} frames before are written", way.problem, way.frames);
    return int(ExitCode::stopped_early);
  }
  throw DivergedError(
      way.problem + "; the " + std::to_string(way.frames) + " of " + std::to_string(times.size()) +
      " frames before it are written. A smaller solver step, or an adaptive or implicit solver, may help");
}

}  // namespace

bool runs_over_times(const ModelSource& source) { return names(source, "times") || has_solver(source.model.type()); }

std::vector<train::Trajectory> fallback_data(const ModelSource& source, std::optional<double> until, const Exec& exec) {
  if (names(source, "start") && (until || names(source, "times"))) return {};
  if (!names(source, "data")) return {};
  return load_data(source.experiment->at("data"), exec);
}

std::vector<double> wanted_times(const ModelSource& source, std::optional<double> until, int frames,
                                 const std::vector<train::Trajectory>& data) {
  if (until) {
    const double from = names(source, "times") ? read_times(source.experiment->at("times")).front() : 0;
    if (!(*until > from)) usage("--until: expected a time after " + std::to_string(from));
    std::vector<double> times;
    for (int k = 0; k < frames; ++k)
      times.push_back(k + 1 == frames ? *until : from + (*until - from) * k / (frames - 1));
    return times;
  }
  if (names(source, "times")) return read_times(source.experiment->at("times"));
  if (!data.empty() && !data.front().times.empty()) return data.front().times;
  if (!data.empty()) {
    std::vector<double> times;
    for (std::size_t k = 0; k < data.front().frames.size(); ++k) times.push_back(double(k));
    return times;
  }
  usage("no times are named: give \"times\" in the configuration, or --until TIME");
}

template <class T>
StartState<T> wanted_start(const ModelSource& source, const System<T>& system, int sample,
                           const std::vector<train::Trajectory>& data) {
  if (names(source, "start")) {
    const Config start = source.experiment->at("start");
    if (sample >= start_samples(start))
      usage("--sample: \"start\" describes " + std::to_string(start_samples(start)) + " states, 0 to " +
            std::to_string(start_samples(start) - 1));
    return configured_start(start, system, source.seed, sample);
  }
  if (data.empty())
    usage("no start is named: give \"start\" in the configuration; \"morphogen config docs start\" explains it");
  if (sample >= int(data.size()))
    usage("--sample: the data have " + std::to_string(data.size()) + " trajectories, 0 to " +
          std::to_string(data.size() - 1));
  const auto& trajectory = data[std::size_t(sample)];
  train::observed_channels(system, {trajectory});
  StartState<T> start;
  start.grid = trajectory.grid;
  const int channels = system.state_layout(start.grid).blocks().front().dims.at(0);
  train::append_state(trajectory, 0, channels, start.state);
  train::append_conditions(trajectory, system.condition_layout(start.grid), 1, start.conditions);
  return start;
}

int run_times(RunTimesOptions options, const GlobalOptions& global, const ModelSource& source) {
  return source.precision == "f64" ? run_as<double>(options, global, source) : run_as<float>(options, global, source);
}

template StartState<float> wanted_start(const ModelSource&, const System<float>&, int,
                                        const std::vector<train::Trajectory>&);
template StartState<double> wanted_start(const ModelSource&, const System<double>&, int,
                                         const std::vector<train::Trajectory>&);

}  // namespace mg::apps
