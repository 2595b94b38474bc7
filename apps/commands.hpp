#pragma once
#include "apps/options.hpp"

namespace CLI {
class App;
}

namespace mg::apps {

/// Each adds one subcommand to the program: its options, and a callback that sets `action` when it was chosen. One file
/// per subcommand, apps/<name>.cpp. The action runs after the whole command line is parsed and checked.
void add_bench(CLI::App& program, GlobalOptions& options, Action& action);
void add_config(CLI::App& program, GlobalOptions& options, Action& action);
void add_eval(CLI::App& program, GlobalOptions& options, Action& action);
void add_run(CLI::App& program, GlobalOptions& options, Action& action);
void add_gradcheck(CLI::App& program, GlobalOptions& options, Action& action);
void add_doctor(CLI::App& program, GlobalOptions& options, Action& action);
void add_import(CLI::App& program, GlobalOptions& options, Action& action);
void add_list(CLI::App& program, GlobalOptions& options, Action& action);
void add_simulate(CLI::App& program, GlobalOptions& options, Action& action);
void add_train(CLI::App& program, GlobalOptions& options, Action& action);
void add_version(CLI::App& program, GlobalOptions& options, Action& action);

}  // namespace mg::apps
