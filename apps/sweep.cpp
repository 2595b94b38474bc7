#include <atomic>
#include <filesystem>
#include <iostream>
#include <memory>
#include <thread>

#include "apps/commands.hpp"
#include "apps/process.hpp"
#include "apps/root_schema.hpp"
#include "apps/run_records.hpp"
#include "apps/slurm_script.hpp"
#include "apps/sweep_points.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/log.hpp"
#include "core/validate.hpp"

namespace mg::apps {
namespace {

namespace fs = std::filesystem;

struct SweepArguments {
  std::string config, out;
  int jobs = 1, worker = 0, workers = 1, limit = 0;
  bool slurm = false, print = false, table = false;
  JobRequest job;
};

fs::path own_config(const fs::path& folder) { return folder / "sweep.json"; }

std::vector<std::string> train_command(const fs::path& folder, const GlobalOptions& options) {
  std::vector<std::string> command{own_program(),
                                   "train",
                                   own_config(folder).string(),
                                   "--run-dir",
                                   folder.string(),
                                   "--resume",
                                   "auto",
                                   "-q",
                                   "--backend",
                                   options.backend};
  return command;
}

/// Runs the points, some at a time; returns how many failed.
std::size_t run_points(const SweepArguments& a, const GlobalOptions& options, const fs::path& folder,
                       const std::vector<std::int64_t>& points) {
  std::atomic<std::size_t> next{0}, failed{0};
  const int threads = options.threads > 0 ? options.threads
                                          : std::max(1, int(std::thread::hardware_concurrency()) / std::max(a.jobs, 1));
  const auto work = [&] {
    for (std::size_t k; (k = next++) < points.size();) {
      auto command = train_command(folder, options);
      command.insert(command.end(), {"--sweep-index", std::to_string(points[k]), "--threads", std::to_string(threads)});
      const std::string name = point_name(points[k]);
      const int code = run_program_with(command, (folder / (name + ".log")).string()).code;
      if (code == 0) {
        log::info("point {} finished", name);
      } else {
        ++failed;
        log::error("point {} failed with exit code {}; see {}", name, code, (folder / (name + ".log")).string());
      }
    }
  };
  std::vector<std::thread> workers;
  for (int j = 0; j < a.jobs; ++j) workers.emplace_back(work);
  for (auto& worker : workers) worker.join();
  return failed;
}

/// The table of all points, those included that have not begun.
std::size_t tabulate(const fs::path& folder, std::int64_t size) {
  std::vector<RunRecord> runs;
  for (std::int64_t k = 0; k < size; ++k) runs.push_back(read_run(folder / point_name(k)));
  write_comparison(folder, runs);
  std::cout << comparison_markdown(runs);
  std::size_t unfinished = 0;
  for (const auto& run : runs) unfinished += run.failed();
  if (unfinished > 0) log::warn("{} of {} points are not finished", unfinished, size);
  return unfinished;
}

int sweep(SweepArguments a, const GlobalOptions& options) {
  const Config root = load_root_config(a.config, options);
  if (!root.has("sweep")) root.fail("sweep", "there is no sweep in this configuration");
  const Config block = root.at("sweep");
  const std::int64_t size = sweep_size(block);
  if (a.worker >= a.workers) throw Error(ExitCode::usage, "--worker counts from 0 to --workers - 1");
  // A point that does not fit is known before the first one runs.
  for (std::int64_t k = 0; k < std::min<std::int64_t>(size, 10000); ++k) {
    GlobalOptions with = options;
    for (auto& assignment : sweep_point(block, k)) with.sets.push_back(std::move(assignment));
    load_root_config(a.config, with);
  }
  if (options.dry_run) {
    for (std::int64_t k = 0; k < size; ++k) {
      std::cout << point_name(k);
      for (const auto& assignment : sweep_point(block, k)) std::cout << " " << shell_quoted(assignment);
      std::cout << "\n";
    }
    return 0;
  }
  const fs::path folder =
      fs::absolute(a.out.empty() ? fs::path("sweeps") / root.get<std::string>("name") : fs::path(a.out))
          .lexically_normal();
  if (a.table) return tabulate(folder, size) > 0 ? 1 : 0;
  a.job.name = root.get<std::string>("name");
  a.job.array = "0-" + std::to_string(size - 1) + (a.limit > 0 ? "%" + std::to_string(a.limit) : "");
  const std::string script =
      a.slurm ? slurm_script(a.job, train_command(folder, options), folder.string(), folder.string()) : "";
  if (a.print) {
    std::cout << script;
    return 0;
  }
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw IoError(folder.string() + ": cannot be created: " + error.message());
  write_file(own_config(folder), resolved_text(root_schema(), root.json()));
  if (a.slurm) {
    write_file(folder / "job.sh", script);
    return hand_to_slurm((folder / "job.sh").string());
  }
  const std::size_t failed = run_points(a, options, folder, worker_points(size, a.worker, a.workers));
  tabulate(folder, size);
  return failed > 0 ? 1 : 0;
}

}  // namespace

void add_sweep(Command& program, GlobalOptions& options) {
  auto a = std::make_shared<SweepArguments>();
  Command command = program.subcommand("sweep", "Train every point of the \"sweep\" of a configuration");
  command.option("CONFIG", a->config, "Configuration").required();
  command.option("--out", a->out, "Where the runs 0000, 0001, ... and the table go; default sweeps/NAME").type("DIR");
  command.option("--jobs", a->jobs, "Points at a time on this machine").range(1, 1024);
  command.option("--worker", a->worker, "Only the points of this worker: K, K + workers, ...")
      .type("K")
      .range(0, 1000000);
  command.option("--workers", a->workers, "Number of workers").type("N").range(1, 1000000);
  command.flag("--table", a->table, "Run nothing; make the table of what is there");
  command.flag("--slurm", a->slurm, "Submit the points as a job array");
  command.option("--limit", a->limit, "Points of the array at a time; 0 = any number").range(0, 100000);
  command.flag("--print", a->print, "Show the script of --slurm and do nothing");
  add_job_options(command, a->job);
  command.action([&, a] { return sweep(*a, options); });
}

}  // namespace mg::apps
