#pragma once
#include "core/config.hpp"
#include "core/schema.hpp"
#include "train/objective.hpp"
#include "train/sinkhorn.hpp"

namespace mg::train {

struct SwarmObjectiveOptions {
  double transport = 0.5;  ///< alpha: share of the Sinkhorn divergence; the rest is the lattice
  SinkhornOptions sinkhorn;
  /// The potentials of the last iteration start the next solve. They are in no checkpoint: a resumed run then equals an
  /// uninterrupted one to the threshold only.
  bool warm_start = false;
};

/// How far a swarm is from a picture: the state is {"x" [N,2], ..., "lattice" [C,h,w]}, the target (batch, 1, h, w) >= 0.
///   loss = alpha S(agents, target) + (1 - alpha) sqrt(mean (lattice_0 - target)^2 + 1e-12)
/// S is the Sinkhorn divergence of the agents, of equal weights, and the nodes, weighted by the target; coordinates are
/// divided by h and w, so that the box has sides 1. Only the last state counts. The potentials are held in the gradient.
/// Runs where the host can read the states.
template <class T>
class SwarmObjective final : public Objective<T> {
 public:
  /// @throws std::invalid_argument unless 0 <= transport <= 1
  explicit SwarmObjective(SwarmObjectiveOptions options);

  void bind(const Exec& exec, const ObjectiveInputs<T>& inputs) override;
  void begin(const Exec& exec, const StepIndex& base, int steps) override;
  bool observes(int k, int steps) const override { return k == steps; }
  void value(const Exec& exec, int k, int steps, ConstStateView<T> x) override;
  void adjoint(const Exec& exec, int k, int steps, ConstStateView<T> x, StateView<T> x_bar) override;
  std::vector<std::string> terms() const override { return {"loss", "transport", "lattice"}; }
  std::vector<double> term_weights() const override { return {1, 0, 0}; }
  void totals(const Exec& exec, T* out) override;
  const T* sample_losses() const override { return sample_losses_.data(); }
  /// Whether every solve of the last rollout met its threshold, and the largest marginal error left.
  bool converged() const { return converged_; }
  double marginal_error() const { return marginal_error_; }

 private:
  struct Sample {
    std::vector<T> nodes, weights;  // [M][2] of the nodes with ink, [M]
    SinkhornResult<T> result;
    std::vector<T> x_bar;  // [N][2] of the divergence, in boxes of side 1
    double transport = 0, lattice = 0;
  };
  SwarmObjectiveOptions options_;
  ObjectiveInputs<T> inputs_;
  std::vector<Sample> samples_;
  Workspace workspace_;
  std::vector<T> sample_losses_;
  bool converged_ = true;
  double marginal_error_ = 0;
};

/// The config key "objective" of swarms.
Schema swarm_objective_schema();
SwarmObjectiveOptions swarm_objective_options(const Config& config);

}  // namespace mg::train
