#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/communicator.hpp"
#include "core/schema.hpp"
#include "train/augmenter.hpp"
#include "train/objective.hpp"
#include "train/optimiser.hpp"
#include "train/rollout.hpp"

namespace mg::train {

/// What happens when a loss, gradient or state is not finite, or the loss passes the threshold.
enum class OnDivergence { stop, skip, rollback };

struct TrainerOptions {
  /// An iteration is accepted, and its final states become the next start, while i < warmup, or when
  /// total - best < accept_margin; a refused one is tried again with new random numbers.
  /// @source the reference implementation
  std::int64_t warmup = 64;
  double accept_margin = 0.01;
  bool accept_always = false;
  /// Whether the kept best parameters are those after the update that followed the best loss (as the reference has it)
  /// or those that the loss was measured with.
  bool best_after_update = true;
  double loss_threshold = 1e16;
  /// Judge an iteration by its total alone: a prediction that is NaN has loss 0 and counts, as in the reference.
  bool nan_loss_is_zero = false;
  OnDivergence on_divergence = OnDivergence::stop;
  int max_skips = 10;             ///< consecutive skipped iterations before giving up
  std::string memory = "auto";    ///< of plan_rollout
  std::size_t memory_budget = 0;  ///< bytes of all groups together; 0 = 80 % of what is free (auto), else no limit
  int memory_slots = 0;
  int memory_sharers = 1;  ///< ranks that share the memory of this one's machine or device
};

/// What one iteration did; all numbers belong to the parameters before its update.
struct StepReport {
  std::int64_t iteration = 0;
  double total = 0;                                   ///< the optimised value
  double loss = 0;                                    ///< its data term
  std::vector<std::pair<std::string, double>> terms;  ///< unweighted
  double gradient_norm = 0, learning_rate = 0;
  bool accepted = false, best = false;
  std::string problem;  ///< why the iteration was thrown away; empty = it was not
  int stop_votes = 0;   ///< ranks that had voted for a stop when it began
};

/// Trains one System: rollout, adjoint, update, and the decision what the next iteration starts from. Everything stays
/// on the backend of `exec`; one read-back of a few numbers is the only synchronisation of a step.
/// With several ranks, each rolls out its share of the samples. One sum over all of them, of the gradient and of everything
/// that a decision depends on, follows the adjoint: after it every rank does the same, to the bit.
template <class T>
class Trainer {
 public:
  /// @param objectives  one per group of the augmenter
  /// @param params      initial parameters, host memory
  /// @param comm        the other ranks, whose samples the augmenter leaves out; null = there are none
  Trainer(const Exec& exec, const System<T>& system, Augmenter<T>& augmenter,
          std::vector<std::unique_ptr<Objective<T>>> objectives, Optimiser<T>& optimiser, TrainerOptions options,
          std::uint64_t seed, const std::vector<T>& params, Communicator* comm = nullptr);

  /// Runs iteration `iteration()` and counts on. A diverged iteration changes neither parameters nor samples. Allocates
  /// nothing after the first call, except for a rollout longer than any before or of a length not seen yet.
  /// @return what it did; stands until the next call
  /// @throws DivergedError under OnDivergence::stop, or after max_skips consecutive ones under skip
  const StepReport& step();
  /// Whether this rank wants the job to stop; counted in the report of the next iteration, on all ranks alike.
  void vote_stop(bool stop) { stop_vote_ = stop; }

  std::int64_t iteration() const { return iteration_; }
  double best() const { return best_; }
  bool has_best() const { return best_iteration_ >= 0; }
  std::int64_t best_iteration() const { return best_iteration_; }
  std::vector<T> params() const { return params_.to_vector(); }
  std::vector<T> best_params() const { return best_params_.to_vector(); }
  const std::vector<Rollout<T>>& rollouts() const { return rollouts_; }
  /// The memory plan of one group for rollouts of `steps` steps with `held` states besides.
  /// @throws ConfigError when the budget is too small
  const MemoryPlan& plan(std::size_t group, int steps, int held = 0);

  /// The plan of the coming iteration, of its time grid where the group has times.
  const MemoryPlan& first_plan(std::size_t group);

  /// Everything needed to go on bit for bit: parameters, optimiser, augmenter, best, counters.
  void save(TensorFile& file) const;
  /// @throws CheckpointError, DataError when the file belongs to another configuration
  void restore(const TensorFile& file);
  /// After a rollback, number `attempt`: other random numbers from here on, and the learning rate times factor^attempt.
  void retry(std::int64_t attempt, double factor);
  std::int64_t stream() const { return stream_; }
  double rate_scale() const { return rate_scale_; }
  const TrainerOptions& options() const { return options_; }

 private:
  struct Measured {
    double gradient_squares = 0, state_squares = 0;
    std::vector<double> terms;
  };
  void run_rollouts();
  StepIndex base_of(std::size_t group) const;
  TimeGrid grid_of(std::size_t group, const StepIndex& base);
  const MemoryPlan& plan_of(std::size_t group, const TimeGrid& grid);
  void run_forward(std::size_t group, const StepIndex& base);
  void hand_back();
  StateView<T> start_bar(std::size_t group) const;
  void read_back();
  void sum_over_ranks();
  const char* problem(double total) const;
  void throw_away();
  void keep_best(double total);

  Exec exec_;
  const System<T>& system_;
  Augmenter<T>& augmenter_;
  std::vector<std::unique_ptr<Objective<T>>> objectives_;
  Optimiser<T>& optimiser_;
  Communicator* comm_;  // null with one rank
  bool stop_vote_ = false;
  TrainerOptions options_;
  std::uint64_t seed_;
  std::vector<Rollout<T>> rollouts_;
  std::vector<std::map<std::pair<int, int>, MemoryPlan>> plans_;  // [groups] by steps and held states
  std::vector<Buffer<T>> start_bars_;  // [groups] empty unless the augmenter learns from them
  std::size_t samples_ = 0, state_bytes_ = 0;
  Buffer<T> params_, best_params_, scalars_;
  Buffer<T> gradient_;           // [params], then what else the ranks sum: votes, squares of the states, terms
  std::vector<T> host_scalars_;  // of scalars_
  std::vector<double> weights_;  // of the terms
  std::vector<ConstStateView<T>> finals_;  // [groups]
  std::vector<const T*> sample_losses_;    // [groups] of a device array
  Measured measured_;
  StepReport report_;
  Workspace workspace_;
  std::int64_t iteration_ = 0, best_iteration_ = -1, stream_ = 0, skips_ = 0;
  double best_ = 1e8, rate_scale_ = 1;
};

}  // namespace mg::train
