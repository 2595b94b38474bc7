#pragma once
#include "apps/command.hpp"

namespace mg::apps {

/// Each adds one subcommand to the program: its options and what it does (Command::action). One file per subcommand,
/// apps/<name>.cpp.
void add_bench(Command& program, GlobalOptions& options);
void add_config(Command& program, GlobalOptions& options);
void add_eval(Command& program, GlobalOptions& options);
void add_run(Command& program, GlobalOptions& options);
void add_gradcheck(Command& program, GlobalOptions& options);
void add_doctor(Command& program, GlobalOptions& options);
void add_import(Command& program, GlobalOptions& options);
void add_list(Command& program, GlobalOptions& options);
void add_simulate(Command& program, GlobalOptions& options);
void add_submit(Command& program, GlobalOptions& options);
void add_runs(Command& program, GlobalOptions& options);
void add_sweep(Command& program, GlobalOptions& options);
void add_train(Command& program, GlobalOptions& options);
void add_version(Command& program, GlobalOptions& options);

}  // namespace mg::apps
