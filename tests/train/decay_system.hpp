#pragma once
#include <cmath>
#include <stdexcept>

#include "core/system.hpp"

namespace mg::test {

/// dx/dt = (a - b x) on `channels` fields by Euler steps of at most `dt`, with linear interpolation between them: the
/// smallest system with a time grid. Steps are equal over the whole span, whatever the state.
template <class T>
class DecaySystem final : public System<T> {
 public:
  explicit DecaySystem(int channels, double dt = 0.25) : channels_(channels), dt_(dt) {
    params_.add("a", {1}).add("b", {1});
  }
  std::string_view type() const override { return "decay"; }
  Layout state_layout(Grid g) const override { return Layout().add("fields", {channels_, g.h, g.w}); }
  const Layout& param_layout() const override { return params_; }
  void initialise(std::uint64_t, std::span<T> p) const override { p[0] = T(0.3), p[1] = T(0.9); }

  TimeGrid time_grid(const Exec&, const StepIndex& index, const T*, ConstStateView<T>, ConstStateView<T>,
                     std::span<const double> times, Workspace&) const override {
    TimeGrid grid;
    const double span = times.back() - index.t;
    const int steps = int(std::ceil(span / dt_ - 1e-9));
    for (int k = 0; k < steps; ++k) grid.steps.push_back({index.t + span * k / steps, span / steps});
    for (double t : times) {
      const double at = (t - index.t) / span * steps;
      const int step = std::min(int(at), steps - 1);
      const bool end = std::abs(at - std::round(at)) < 1e-9;
      grid.saves.push_back({end ? int(std::round(at)) - 1 : step, end ? 1 : at - step, end});
    }
    return grid;
  }
  void step(const Exec& exec, const StepIndex& index, const T* p, ConstStateView<T> q, ConstStateView<T> x,
            StateView<T> next, Workspace& w) const override {
    step_tapped(exec, index, p, q, x, next, {}, w);
  }
  void step_adjoint(const Exec& exec, const StepIndex& index, const T* p, ConstStateView<T> q, ConstStateView<T> x,
                    ConstStateView<T> next_bar, StateView<T> x_bar, T* p_bar, Workspace& w) const override {
    step_tapped_adjoint(exec, index, p, q, x, next_bar, {}, x_bar, p_bar, w);
  }
  void step_tapped(const Exec&, const StepIndex& index, const T* p, ConstStateView<T>, ConstStateView<T> x,
                   StateView<T> next, std::span<const Tap<T>> taps, Workspace&) const override {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const T slope = p[0] - p[1] * x.data[i];
      next.data[i] = x.data[i] + T(index.h) * slope;
      for (const auto& tap : taps) tap.value.data[i] = x.data[i] + T(tap.theta * index.h) * slope;
    }
  }
  void step_tapped_adjoint(const Exec&, const StepIndex& index, const T* p, ConstStateView<T>, ConstStateView<T> x,
                           ConstStateView<T> next_bar, std::span<const Tap<const T>> taps, StateView<T> x_bar, T* p_bar,
                           Workspace&) const override {
    for (std::size_t i = 0; i < x.size(); ++i) {
      T sum = next_bar.data[i], slope_bar = T(index.h) * next_bar.data[i];
      for (const auto& tap : taps) {
        sum += tap.value.data[i];
        slope_bar += T(tap.theta * index.h) * tap.value.data[i];
      }
      x_bar.data[i] = sum - p[1] * slope_bar;
      p_bar[0] += slope_bar;
      p_bar[1] -= slope_bar * x.data[i];
    }
  }

 private:
  int channels_;
  double dt_;
  Layout params_;
};

}  // namespace mg::test
