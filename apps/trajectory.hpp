#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/system.hpp"

namespace mg::apps {

/// How a simulation over given times went.
struct TrajectoryReport {
  int frames = 0;  ///< that were reached and are finite
  std::int64_t steps = 0;
  double shortest = 0, longest = 0;  ///< steps [model time]
  double seconds = 0;
  double state_bytes = 0;  ///< of what the simulation held
  std::string problem;     ///< why it ended early; empty = it did not
};

/// Takes frame `index` of a simulation: the whole first block of the state (C, h, w) at `time`.
template <class T>
using FrameSink = std::function<void(int index, double time, const std::vector<T>& frame)>;

/// Rolls one sample from times.front() over all `times`, and hands over the state at each of them, the first included. No
/// more than two states and the frames of one step are held. A solver that accepts no further step, and a frame that is
/// not finite, end the simulation with a `problem` that names time, channel and cell; what was reached before stands.
/// @param params, conditions, start  host memory
/// @param sample  its global number, which keys random numbers
/// @param stop    asked after every step; may be empty
/// @throws ConfigError for times that the system cannot reach
template <class T>
TrajectoryReport roll_times(const Exec& exec, const System<T>& system, Grid grid, const std::vector<T>& params,
                            const std::vector<T>& conditions, const std::vector<T>& start,
                            const std::vector<double>& times, std::uint64_t seed, std::int64_t sample,
                            const FrameSink<T>& sink, const std::function<bool()>& stop = {});

}  // namespace mg::apps
