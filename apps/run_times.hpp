#pragma once
#include <optional>
#include <string>
#include <vector>

#include "apps/data.hpp"
#include "apps/model.hpp"
#include "apps/recorder.hpp"

namespace mg::apps {

/// Whether `source` runs over times: it names some, or its model has a solver.
bool runs_over_times(const ModelSource& source);

/// The times to show: 0 to `until` when that is given, else those of the configuration, else those of its data.
/// @throws Error (usage) when there are none
std::vector<double> wanted_times(const ModelSource& source, std::optional<double> until, int frames,
                                 const std::vector<train::Trajectory>& data);

/// Where sample `sample` starts: "start" of the configuration, else the first frame of its data.
/// @throws Error (usage) when there is neither, or no such sample
template <class T>
StartState<T> wanted_start(const ModelSource& source, const System<T>& system, int sample,
                           const std::vector<train::Trajectory>& data);

/// The data that wanted_times and wanted_start fall back to; empty when the configuration itself names all.
std::vector<train::Trajectory> fallback_data(const ModelSource& source, std::optional<double> until, const Exec& exec);

struct RunTimesOptions {
  RecorderOptions record;
  std::optional<double> until;
  int frames = 101;  ///< with `until`
  int sample = 0;
};

/// `morphogen run` of a model over times: pictures and numbers, and a report on stdout.
/// @return exit code: 0; 6 (diverged) when a value is not finite or no step is accepted, with what was reached written
///         and marked; 75 when stopped by a signal
int run_times(RunTimesOptions options, const GlobalOptions& global, const ModelSource& source);

}  // namespace mg::apps
