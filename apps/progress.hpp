#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "train/trainer.hpp"

namespace mg::apps {

/// "00:16:31"
std::string clock_text(double seconds);

/// How a training run gets on, on stderr: one line that is drawn anew at most ten times a second on a terminal, else a
/// plain line every few seconds.
class Progress {
 public:
  Progress(std::int64_t iterations, bool quiet);
  ~Progress() { finish(); }
  void update(const train::StepReport& report, double best);
  /// Leaves the cursor on a fresh line.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  std::string line(const train::StepReport& report, double best) const;

  std::int64_t iterations_;
  bool quiet_, lively_, open_ = false;
  double step_seconds_ = 0;  // moving average; the first steps of a session do not count
  int steps_ = 0;
  Clock::time_point last_step_, last_line_;
};

}  // namespace mg::apps
