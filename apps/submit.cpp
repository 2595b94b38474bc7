#include <filesystem>
#include <iostream>
#include <memory>

#include "apps/commands.hpp"
#include "apps/process.hpp"
#include "apps/root_schema.hpp"
#include "apps/slurm_script.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/log.hpp"
#include "core/validate.hpp"
#include "train/run_directory.hpp"

namespace mg::apps {
namespace {

namespace fs = std::filesystem;

struct SubmitArguments {
  std::string config, run_dir, via = "slurm", as = "slurm";
  bool print = false;
  JobRequest job;
};

int submit(SubmitArguments a, const GlobalOptions& options) {
  const Config root = load_root_config(a.config, options);
  const auto name = root.get<std::string>("name");
  a.job.name = name;
  const fs::path run = fs::absolute(a.run_dir.empty() ? train::RunDirectory::new_path("runs", name, root.json().dump())
                                                      : fs::path(a.run_dir))
                           .lexically_normal();
  const fs::path folder = run.string() + ".job";  // beside it: the run directory belongs to the run
  const fs::path config = folder / "config.json", script = folder / "job.sh";
  std::vector<std::string> command{own_program(), "train", config.string(), "--run-dir",    run.string(),
                                   "--resume",    "auto",  "--backend",     options.backend};
  if (a.job.cpus_per_rank > 0) command.insert(command.end(), {"--threads", std::to_string(a.job.cpus_per_rank)});
  const std::string text = a.as == "slurm"         ? slurm_script(a.job, command, run.string(), folder.string())
                           : a.as == "grid-engine" ? grid_engine_script(a.job, command)
                                                   : kubernetes_job(a.job, command);
  if (a.print || a.via == "print" || a.as != "slurm" || options.dry_run) {
    std::cout << text;
    return 0;
  }
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw IoError(folder.string() + ": cannot be created: " + error.message());
  write_file(config, resolved_text(root_schema(), root.json()));
  write_file(script, text);
  if (a.via == "slurm") return hand_to_slurm(script.string());
  if (a.job.nodes > 1) throw Error(ExitCode::usage, "--via local has one node");
  if (a.job.ranks() > 1) command.insert(command.end(), {"--ranks", std::to_string(a.job.ranks()), "--comm", "tcp"});
  for (int restart = 0;; ++restart) {
    const int code = run_program_with(command, (folder / "local.out").string()).code;
    if (code != int(ExitCode::stopped_early) || restart >= a.job.max_restarts) return code;
    log::info("stopped early; start {}", restart + 2);
  }
}

}  // namespace

int hand_to_slurm(const std::string& script) {
  const auto done = run_program_with({"sbatch", "--parsable", script});
  if (done.code == 127)
    throw Error(ExitCode::usage,
                "sbatch is not on PATH: submit from a login node of the cluster, or use --print, or "
                "--via local to run on this machine");
  if (done.code != 0)
    throw Error(ExitCode::usage, "sbatch refused the job (its message is above); the script is " + script);
  std::cout << done.out << std::flush;
  return 0;
}

void add_job_options(Command& command, JobRequest& job) {
  command.option("--nodes", job.nodes, "Machines").range(1, 100000);
  command.option("--gpus-per-node", job.gpus_per_node, "GPUs of a machine, one rank each").range(0, 64);
  command.option("--ranks-per-node", job.ranks_per_node, "Ranks of a machine; default one a GPU, or one")
      .range(1, 1024);
  command.option("--cpus-per-rank", job.cpus_per_rank, "Processors of a rank").range(1, 1024);
  command.option("--time", job.time, "Limit of one start, as in 04:00:00").type("TIME");
  command.option("--partition", job.partition, "Partition").type("NAME");
  command.option("--account", job.account, "Account").type("NAME");
  command.option("--qos", job.qos, "Quality of service").type("NAME");
  command.option("--warning", job.warning, "Seconds before the limit at which the run saves and stops").range(1, 86400);
  command.option("--max-restarts", job.max_restarts, "Requeues before giving up").range(0, 100000);
}

void add_submit(Command& program, GlobalOptions& options) {
  auto a = std::make_shared<SubmitArguments>();
  Command command = program.subcommand("submit", "Hand a training run to a scheduler; it survives being stopped");
  command.option("CONFIG", a->config, "Configuration").required();
  command.option("--run-dir", a->run_dir, "Of the run, on a disk that all nodes see; job files go to DIR.job")
      .type("DIR");
  command.option("--via", a->via, "Who runs it").one_of({"slurm", "local", "print"});
  command.option("--as", a->as, "Form of the script; only slurm is submitted, the others are templates to adapt")
      .one_of({"slurm", "grid-engine", "kubernetes"});
  command.flag("--print", a->print, "Show the script and do nothing");
  add_job_options(command, a->job);
  command.action([&, a] { return submit(*a, options); });
}

}  // namespace mg::apps
