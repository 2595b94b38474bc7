#include "apps/program.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <new>

#include "apps/build_info.hpp"
#include "apps/commands.hpp"
#include "apps/logging.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/suggest.hpp"
#ifdef _OPENMP
#include <omp.h>
#endif

namespace mg::apps {

namespace {

constexpr const char* kFooter = R"(
Data goes to stdout, status to stderr. Exit codes:
  0 done             3 configuration invalid    6 diverged (NaN)        9 peer lost or timeout
  1 internal error   4 input data invalid       7 disk full, no access  75 stopped early, run again to go on
  2 wrong usage      5 no device or its memory  8 checkpoint unusable   130 interrupted twice)";

void add_global_options(CLI::App& app, GlobalOptions& options) {
  app.add_option("--set", options.sets,
                 "Override a key of the configuration, as in --set train.iterations=100; repeatable")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--backend", options.backend, "Where to compute: host, cuda, check (both, compared) or auto")
      ->type_name("NAME")
      ->check([](const std::string& name) {
        const std::vector<std::string> allowed = {"auto", "host", "cuda", "check"};
        if (std::find(allowed.begin(), allowed.end(), name) != allowed.end()) return std::string();
        return "expected auto, host, cuda or check, got \"" + name + "\"" + did_you_mean(name, allowed);
      });
  app.add_option("--seed", options.seed, "The same as --set seed=N")->type_name("N");
  app.add_option("--threads", options.threads, "Threads on the host; 0 = all processors")
      ->type_name("N")
      ->check([](const std::string& text) {
        const bool digits = !text.empty() && text.size() <= 4 && text.find_first_not_of("0123456789") == text.npos;
        return digits && std::stoi(text) <= 1024 ? std::string() : "expected 0 to 1024, got \"" + text + "\"";
      });
  app.add_flag("--dry-run", options.dry_run, "Check everything and print the plan; touch nothing");
  app.add_flag("-q,--quiet", options.quiet, "Only warnings and errors on stderr");
  app.add_flag("-v,--verbose", options.verbose, "Details on stderr");
  app.add_flag_callback(
      "--version",
      [] {
        std::cout << version_line() << "\n";
        throw CLI::Success();
      },
      "Print the version");
}

std::vector<std::string> subcommand_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* level = &app; level; level = level->get_parent())
    for (const CLI::Option* option : level->get_options())
      for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

/// The innermost subcommand that was reached.
const CLI::App& deepest(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : deepest(*chosen.front());
}

/// What is wrong with the command line, in terms of what was typed.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& level = deepest(app);
  const std::string where = level.get_parent() ? "'" + level.get_name() + "'" : "morphogen";
  const auto extras = app.remaining(true);
  const auto names = subcommand_names(level);
  if (!extras.empty()) {
    const std::string& word = extras.front();
    if (word.starts_with("-")) {
      const auto name = word.substr(0, word.find('='));
      return "unknown option " + name + " of " + where + did_you_mean(name, option_names(level));
    }
    if (!names.empty() && level.get_subcommands().empty())
      return "unknown subcommand '" + word + "'" + did_you_mean(word, names) + " (one of " + join(names) + ")";
    return "unexpected argument '" + word + "' of " + where;
  }
  if (error.get_name() == "RequiredError" && !names.empty() && level.get_subcommands().empty())
    return (level.get_parent() ? where + " needs" : std::string("expected")) + " a subcommand: one of " + join(names);
  return error.what();
}

int run_action(const GlobalOptions& options, const Action& action) {
#ifdef _OPENMP
  if (options.threads > 0) omp_set_num_threads(options.threads);
#endif
  configure_logging(options.quiet, options.verbose);
  const int code = action();
  std::cout.flush();
  if (!std::cout) throw IoError("writing to stdout failed");
  return code;
}

int parse_and_run(const std::vector<std::string>& arguments) {
  CLI::App app("Trains pattern-forming systems from one JSON file.", "morphogen");
  GlobalOptions options;
  options.arguments = arguments;
  Action action;
  app.footer(kFooter);
  app.require_subcommand(1);
  app.fallthrough();
  add_global_options(app, options);
  Command program(app, action);
  add_train(program, options);
  add_submit(program, options);
  add_sweep(program, options);
  add_runs(program, options);
  add_run(program, options);
  add_simulate(program, options);
  add_eval(program, options);
  add_gradcheck(program, options);
  add_import(program, options);
  add_bench(program, options);
  add_config(program, options);
  add_list(program, options);
  add_doctor(program, options);
  add_version(program, options);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& help) {
    app.exit(help);
    return int(ExitCode::ok);
  } catch (const CLI::ParseError& error) {
    std::cerr << "error: " << usage_message(app, error) << "\nTry: morphogen";
    if (const auto& level = deepest(app); level.get_parent()) std::cerr << " " << level.get_name();
    std::cerr << " --help\n";
    return int(ExitCode::usage);
  }
  return run_action(options, action);
}

int report(int code, const std::string& message) {
  std::fflush(stdout);
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return code;
}

}  // namespace

std::vector<std::string> GlobalOptions::overrides() const {
  auto all = sets;
  if (seed) all.push_back("seed=" + std::to_string(*seed));
  return all;
}

int run_program(const std::vector<std::string>& arguments) {
  try {
    return parse_and_run(arguments);
  } catch (const Error& error) {
    return report(int(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return report(int(ExitCode::device), "out of memory; smaller batches, lattices or train.memory need less");
  } catch (const std::exception& error) {
    return report(int(ExitCode::internal), std::string("internal: ") + error.what());
  } catch (...) {
    return report(int(ExitCode::internal), "internal: unknown exception");
  }
}

}  // namespace mg::apps
