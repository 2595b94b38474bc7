#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace mg::train {

/// The directory of one run: configuration, provenance, metrics, checkpoints, status, pictures. Held by one process at
/// a time; everything that is replaced is replaced atomically.
class RunDirectory {
 public:
  /// What stands in the folder before the run, as text.
  struct Description {
    std::string config_input, config_resolved, overrides;
    nlohmann::json provenance;  ///< of this start
  };
  enum class Mode {
    fresh,     ///< the folder must be absent or empty
    resume,    ///< an earlier run there goes on; absent or empty is fresh
    overwrite  ///< an earlier run there is removed, nothing else is
  };

  /// Creates or enters the folder and locks it. Nothing is left behind when this fails. A new run is described at once;
  /// an earlier one keeps its description until confirm().
  /// @throws IoError when another process holds it, or the folder holds something that the mode does not allow
  RunDirectory(const std::filesystem::path& path, Mode mode, const Description& description);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  /// base/NAME-20261122-131522-a1b2, the last part from the configuration and the process.
  static std::filesystem::path new_path(const std::filesystem::path& base, const std::string& name,
                                        const std::string& config_text);

  /// Call once it is known that the earlier run can go on: its configuration becomes that of this start, which is added
  /// to provenance.json. Does nothing for a new run. @throws IoError
  void confirm();
  /// Gives up a start that failed: removes the folder if this process made it, and touches no earlier run.
  void withdraw() noexcept;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  std::filesystem::path media() const { return path_ / "media"; }

  /// Drops the records of iterations after `step` (they will be repeated) and returns the training seconds of the last
  /// record kept.
  double rewind_metrics(std::int64_t step);
  /// Appends one line. @throws IoError
  void append_metrics(const nlohmann::json& record);
  /// Replaces STATUS.json. @throws IoError
  void status(const std::string& state, int exit_code, std::int64_t step, std::int64_t iterations,
              const std::string& reason) const;

 private:
  void lock();
  void enter(Mode mode);
  void describe() const;

  std::filesystem::path path_;
  Description description_;
  int lock_ = -1, metrics_ = -1;
  bool created_ = false;      // the folder, by this process
  bool unconfirmed_ = false;  // an earlier run, whose description stands
};

}  // namespace mg::train
