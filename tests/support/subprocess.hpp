#pragma once
#include <string>
#include <vector>

namespace mg::test {

struct ProcessResult {
  int code = 0;  ///< exit status; 128 + signal when killed
  std::string out, err;
};

/// Runs a program with these arguments in `folder` (empty: here) and gathers what it prints. `environment` holds
/// "NAME=value" to add. The standard input is empty.
ProcessResult run_process(const std::string& program, const std::vector<std::string>& arguments,
                          const std::string& folder = "", const std::vector<std::string>& environment = {});

/// The built morphogen.
ProcessResult run_morphogen(const std::vector<std::string>& arguments, const std::string& folder = "",
                            const std::vector<std::string>& environment = {});

}  // namespace mg::test
