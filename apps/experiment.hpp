#pragma once
#include <memory>
#include <vector>

#include "core/config.hpp"
#include "core/system.hpp"
#include "train/image_objective.hpp"
#include "train/trainer.hpp"
#include "train/trajectory_objective.hpp"

namespace mg::apps {

/// What the objective must know of the model that "model" describes.
train::ImageModel image_model(const Config& model, int observed);

/// The objective of "objective" for data of `observed` channels.
/// @throws ConfigError when model, augmenter and objective do not go together
template <class T>
std::unique_ptr<train::Objective<T>> make_objective(const Config& root, int observed);

/// Everything that a configuration describes, built and ready to train. Nothing on the disk is written.
template <class T>
struct Experiment {
  /// `checked`: steps on CUDA are compared with the host now and then. `comm`: the ranks that share the samples.
  /// @throws ConfigError, DataError, DeviceError
  Experiment(const Config& root, const Exec& exec, bool checked, Communicator* comm = nullptr, int memory_sharers = 1);

  Exec exec;
  std::uint64_t seed = 0;
  std::unique_ptr<System<T>> system;
  std::unique_ptr<System<T>>
      rollout_system;  ///< what training rolls out when it must see more than the cells; else null
  std::vector<train::Trajectory> data;
  std::unique_ptr<train::Augmenter<T>> augmenter;
  std::unique_ptr<train::Optimiser<T>> optimiser;
  std::unique_ptr<train::Trainer<T>> trainer;
};

}  // namespace mg::apps
