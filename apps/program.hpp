#pragma once
#include <string>
#include <vector>

namespace mg::apps {

/// The whole program: parses `arguments` (without the program's name), runs one subcommand, reports errors on stderr.
/// Returns the exit code (core/error.hpp); throws nothing.
int run_program(const std::vector<std::string>& arguments);

}  // namespace mg::apps
