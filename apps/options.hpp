#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/exec.hpp"

namespace mg::apps {

/// What every subcommand takes.
struct GlobalOptions {
  std::vector<std::string> sets;     ///< --set path=value
  std::string backend = "auto";      ///< host | cuda | check | auto
  std::optional<std::int64_t> seed;  ///< --seed, the same as --set seed=...
  int threads = 0;                   ///< 0 = as many as OpenMP gives
  bool dry_run = false, quiet = false, verbose = false;
  std::vector<std::string> arguments;  ///< the whole command line without the program's name

  /// `sets`, then the override that --seed stands for.
  std::vector<std::string> overrides() const;
};

/// The work of the chosen subcommand; returns the exit code. Errors are thrown (core/error.hpp).
using Action = std::function<int()>;

/// The backend that --backend asks for: "auto" is CUDA when this build has it and a device is usable, else the host;
/// "check" computes on CUDA and compares with the host. @throws DeviceError with the reason when it is not to be had
Exec make_exec(const GlobalOptions& options);

}  // namespace mg::apps
