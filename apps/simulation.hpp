#pragma once
#include <optional>
#include <string>
#include <vector>

#include "apps/model.hpp"
#include "core/buffer.hpp"
#include "core/image.hpp"
#include "train/augmenter.hpp"
#include "train/loss.hpp"

namespace mg::apps {

/// Where a simulation begins and what its picture should be.
template <class T>
struct Start {
  Grid grid;
  int observed = 0;                       ///< first channels of the state, which pictures show
  bool premultiplied = true;              ///< whether RGB is multiplied by alpha in the data
  std::vector<T> state;                   // [state_layout(grid).size()]
  std::vector<T> conditions;              // [condition_layout(grid).size()]
  std::optional<train::Trajectory> data;  ///< frames to reach, when the configuration names some
};

/// The first frame of trajectory `sample` of the configuration, in the middle of a lattice of `size` when that is given;
/// without a configuration one living cell (channels 3 and up are 1) in the middle of `size`, 72 x 72 by default.
/// @throws DataError, or Error (usage) when size and data contradict each other
template <class T>
Start<T> make_start(const ModelSource& source, const System<T>& system, std::optional<Grid> size, int sample);

/// "H" or "HxW". @throws Error (usage)
Grid parse_size(const std::string& text);

/// What happens to a state: a region is set to zero before the step of that number.
struct Damage {
  int step = 0;
  std::string kind;  ///< disc | lower | upper | left | right
};
/// "STEP" or "STEP:KIND"; a disc of a quarter of the shorter side when no kind is given. @throws Error (usage)
Damage parse_damage(const std::string& text);

/// Rolls samples of one start state forwards, each with random numbers of its own.
template <class T>
class Simulation {
 public:
  Simulation(const Exec& exec, const Model<T>& model, const Start<T>& start, int samples, std::uint64_t seed);

  void advance(int steps);
  /// Sets every channel inside the region to zero, in all samples.
  void damage(const std::string& kind);
  int step() const { return step_; }
  std::vector<T> state() const { return states_[current_].to_vector(); }  ///< (samples, C, h, w)
  Planes planes(int sample) const;                                        ///< of the first block, (C, h, w)
  /// Mean squared difference of the observed channels to `target` (observed, h, w), one number per sample.
  std::vector<double> distances(const std::vector<float>& target, int observed) const;
  /// A loss of training between the samples and `target`, one number per sample.
  std::vector<double> losses(const train::Loss<T>& loss, const std::vector<float>& target, int observed);

 private:
  Exec exec_;
  const System<T>& system_;
  Layout state_layout_, condition_layout_;
  int samples_;
  std::uint64_t seed_;
  Buffer<T> params_, conditions_, states_[2];
  Workspace workspace_;
  int current_ = 0, step_ = 0;
};

}  // namespace mg::apps
