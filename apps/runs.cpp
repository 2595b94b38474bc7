#include <cstdio>
#include <iostream>
#include <memory>

#include "apps/commands.hpp"
#include "apps/process.hpp"
#include "apps/run_records.hpp"
#include "core/error.hpp"

namespace mg::apps {
namespace {

namespace fs = std::filesystem;

RunRecord require_run(const std::string& path) {
  RunRecord run = read_run(fs::absolute(path).lexically_normal());
  if (run.config.empty()) throw IoError(path + ": holds no run");
  return run;
}

int list(const std::string& folder) {
  for (const auto& run : find_runs(folder))
    std::printf("%-11s %9lld/%-9lld %12.5g  %s\n", run.state.c_str(), static_cast<long long>(run.step),
                static_cast<long long>(run.iterations), run.best_loss, run.path.string().c_str());
  return 0;
}

int tail(const std::string& path, int lines) {
  const RunRecord run = require_run(path);
  const std::size_t n = run.losses.size();
  for (std::size_t i = n - std::min(n, std::size_t(lines)); i < n; ++i)
    std::printf("step %.0f  loss %.6g\n", run.steps[i], run.losses[i]);
  std::printf("%s %s\n", run.state.c_str(), run.reason.c_str());
  return 0;
}

}  // namespace

void add_runs(Command& program, GlobalOptions& options) {
  struct Arguments {
    std::string folder = "runs", a, b;
    std::vector<std::string> paths;
    int lines = 10;
  };
  auto a = std::make_shared<Arguments>();
  Command runs = program.subcommand("runs", "Look at runs: list, tail, compare, diff, rerun");
  runs.require_subcommand();
  Command listing = runs.subcommand("list", "State, step and best loss of every run in a folder");
  listing.option("DIR", a->folder, "Folder; default runs");
  listing.action([a] { return list(a->folder); });
  Command ending = runs.subcommand("tail", "The last records of a run");
  ending.option("RUN", a->a, "Run directory").required();
  ending.option("--lines", a->lines, "Records").range(1, 1000000);
  ending.action([a] { return tail(a->a, a->lines); });
  Command comparing = runs.subcommand("compare", "A table of the runs in a folder: what differs, and how it ended");
  comparing.option("DIR", a->folder, "Folder; default runs");
  comparing.action([a] {
    std::cout << comparison_markdown(find_runs(a->folder));
    return 0;
  });
  Command differing = runs.subcommand("diff", "Keys in which the configurations of two runs differ");
  differing.option("A", a->a, "Run directory").required();
  differing.option("B", a->b, "Run directory").required();
  differing.action([a] {
    std::cout << config_difference(require_run(a->a).config, require_run(a->b).config);
    return 0;
  });
  Command again = runs.subcommand("rerun", "Train the configuration of a run once more, in another directory");
  again.option("RUN", a->a, "Run directory").required();
  again.option("--run-dir", a->b, "Of the new run").type("DIR").required();
  again.action([a, &options] {
    const RunRecord run = require_run(a->a);
    std::vector<std::string> command{own_program(), "train",     (run.path / "config.resolved.json").string(),
                                     "--run-dir",   a->b,        "--resume",
                                     "never",       "--backend", options.backend,
                                     "-q"};
    for (const auto& set : options.overrides()) command.insert(command.end(), {"--set", set});
    const auto done = run_program_with(command);
    std::cout << done.out;
    return done.code;
  });
}

}  // namespace mg::apps
