#pragma once
#include <stdexcept>
#include <string>

namespace mg {

/// Process exit codes of the `morphogen` program; docs/config.md lists them for users.
enum class ExitCode : int {
  ok = 0,
  internal = 1,       ///< a bug
  usage = 2,          ///< command line
  config = 3,         ///< invalid configuration
  data = 4,           ///< invalid or corrupt input data
  device = 5,         ///< no usable device, or out of device memory
  diverged = 6,       ///< NaN budget spent
  io = 7,             ///< disk full, permission
  checkpoint = 8,     ///< checkpoint unusable
  distributed = 9,    ///< peer lost, timeout
  stopped_early = 75  ///< stopped by a signal or time limit after a complete checkpoint: run me again
};

/// Base of every error that names a documented exit code. Contract violations by C++ callers throw
/// std::invalid_argument instead.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& what) : std::runtime_error(what), code_(code) {}
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

struct ConfigError : Error {
  explicit ConfigError(const std::string& what) : Error(ExitCode::config, what) {}
};
struct DataError : Error {
  explicit DataError(const std::string& what) : Error(ExitCode::data, what) {}
};
struct DeviceError : Error {
  explicit DeviceError(const std::string& what) : Error(ExitCode::device, what) {}
};
struct DivergedError : Error {
  explicit DivergedError(const std::string& what) : Error(ExitCode::diverged, what) {}
};
struct IoError : Error {
  explicit IoError(const std::string& what) : Error(ExitCode::io, what) {}
};
struct CheckpointError : Error {
  explicit CheckpointError(const std::string& what) : Error(ExitCode::checkpoint, what) {}
};
struct DistributedError : Error {
  explicit DistributedError(const std::string& what) : Error(ExitCode::distributed, what) {}
};

}  // namespace mg
