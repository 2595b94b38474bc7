#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/safetensors.hpp"

namespace mg::train {

/// One complete state of a training run.
struct Checkpoint {
  std::int64_t step = 0;           ///< iterations done
  TensorFile model;                ///< model.safetensors
  std::optional<TensorFile> best;  ///< best.safetensors
  std::int64_t best_step = 0;
  double best_loss = 0;
  TensorFile state;            ///< train_state.safetensors
  nlohmann::json fingerprint;  ///< what a configuration must share to go on from here
};

/// The folder checkpoints/ of a run: step-00001000/{model, best, train_state}.safetensors, meta.json (sizes and xxh3 of
/// the files), COMPLETE (xxh3 of meta.json); last.json and best.json point into it. A checkpoint appears by one rename
/// after everything in it is on the disk, and older ones go only after that.
class CheckpointStore {
 public:
  CheckpointStore(std::filesystem::path directory, int keep_last, bool sync = true);

  /// Removes what is older than keep_last, and what claims a later step: the run went back from it because it is damaged.
  /// @throws IoError; the checkpoints that were there before stay valid then
  void write(const Checkpoint& checkpoint);
  /// The newest valid checkpoint; damaged ones are skipped with a warning in the log. None when there is none at all.
  /// @throws CheckpointError when there are some, but not one is valid
  std::optional<Checkpoint> load_latest() const;
  /// Reads one checkpoint directory and verifies every byte. @throws CheckpointError
  static Checkpoint load(const std::filesystem::path& directory);
  /// Directories step-*, newest first.
  std::vector<std::filesystem::path> list() const;

 private:
  void point(const char* name, const nlohmann::json& target) const;
  void prune(const std::string& newest) const;

  std::filesystem::path directory_;
  int keep_last_;
  bool sync_;
};

/// Compares the fingerprint of a checkpoint with that of the configuration that goes on from it. Returns a line for every
/// difference at or below one of the paths `allowed`, spelt as for --set ("optimiser.lr").
/// @throws CheckpointError naming every other key that differs, with both values
std::vector<std::string> require_same_fingerprint(const nlohmann::json& saved, const nlohmann::json& configured,
                                                  const std::vector<std::string>& allowed = {});

}  // namespace mg::train
