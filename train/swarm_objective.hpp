#pragma once
#include "core/assignment_cell.hpp"
#include "core/config.hpp"
#include "core/schema.hpp"
#include "train/objective.hpp"
#include "train/swarm_cell.hpp"

namespace mg::train {

/// What measures the agents against the ink.
enum class SwarmDistance { sinkhorn, energy, sliced, density };

struct SwarmObjectiveOptions {
  double transport = 0.5;  ///< alpha: share of the distance of the agents; the rest is the lattice
  SwarmDistance distance = SwarmDistance::sinkhorn;
  int directions = 64;                      ///< of sliced
  Assignment assignment = Assignment::tsc;  ///< of density
  bool squared_lattice = false;             ///< mean square instead of its root
  SinkhornOptions sinkhorn;
  /// The potentials of the last iteration start the next solve. They are in no checkpoint: a resumed run then equals an
  /// uninterrupted one to the threshold only.
  bool warm_start = false;
  /// A solve that misses its threshold makes the loss NaN: the trainer's rule for divergence decides.
  bool require_convergence = false;
};

/// How far a swarm is from a picture: the state is {"x" [N,2], ..., "lattice" [C,h,w]}, the target (batch, 1, h, w) >= 0.
///   loss = alpha D(agents, target) + (1 - alpha) sqrt(mean (lattice_0 - target)^2 + 1e-12)
/// or without the root. D is the Sinkhorn divergence, the energy distance or the sliced distance of the agents, of equal
/// weights, and the nodes, weighted by the target, where coordinates are divided by h and w, so that the box has sides 1;
/// or the mean squared difference of the agents' density and the target, both of sum 1, on a torus unless the metric is
/// flat. Only the last state counts. The potentials are held in the gradient.
/// The term "marginal_error" is that of the plans between the clouds, averaged over the samples.
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
  std::vector<std::string> terms() const override { return {"loss", "transport", "lattice", "marginal_error"}; }
  std::vector<double> term_weights() const override { return {1, 0, 0, 0}; }
  void totals(const Exec& exec, T* out) override;
  const T* sample_losses() const override { return sample_losses_.data(); }
  /// What the solves of the last rollout came to, one for every sample; waits for them.
  std::vector<SinkhornReport> reports() const { return reports_.to_vector(); }

 private:
  LatticeError<T> lattice_error(ConstStateView<T> state) const;
  void measure(const Exec& exec, const T* x, int agents);

  SwarmObjectiveOptions options_;
  ObjectiveInputs<T> inputs_;
  std::vector<T> ink_;   // of the targets bound, in host memory
  CloudBatch<T> nodes_;  // those with ink
  Buffer<T> node_points_, node_weights_;
  Buffer<T> target_density_;  // (batch, 1, h, w) of sum 1
  Buffer<T> points_, x_bar_;  // [batch][N][2] in boxes of side 1
  Buffer<T> potentials_;
  Buffer<SinkhornReport> reports_;  // [batch]
  Buffer<double> terms_;            // [batch][kSwarmTerms]
  Buffer<T> sample_losses_;         // [batch]
  Buffer<double> distances_;        // [batch] of what has no report
  Workspace workspace_;
  StepIndex base_;
  bool warm_ = false;
};

/// The config key "objective" of swarms.
Schema swarm_objective_schema();
SwarmObjectiveOptions swarm_objective_options(const Config& config);

}  // namespace mg::train
