#include "pde/adaptive.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace mg::pde {

PidController::PidController(const StepControl& control, int order, double first) : control_(control), order_(order) {
  next_ = bounded(first);
}

double PidController::bounded(double h) {
  if (control_.dtmax > 0) h = std::min(h, control_.dtmax);
  if (control_.dtmin > 0) {
    at_minimum_ = h <= control_.dtmin;
    h = std::max(h, control_.dtmin);
  }
  return h;
}

PidController::Verdict PidController::judge(double h, double error) {
  const auto& c = control_;
  const double r = 1 / error, q = order_;
  Verdict verdict;
  verdict.accept = error < 1 || at_minimum_;
  const double low = verdict.accept ? 1 : c.factormin, high = verdict.accept ? c.factormax : c.safety;
  double factor = c.safety * std::pow(r, (c.icoeff + c.pcoeff + c.dcoeff) / q) *
                  std::pow(r1_, -(c.pcoeff + 2 * c.dcoeff) / q) * std::pow(r2_, c.dcoeff / q);
  factor = std::clamp(factor, low, std::max(low, high));
  double next = h * factor;
  if (c.dtmin > 0 && at_minimum_ && factor == 1) next = c.dtmin;
  verdict.below_minimum = c.dtmin > 0 && !c.force_dtmin && next < c.dtmin;
  verdict.next = bounded(next);
  if (verdict.accept) {
    r2_ = r1_;
    r1_ = r > 0 && std::isfinite(r) ? r : 1;
  }
  return verdict;
}

namespace {

std::string text(const char* format, double a, double b = 0, double c = 0) {
  char out[200];
  std::snprintf(out, sizeof out, format, a, b, c);
  return out;
}

[[noreturn]] void give_up(const std::string& what, double t, double h, const ErrorMeasure& error,
                          const AdaptiveTrial& trial) {
  std::string message = what + text(" at t = %.10g, step %.3g", t, h);
  const std::string place = trial.describe ? trial.describe() : "";
  if (!place.empty())
    message += "; " + place;
  else if (std::isfinite(error.norm))
    message += text("; the error is %.3g times the tolerance, most of it in channel %.0f", error.norm, error.channel);
  throw DivergedError(message);
}

}  // namespace

TimeGrid adaptive_grid(const Stepping& stepping, int order, double t0, double dt0, std::span<const double> saves,
                       bool ends_exact, const AdaptiveTrial& trial) {
  check_saves(t0, saves);
  PidController controller(stepping.control, order, dt0);
  TimeGrid grid;
  const double t1 = saves.back(), resolution = 2.3e-16 * std::max(std::abs(t0), std::abs(t1));
  std::size_t wanted = 0;  // of step_to_saves: the save that is stepped to
  const auto target = [&](double t) {
    if (!stepping.step_to_saves) return t1;
    while (wanted + 1 < saves.size() && saves[wanted] <= t + 100 * resolution) ++wanted;
    return saves[wanted];
  };
  const auto end_of = [&](double t, double h, bool accepted) {
    const double goal = target(t);
    if (t + h <= goal - 100 * resolution) return t + h;
    return accepted ? goal : t + (goal - t) / 2;
  };
  double t = t0, proposed = controller.first(), end = end_of(t, proposed, true);
  long long tried = 0;
  ErrorMeasure error;
  while (t < t1) {
    TimeStep step{t, end - t};
    if (++tried > stepping.max_steps) {
      --tried;
      give_up("max_steps = " + std::to_string(stepping.max_steps) + " steps tried", t, step.h, error, trial);
    }
    error = trial.attempt(step);
    const auto verdict = controller.judge(step.h, error.norm);
    if (verdict.accept) {
      trial.accept();
      const bool cut = stepping.step_to_saves && end < t + proposed;  // a step cut short says little about the next
      t = end >= t1 ? t1 : step.t + step.h;
      grid.steps.push_back(step);
      proposed = cut ? std::max(verdict.next, proposed) : verdict.next;
    } else {
      ++grid.statistics.rejected;
      proposed = verdict.next;
    }
    if (t >= t1) break;
    if (verdict.below_minimum)
      give_up(text("the step falls below dtmin = %.3g", stepping.control.dtmin), t, proposed, error, trial);
    if (proposed <= 10 * resolution) give_up("no step is short enough", t, proposed, error, trial);
    end = end_of(t, proposed, verdict.accept);
  }
  grid.statistics.accepted = (long long)(grid.steps.size());
  place_saves(grid, saves, ends_exact || stepping.step_to_saves);
  return grid;
}

double starting_step(double state_norm, double slope_norm, int order,
                     const std::function<double(double)>& change_norm) {
  const double h0 = state_norm < 1e-5 || slope_norm < 1e-5 ? 1e-6 : 0.01 * state_norm / slope_norm;
  const double change = change_norm(h0), most = std::max(slope_norm, change);
  if (!std::isfinite(most)) return h0;
  const double h1 = most <= 1e-15 ? std::max(1e-6, h0 * 1e-3) : std::pow(0.01 / most, 1. / (order + 1));
  return std::min(100 * h0, h1);
}

}  // namespace mg::pde
