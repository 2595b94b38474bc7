#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.hpp"
#include "apps/run_times.hpp"
#include "core/log.hpp"
#include "core/start.hpp"

namespace mg::apps {

namespace {

struct SimulateOptions {
  std::string model, config, output;
  std::optional<double> until;
  int frames = 101, samples = 0;
};

int samples_of(const ModelSource& source, const std::vector<train::Trajectory>& data) {
  if (source.experiment && source.experiment->has("start")) return start_samples(source.experiment->at("start"));
  return std::max(1, int(data.size()));
}

template <class T>
int simulate(const SimulateOptions& options, const GlobalOptions& global, const ModelSource& source) {
  const Exec exec = make_exec(global);
  const auto model = build_model<T>(source, global);
  const auto data = fallback_data(source, options.until, exec);
  const auto times = wanted_times(source, options.until, options.frames, data);
  const int samples = options.samples > 0 ? options.samples : samples_of(source, data);
  auto start = wanted_start(source, *model.system, 0, data);
  const int channels = model.system->state_layout(start.grid).blocks().front().dims.at(0);
  nlohmann::ordered_json report{{"states", {samples, int(times.size()), channels, start.grid.h, start.grid.w}},
                                {"file", options.output}};
  if (global.dry_run) {
    std::cout << report.dump() << "\n";
    return 0;
  }
  TrajectoryWriter writer(options.output, samples, channels, start.grid, times, sizeof(T) == 8);
  std::int64_t steps = 0;
  double seconds = 0;
  std::string problem;
  for (int n = 0; n < samples; ++n) {
    if (n > 0) start = wanted_start(source, *model.system, n, data);
    const auto way =
        roll_times<T>(exec, *model.system, start.grid, model.params, start.conditions, start.state, times, source.seed,
                      n, [&](int, double, const std::vector<T>& frame) { writer.add(frame); });
    writer.end_trajectory();
    steps += way.steps;
    seconds += way.seconds;
    log::info("trajectory {} of {}: {} steps in {:.2f} s", n + 1, samples, way.steps, way.seconds);
    if (!way.problem.empty())
      problem += (problem.empty() ? "trajectory " : "; trajectory ") + std::to_string(n) + ": " + way.problem;
  }
  writer.finish();
  report.update({{"steps", steps}, {"seconds", seconds}, {"finite", problem.empty()}});
  if (!problem.empty()) report["problem"] = problem;
  std::cout << report.dump() << "\n";
  if (!problem.empty()) throw DivergedError(problem + "; frames that were not reached are NaN in " + options.output);
  return 0;
}

}  // namespace

void add_simulate(Command& program, GlobalOptions& global) {
  Command command = program.subcommand(
      "simulate",
      "Write the trajectories of a model as numbers: \"states\" (B, T, C, h, w) and \"times\" in an .npz file");
  auto o = std::make_shared<SimulateOptions>();
  command.option("MODEL", o->model, "Configuration, run directory, checkpoint or model file").required();
  command.option("-o,--output", o->output, "The .npz file").required();
  command.option("--until", o->until, "Last time, in place of the times of the configuration").type("TIME");
  command.option("--frames", o->frames, "States up to --until (default 101)").type("N");
  command.option("--samples", o->samples, "Trajectories (default: as \"start\" or the data have)").type("N");
  command.option("--config", o->config, "Configuration to take start and times from, for a bare model file");
  command.action([o, &global] {
    if (o->frames < 2 || o->frames > 1000000 || o->samples < 0)
      throw Error(ExitCode::usage, "--frames 2 to 1000000, --samples at least 0");
    if (std::filesystem::path(o->output).extension() != ".npz")
      throw Error(ExitCode::usage, "-o " + o->output + ": expected a name that ends in .npz");
    const ModelSource source = find_model(o->model, o->config, global);
    return source.precision == "f64" ? simulate<double>(*o, global, source) : simulate<float>(*o, global, source);
  });
}

}  // namespace mg::apps
