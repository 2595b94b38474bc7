#pragma once
#include "core/philox.hpp"
#include "train/augmenter.hpp"

namespace mg::train {

struct SwarmOptions {
  int steps = 64;          ///< of a rollout
  int batch = 4;           ///< swarms per pair of frames
  bool redraw = true;      ///< new positions and headings at every iteration; false: those of the first
  bool anywhere = false;   ///< agents start anywhere instead of inside the ink of the first frame
  bool propagate = false;  ///< pair k starts where pair k - 1 ended
};

/// Swarms between pictures: agents start at random inside the ink of frame n, with random headings and an empty lattice,
/// and shall end in the shape of frame n + 1. The ink of a frame is its alpha channel, if it has four, else its mean.
template <class T>
class SwarmAugmenter final : public Augmenter<T> {
 public:
  /// @throws DataError for trajectories of one frame, frames without ink, or a model whose state is not a swarm
  SwarmAugmenter(const SwarmOptions& options, const AugmenterInputs<T>& inputs);

  std::vector<SampleGroup<T>>& groups() override { return groups_; }
  int steps(std::int64_t) const override { return options_.steps; }
  bool wants_finals() const override { return options_.propagate; }
  void begin(const Exec& exec, std::int64_t iteration) override;
  void finish(const Exec& exec, std::int64_t iteration, const std::vector<ConstStateView<T>>& finals,
              const std::vector<const T*>& losses, bool accepted) override;
  void save(TensorFile& file) const override;
  void restore(const Exec& exec, const TensorFile& file) override;

 private:
  SwarmOptions options_;
  std::uint64_t seed_;
  std::vector<SampleGroup<T>> groups_;              // one per trajectory
  std::vector<std::vector<Buffer<double>>> below_;  // [groups][frames][h * w] ink of all nodes up to this one
  std::vector<Buffer<T>> carried_;  // [groups] start states of pairs 1, 2, ..., empty until the first rollout
};

/// The ink of a frame of (channels, h, w): its fourth channel of four, else the mean, never below 0; largest value 1.
/// @throws DataError naming `name` when all of it is 0
std::vector<float> ink_of(const std::vector<float>& frame, int channels, const std::string& name);

/// Start of one swarm: positions inside the ink (one node's mass spread over its unit cell), headings on the unit circle,
/// both keyed by stream and agent.
/// @param x, u  [agents][2] overwritten
template <class T>
void scatter_agents(const std::vector<float>& ink, Grid grid, RandomStream stream, int agents, T* x, T* u);

/// The config key "augment" of {"type": "swarm"}.
Schema swarm_schema();
SwarmOptions swarm_options(const Config& config);

}  // namespace mg::train
