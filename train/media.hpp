#pragma once
#include <filesystem>
#include <vector>

#include "core/system.hpp"
#include "train/augmenter.hpp"

namespace mg::train {

struct MediaOptions {
  int steps = 64;              ///< of the rollout that is drawn
  bool premultiplied = false;  ///< the data's colours are multiplied by alpha
  std::uint64_t seed = 0;
  std::int64_t iteration = 0;     ///< keys the random numbers of the rollout
  int strip = 9, animation = 64;  ///< states in the strip and in the animation, at most
};

/// Pictures of a trained model in `folder`: target.png (the frames of the trajectory), growth.png (a strip), growth.gif,
/// hidden.png (all channels of the last state). The rollout starts from the trajectory's first frame, undisturbed.
/// @throws IoError
template <class T>
void write_media(const std::filesystem::path& folder, const Exec& exec, const System<T>& system,
                 const std::vector<T>& params, const Trajectory& data, const MediaOptions& options);

/// loss.png from the records of metrics.jsonl; nothing when there are fewer than two. @throws IoError
void write_loss_curve(const std::filesystem::path& folder, const std::filesystem::path& metrics);

}  // namespace mg::train
