#include <spdlog/sinks/basic_file_sink.h>

#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>

#include "apps/build_info.hpp"
#include "apps/commands.hpp"
#include "apps/experiment.hpp"
#include "apps/launch.hpp"
#include "apps/logging.hpp"
#include "apps/progress.hpp"
#include "apps/registries.hpp"
#include "apps/root_schema.hpp"
#include "apps/series_media.hpp"
#include "apps/signals.hpp"
#include "apps/sweep_points.hpp"
#include "apps/term_media.hpp"
#include "core/cpu.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/log.hpp"
#include "core/validate.hpp"
#include "train/media.hpp"
#include "train/swarm_media.hpp"
#include "train/train_config.hpp"

namespace mg::apps {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct TrainArguments {
  std::string config, run_dir, resume = "auto";
  std::vector<std::string> allow_change;
  bool overwrite = false;
  std::optional<std::int64_t> sweep_index;
  LaunchOptions launch;
};

/// Where the run lives and what it goes on from.
struct Place {
  fs::path directory;
  train::RunDirectory::Mode mode = train::RunDirectory::Mode::fresh;
  std::optional<train::Checkpoint> from;  // an explicit checkpoint; else the newest of the directory
};

Place find_place(const TrainArguments& a, const Config& root) {
  using Mode = train::RunDirectory::Mode;
  Place place;
  place.directory = a.run_dir;
  place.mode = a.overwrite ? Mode::overwrite : a.resume == "never" ? Mode::fresh : Mode::resume;
  if (a.overwrite && a.resume != "auto" && a.resume != "never")
    throw Error(ExitCode::usage, "--overwrite and --resume PATH exclude each other");
  if (a.resume != "auto" && a.resume != "never") {
    const fs::path path = a.resume;
    std::error_code error;
    if (fs::is_directory(path / "checkpoints", error)) {
      if (!a.run_dir.empty() && !fs::equivalent(path, a.run_dir, error))
        throw Error(ExitCode::usage, "--resume " + a.resume + " is a run directory and --run-dir another one");
      place.directory = path;
    } else {
      place.from = train::CheckpointStore::load(path);
      place.mode = Mode::fresh;  // a new run that starts there
    }
  }
  if (place.directory.empty())
    place.directory = train::RunDirectory::new_path("runs", root.get<std::string>("name"), root.json().dump());
  return place;
}

json provenance(const GlobalOptions& options, const Exec& exec, std::uint64_t seed) {
  json environment = json::object();
  // Never the whole environment: it holds secrets.
  for (const char* name :
       {"SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_NODELIST", "SLURM_PROCID",
        "SLURM_NTASKS", "SLURM_RESTART_COUNT", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MG_ISA"})
    if (const char* value = std::getenv(name)) environment[name] = value;
  return {{"argv", options.arguments},
          {"build", build_info()},
          {"backend", exec.backend == Backend::cuda ? "cuda" : "host"},
          {"seed", seed},
          {"environment", environment}};
}

/// What a checkpoint and a configuration must share: all that decides the numbers of a step. Not how long a run goes on,
/// what it keeps, and how it fits into memory: the bits are the same under every plan.
json fingerprint(const Config& root) {
  json all = root.json();
  for (const char* key : {"name", "config_version", "checkpoint", "start", "times", "sweep"}) all.erase(key);
  for (const char* key : {"iterations", "max_seconds", "memory", "memory_budget", "memory_slots"})
    all["train"].erase(key);
  return all;
}

/// What must be the same on all ranks, or they would not do the same.
void require_same_job(Communicator& comm, const Config& root, const TrainArguments& a) {
  std::string allowed;
  for (const auto& path : a.allow_change) allowed += path + " ";
  std::vector<std::pair<std::string, std::string>> facts{
      {"version", version_line()},
      {"instruction set (MG_ISA)", std::string(kIsaNames[int(best_isa())])},
      {"--allow-change", allowed}};
  for (const auto& [key, value] : root.json().items()) facts.emplace_back("configuration, " + key, value.dump());
  require_same_on_all_ranks(comm, facts);
}

/// All ranks work it out together, one says it.
template <class T>
void print_plan(Experiment<T>& e, const train::SessionOptions& session, bool say) {
  if (!say) {
    for (int i = 0; i < 2; ++i) e.trainer->step();
    return;
  }
  std::size_t bytes = 0;
  double flop = 0;
  std::cout << "parameters: " << e.system->param_layout().size() << "\n";
  auto& groups = e.augmenter->groups();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const auto& plan = e.trainer->first_plan(g);
    std::cout << "group " << g << ": " << groups[g].count << " samples of " << groups[g].grid.h << " x "
              << groups[g].grid.w << ", " << plan.describe() << "\n";
    bytes += plan.bytes;
    flop += 3.0 * e.system->flop_per_cell() * plan.steps * groups[g].count * groups[g].grid.h * groups[g].grid.w;
  }
  std::cout << "states: " << double(bytes) / (1 << 20) << " MiB\n";
  e.trainer->step();  // warm: the first step allocates
  const auto start = std::chrono::steady_clock::now();
  e.trainer->step();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::cout << "time: " << seconds << " s an iteration (" << flop / seconds / 1e9 << " GFLOP/s), "
            << clock_text(seconds * double(session.iterations)) << " for " << session.iterations << " iterations\n";
}

void log_to_file(const fs::path& file) {
  auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string());
  sink->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  spdlog::default_logger()->sinks().push_back(std::move(sink));
}

template <class T>
void draw(const Experiment<T>& e, const Config& root, const train::RunDirectory& run) {
  train::write_loss_curve(run.media(), run.path() / "metrics.jsonl");
  if (root.at("model").type() == "image_classifier") return;  // its curve says all
  const auto& data = e.data.front();
  const auto params = e.trainer->has_best() ? e.trainer->best_params() : e.trainer->params();
  const bool swarm = train::is_swarm(e.augmenter->groups().front().state_layout);
  const bool timed = has_solver(root.at("model").type()) || root.at("augment").type() == "trajectory";
  if (timed || (root.at("data").type() != "images" && !swarm)) {
    write_series_media(run.media(), e.exec, *e.system, params, timed ? data : in_steps(data, e.augmenter->steps(0)),
                       e.seed);
    write_term_media(run.media() / "terms.png", root.at("model"), {params.begin(), params.end()}, data);
    return;
  }
  train::MediaOptions media;
  for (int i = 0; i < 32; ++i) media.steps = std::max(i > 0 ? media.steps : 0, e.augmenter->steps(i));
  media.steps *= int(data.frames.size() - 1);
  media.seed = e.seed;
  media.iteration = e.trainer->iteration();
  if (swarm) {
    train::write_swarm_media(run.media(), e.exec, *e.system, params, data, media);
    return;
  }
  media.premultiplied = root.at("data").get<bool>("premultiply");
  train::write_media(run.media(), e.exec, *e.system, params, data, media);
}

/// A checkpoint that does not fit leaves an earlier run as it was, and no new one.
template <class T>
std::int64_t resume(train::Session<T>& session, const Place& place, train::RunDirectory& run) {
  try {
    return session.resume(place.from ? &*place.from : nullptr);
  } catch (...) {
    run.withdraw();
    throw;
  }
}

/// A rank that keeps nothing.
template <class T>
int follow_session(Experiment<T>& e, Communicator& comm, train::SessionOptions session) {
  train::SessionHooks hooks;
  hooks.stop = stop_requested;
  train::Session<T> work(*e.trainer, e.system->param_layout(), {nullptr, nullptr, &comm}, std::move(session), hooks);
  work.resume();
  const auto end = work.run();
  comm.barrier();  // the last checkpoint is written
  return end == train::SessionEnd::stopped ? int(ExitCode::stopped_early) : 0;
}

template <class T>
int run_session(Experiment<T>& e, const Config& root, const GlobalOptions& options, const Place& place,
                train::RunDirectory& run, Communicator& comm, train::SessionOptions session) {
  train::CheckpointStore store(run.checkpoints(), root.at("checkpoint").template get<int>("keep_last"),
                               root.at("checkpoint").template get<bool>("fsync"));
  Progress progress(session.iterations, options.quiet);
  const std::int64_t iterations = session.iterations;
  train::SessionHooks hooks;
  hooks.stop = stop_requested;
  hooks.progress = [&](const train::StepReport& report, double) { progress.update(report, e.trainer->best()); };
  train::Session<T> work(*e.trainer, e.system->param_layout(), {&run, &store, &comm}, std::move(session), hooks);
  const std::int64_t start = resume(work, place, run);
  std::cout << run.path().string() << "\n" << std::flush;
  try {
    log::info("{} in {}", start > 0 ? "going on from step " + std::to_string(start) : "training", run.path().string());
    for (std::size_t g = 0; g < e.augmenter->groups().size(); ++g)
      log::info("{} samples of {} x {}, {}", e.augmenter->groups()[g].count, e.augmenter->groups()[g].grid.h,
                e.augmenter->groups()[g].grid.w, e.trainer->first_plan(g).describe());
    const auto end = work.run();
    progress.finish();
    comm.barrier();
    if (end == train::SessionEnd::stopped) {
      log::info("stopped at step {} with a checkpoint; run again to go on", e.trainer->iteration());
      return int(ExitCode::stopped_early);
    }
    draw(e, root, run);
    run.status("finished", 0, e.trainer->iteration(), iterations, "");
    log::info("finished after {} of training; pictures in {}", clock_text(work.seconds()), run.media().string());
    return 0;
  } catch (const std::exception& error) {
    progress.finish();
    const auto* known = dynamic_cast<const Error*>(&error);
    const ExitCode code = known ? known->code() : ExitCode::internal;
    try {
      run.status(code == ExitCode::diverged ? "diverged" : "failed", int(code), e.trainer->iteration(), iterations,
                 error.what());
    } catch (const IoError&) {  // a full disk: the error itself says so
    }
    throw;
  }
}

template <class T>
int train_as(const Config& root, const TrainArguments& a, const GlobalOptions& options, Communicator& comm) {
  require_same_job(comm, root, a);
  const Exec exec = make_rank_exec(options, a.launch, comm);
  Experiment<T> e(root, exec, options.backend == "check", &comm, local_rank(comm).size);
  auto session = train::session_options(root.at("train"), root.at("checkpoint"));
  if (options.dry_run) {
    print_plan(e, session, comm.root());
    return 0;
  }
  session.fingerprint = fingerprint(root);
  session.allow_change = a.allow_change;
  session.model_json = root.json().at("model").dump();
  if (comm.root() || comm.engine() != "threads") watch_signals();  // once a process
  if (!comm.root()) return follow_session(e, comm, std::move(session));
  const Place place = find_place(a, root);
  std::string overrides;
  for (const auto& override : options.overrides()) overrides += override + "\n";
  train::RunDirectory run(
      place.directory, place.mode,
      {read_file(a.config), resolved_text(root_schema(), root.json()), overrides, provenance(options, e.exec, e.seed)});
  log_to_file(run.path() / "log.txt");
  if (comm.size() > 1) log::info("{} ranks over {}", comm.size(), comm.engine());
  return run_session(e, root, options, place, run, comm, std::move(session));
}

/// The overrides and the folder of one point.
void take_point(TrainArguments& a, GlobalOptions& options) {
  const Config root = load_root_config(a.config, options);
  if (!root.has("sweep")) root.fail("sweep", "--sweep-index needs a sweep");
  if (a.run_dir.empty()) throw Error(ExitCode::usage, "--sweep-index needs --run-dir");
  for (auto& assignment : sweep_point(root.at("sweep"), *a.sweep_index)) options.sets.push_back(std::move(assignment));
  options.sets.emplace_back("sweep=null");
  a.run_dir = (fs::path(a.run_dir) / point_name(*a.sweep_index)).string();
}

}  // namespace

void add_train(Command& program, GlobalOptions& options) {
  auto a = std::make_shared<TrainArguments>();
  Command command = program.subcommand("train", "Train the system that a configuration describes");
  command.option("CONFIG", a->config, "Configuration").required();
  command.option("--run-dir", a->run_dir, "Where everything is written; default runs/NAME-TIME-HASH").type("DIR");
  command
      .option("--resume", a->resume,
              "auto: go on with the run in --run-dir if there is one; never: it must not be there; or the path "
              "of a run directory to go on with, or of a checkpoint that a new run starts from")
      .type("auto|never|PATH");
  command
      .option("--allow-change", a->allow_change,
              "Go on from a checkpoint though the configuration differs from its own at this key or below it, as in "
              "--allow-change optimiser.lr; repeatable")
      .type("PATH");
  command.flag("--overwrite", a->overwrite, "Replace the run in --run-dir");
  command
      .option("--sweep-index", a->sweep_index,
              "Train this point of the \"sweep\" of the configuration, in DIR/0000, DIR/0001, ... of --run-dir")
      .type("K");
  add_launch_options(command, a->launch);
  command.action([&, a] {
    if (a->sweep_index) take_point(*a, options);
    const Config root = load_root_config(a->config, options);
    return run_ranks(a->launch, options, a->run_dir, [&](Communicator& comm) {
      return root.get<std::string>("precision") == "f64" ? train_as<double>(root, *a, options, comm)
                                                         : train_as<float>(root, *a, options, comm);
    });
  });
}

}  // namespace mg::apps
