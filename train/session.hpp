#pragma once
#include <functional>

#include "train/checkpoint.hpp"
#include "train/run_directory.hpp"
#include "train/trainer.hpp"

namespace mg::train {

struct SessionOptions {
  std::int64_t iterations = 1000;
  std::int64_t checkpoint_every = 500;    ///< iterations; 0 = only at the end
  int rollbacks = 3;                      ///< tries of OnDivergence::rollback
  double rollback_rate = 0.5;             ///< factor on the learning rate at each of them
  double max_seconds = 0;                 ///< of one start of the run, then stop as after a signal; 0 = none
  nlohmann::json fingerprint;             ///< of the configuration
  std::vector<std::string> allow_change;  ///< paths of it that may differ from a checkpoint's
  std::string model_json;                 ///< metadata of the model files
};

/// Where a session keeps what it does. Only rank 0 has a run directory and checkpoints.
struct SessionPlace {
  RunDirectory* run = nullptr;
  CheckpointStore* store = nullptr;
  Communicator* comm = nullptr;  ///< null = one rank
};

/// What the program around a session sees and decides.
struct SessionHooks {
  std::function<bool()> stop;  ///< asked after every iteration: checkpoint and leave
  std::function<void(const StepReport&, double seconds)> progress;
};

enum class SessionEnd { finished, stopped };

/// Trains until the last iteration or a stop, with metrics, checkpoints and status in the run directory. Starts from the
/// newest valid checkpoint there when there is one: the result is bit for bit that of a run that never stopped. With several
/// ranks all decide alike; rank 0 reads and writes, and a run may go on with another number of them.
template <class T>
class Session {
 public:
  Session(Trainer<T>& trainer, const Layout& param_layout, SessionPlace place, SessionOptions options,
          SessionHooks hooks);

  /// Restores `from`, or the newest checkpoint of the store when null; returns the iteration it goes on from. Of rank 0.
  /// @throws CheckpointError
  std::int64_t resume(const Checkpoint* from = nullptr);
  /// @throws DivergedError, IoError; the last checkpoint stays intact
  SessionEnd run();
  double seconds() const { return seconds_; }  ///< of training, earlier sessions included

 private:
  void save();
  void record(const StepReport& report);
  bool root() const { return place_.run != nullptr; }
  std::optional<TensorFile> shared(std::optional<TensorFile> state) const;
  bool stop_wanted(bool late) const { return late || (hooks_.stop && hooks_.stop()); }
  void status(const char* state, int code, const char* reason) const;
  void roll_back(const StepReport& report);

  Trainer<T>& trainer_;
  const Layout& layout_;
  SessionPlace place_;
  SessionOptions options_;
  SessionHooks hooks_;
  TensorFile initial_;  // for a rollback before the first checkpoint
  std::int64_t saved_at_ = -1, rollbacks_ = 0;
  double seconds_ = 0;
};

}  // namespace mg::train
