#pragma once
#include <vector>

namespace mg {

/// One step of a rollout: from t to t + h.
struct TimeStep {
  double t = 0, h = 1;  // [model time]
  int stages = 0;       ///< what a solver with a variable number of stages chose for it
};

/// Where a wanted time lies: at t + theta h of step `step`, 0 <= theta <= 1. `exact`: it is the end of that step, and
/// the value is the state itself, not an interpolant; step -1 ends where the rollout starts.
struct SavePoint {
  int step = 0;
  double theta = 1;
  bool exact = true;
};

/// What finding a grid took: 0 for fixed steps.
struct StepStatistics {
  long long accepted = 0, rejected = 0;
  long long evaluations = 0;  ///< of the right-hand side
};

/// The steps a rollout takes and the states it is asked for, in order of time. Adaptive solvers record it, so that replay
/// and adjoint see the same numbers.
struct TimeGrid {
  std::vector<TimeStep> steps;
  std::vector<SavePoint> saves;
  StepStatistics statistics = {};
};

}  // namespace mg
