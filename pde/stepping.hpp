#pragma once
#include <span>
#include <vector>

#include "core/config.hpp"
#include "core/schema.hpp"
#include "core/time_grid.hpp"

namespace mg::pde {

enum class GridRule {
  equal,        ///< n = ceil((t1 - t0) / dt) steps of one length
  diffrax_072,  ///< a first step of dt, the others on t0 + (t1 - t0) k / n
  accumulate,   ///< t += dt in the time type until the end, where a last step is shortened
  prescribed    ///< the given times
};
enum class ErrorNorm { rms, max };

/// Step size control of an adaptive solver.
/// @source diffrax PIDController; Hairer, Norsett, Wanner, Solving ODEs I, II.4
struct StepControl {
  double rtol = 1e-3, atol = 1e-3;
  std::vector<double> channel_atol = {};  ///< of every channel, instead of atol; empty = atol
  ErrorNorm norm = ErrorNorm::rms;
  double pcoeff = 0, icoeff = 1, dcoeff = 0;
  double safety = 0.9, factormin = 0.2, factormax = 10;
  double dtmin = 0, dtmax = 0;  ///< 0 = no bound
  bool force_dtmin = true;      ///< go on with dtmin where the error wants less, instead of stopping
};

/// How a solver divides time: what the keys of step_keys() say.
struct Stepping {
  double dt = 0.1;  ///< step, or first step of an adaptive solver; 0 = estimated (adaptive only)
  bool adaptive = false;
  StepControl control = {};
  GridRule rule = GridRule::equal;
  bool float32_times = false;
  std::vector<double> times = {};  ///< of GridRule::prescribed
  bool step_to_saves = false;
  long long max_steps = 1000000;
  enum class Advice { off, warn, error } stability = Advice::warn;
};

/// Adds the keys of Stepping. @param can_adapt  with the key "adaptive"
Schema& step_keys(Schema& schema, bool can_adapt);
/// @throws ConfigError on contradictions
Stepping stepping(const Config& config);

/// A fixed grid from t0 that reaches the last of `saves`, and where the saves lie on it.
/// @param ends_exact  whether a save at the end of a step is the state; else an interpolant with theta = 1
/// @throws std::invalid_argument unless saves are finite, non-decreasing, none before t0 and the last one after it; when
///   a prescribed grid does not span them or more than max_steps steps are needed
TimeGrid fixed_grid(const Stepping& stepping, double t0, std::span<const double> saves, bool ends_exact);

/// Refuses save times as fixed_grid() does.
void check_saves(double t0, std::span<const double> saves);
/// Places `saves` on grid.steps; with exact ends, a save within rounding of one is that end.
void place_saves(TimeGrid& grid, std::span<const double> saves, bool ends_exact);

}  // namespace mg::pde
