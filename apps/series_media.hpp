#pragma once
#include <filesystem>
#include <vector>

#include "core/system.hpp"
#include "train/augmenter.hpp"

namespace mg::apps {

/// Pictures of a model that learnt a time series, in `folder`: compare.png (target, prediction and difference of every
/// observed channel at some of the times), prediction.png and prediction.gif (the model from the first frame on, twice as
/// long as the data), weights.png. What a prediction does not reach is left out with a warning.
/// @throws IoError
template <class T>
void write_series_media(const std::filesystem::path& folder, const Exec& exec, const System<T>& system,
                        const std::vector<T>& params, const train::Trajectory& data, std::uint64_t seed);

/// Every parameter tensor as a picture, rows by columns of its matrix, blue to red about 0, each over its own range.
template <class T>
void write_weights(const std::filesystem::path& file, const Layout& layout, const std::vector<T>& params);

/// The times of a trajectory: its own, else 0, 1, 2, ...
std::vector<double> times_of(const train::Trajectory& data);

/// `data` with its frames at whole numbers of steps, so many from one to the next: for models that count steps.
train::Trajectory in_steps(train::Trajectory data, int steps_per_frame);

/// How near a model comes to a trajectory that it starts on.
struct SeriesError {
  std::vector<double> times;       // [frames reached, without the first]
  std::vector<double> rms;         ///< root mean square of the difference, all observed channels
  std::vector<double> target_rms;  ///< root mean square of the deviation of the data from their mean over cells
  std::string problem;             ///< why it ended early; empty = it did not
};
template <class T>
SeriesError series_error(const Exec& exec, const System<T>& system, const std::vector<T>& params,
                         const train::Trajectory& data, std::uint64_t seed, std::int64_t sample);

}  // namespace mg::apps
