#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/padding.hpp"
#include "core/schema.hpp"
#include "train/feature_loss.hpp"
#include "train/objective.hpp"

namespace mg::train {

/// What the objective must know of the model whose trajectories it judges.
struct TrajectoryModel {
  int observed = 0;  ///< first channels of the first state block, which the data show
  Padding padding = Padding::circular;
  double dx = 1;  ///< cell size [length], of the features
};

struct TrajectoryObjectiveOptions {
  std::string loss = "euclidean";  ///< of make_loss
  LossOptions loss_options = {};   ///< see make_loss
  int random_samples = 0;          ///< > 0: only so many random (channel, cell) count, new ones every iteration
  double grad_weight = 0.1;        ///< weight of the loss of the derivatives; 0 = none
  bool all_times = true;           ///< false: the last save only
  int skip = 0;                    ///< saves left out at the start
  int sampling = 1;                ///< of the rest every so many-th, the first one included
};

/// The distance of a trajectory from data at the saves of a rollout. With the saves u (of U) that are looked at, the
/// samples n of all groups and w the weight of a sample
///   total = sum_n w / U sum_u [ loss(x_u, y_u) + grad_weight loss(f(x_u), f(y_u)) ],   f = (G0, G1, L)
/// over the observed channels; f are the stencils of scale 1 with the model's padding and cell size.
/// The target of bind() is save-major: (saves x batch, >= observed, h, w), or one (batch, ...) for all saves.
/// @source the reference implementation
template <class T>
class TrajectoryObjective final : public Objective<T> {
 public:
  /// @throws std::invalid_argument when options and model contradict each other
  TrajectoryObjective(const TrajectoryModel& model, TrajectoryObjectiveOptions options);

  void bind(const Exec& exec, const ObjectiveInputs<T>& inputs) override;
  void begin(const Exec& exec, const StepIndex& base, int saves) override;
  bool observes(int m, int saves) const override;
  void value(const Exec& exec, int m, int saves, ConstStateView<T> x) override;
  void adjoint(const Exec& exec, int m, int saves, ConstStateView<T> x, StateView<T> x_bar) override;
  std::vector<std::string> terms() const override { return {"loss", "derivatives"}; }
  std::vector<double> term_weights() const override { return {1, options_.grad_weight}; }
  void totals(const Exec& exec, T* out) override;
  const T* sample_losses() const override { return sample_losses_.data(); }

 private:
  double share(int m, int saves) const;
  ConstView<T> target(int m) const;
  ConstView<T> mask() const;
  void draw_mask(const Exec& exec, const StepIndex& base);

  TrajectoryModel model_;
  TrajectoryObjectiveOptions options_;
  std::unique_ptr<FeatureLoss<T>> loss_, derivatives_;
  ObjectiveInputs<T> inputs_;
  int batch_ = 0, saves_ = 0;
  Workspace workspace_;
  Buffer<double> terms_;     // [batch][kTerms]
  Buffer<T> sample_losses_;  // [batch]
  Buffer<T> mask_;           // (batch, observed, h, w), empty without random samples
  std::vector<T> host_mask_;
};

/// The config key "objective" of models that run in time.
Schema trajectory_objective_schema();
TrajectoryObjectiveOptions trajectory_objective_options(const Config& config);

}  // namespace mg::train
