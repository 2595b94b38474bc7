#pragma once
#include <string>
#include <vector>

namespace mg::apps {

struct Finished {
  int code = 0;     ///< exit status; 128 + signal when killed; 127 when the program is not there
  std::string out;  ///< what it printed, if asked for
};

/// Runs a program, found on PATH, with exactly these arguments: no shell sees them.
/// @param out  a file for its stdout and stderr, or empty: stdout is returned, stderr is this process'
Finished run_program_with(const std::vector<std::string>& words, const std::string& out = "");

/// `text` as one word of a POSIX shell, whatever it holds: in single quotes.
std::string shell_quoted(const std::string& text);

/// The file of this program.
std::string own_program();

}  // namespace mg::apps
