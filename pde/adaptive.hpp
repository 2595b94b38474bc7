#pragma once
#include <functional>
#include <span>
#include <string>

#include "core/time_grid.hpp"
#include "pde/error_norm.hpp"
#include "pde/stepping.hpp"

namespace mg::pde {

/// Chooses the next step from the error norms of the last ones.
/// @source diffrax 0.7.2 PIDController; Gustafsson, ACM TOMS 17 (1991)
class PidController {
 public:
  /// @param order  q, of the error estimate
  PidController(const StepControl& control, int order, double first);
  double first() const { return next_; }

  struct Verdict {
    bool accept = false;
    double next = 0;             ///< step to try next [model time]
    bool below_minimum = false;  ///< next fell below dtmin and force_dtmin is off
  };
  /// After a trial step of length h with error norm `error`, which may be infinite.
  Verdict judge(double h, double error);

 private:
  double bounded(double h);
  StepControl control_;
  double order_, next_;
  double r1_ = 1, r2_ = 1;  // 1 / E of the last two accepted steps
  bool at_minimum_ = false;
};

/// A solver to be led through time by adaptive_grid(). It stands at an accepted state.
struct AdaptiveTrial {
  /// Tries a step from where it stands and measures its error. May fill in step.stages.
  std::function<ErrorMeasure(TimeStep& step)> attempt;
  /// The end of the last trial is where it stands now.
  std::function<void()> accept;
  /// For error messages: what is not finite in the last trial, or empty.
  std::function<std::string()> describe;
};

/// Steps from t0 to the last of `saves`, each accepted by the controller.
/// @param dt0    first step, > 0   @param order  of the error estimate
/// @throws std::invalid_argument as check_saves(); DivergedError when max_steps are tried or the step falls below dtmin
///   or below the resolution of time
TimeGrid adaptive_grid(const Stepping& stepping, int order, double t0, double dt0, std::span<const double> saves,
                       bool ends_exact, const AdaptiveTrial& trial);

/// A first step from the sizes of the state, its slope and the change of the slope over a small step.
/// @param slope_norm, change_norm  error norms of F(y) and of (F(y + h0 F(y)) - F(y)) / h0, as functions of h0
/// @source Hairer, Norsett, Wanner, Solving ODEs I, II.4
double starting_step(double state_norm, double slope_norm, int order, const std::function<double(double)>& change_norm);

}  // namespace mg::pde
