#pragma once
#include <algorithm>
#include <cmath>

#include "core/philox.hpp"
#include "core/system.hpp"

namespace mg::test {

/// A small host system with everything a rollout must replay: nonlinearity, noise keyed by the step index, conditions,
/// time. Per cell with right neighbour r (periodic along w):
///   next = x + h (tanh(a x + b r) + c t) + d q + noise * (0.1 + 0.05 x),  params a, b, d; q the condition
template <class T>
class ToySystem final : public System<T> {
 public:
  ToySystem() { params_.add("a", {1}).add("b", {1}).add("d", {1}); }
  std::string_view type() const override { return "toy"; }
  Layout state_layout(Grid g) const override { return Layout().add("cells", {2, g.h, g.w}); }
  Layout condition_layout(Grid g) const override { return Layout().add("force", {2, g.h, g.w}); }
  const Layout& param_layout() const override { return params_; }
  void initialise(std::uint64_t, std::span<T> p) const override { p[0] = T(0.7), p[1] = T(-0.4), p[2] = T(0.2); }

  void step(const Exec&, const StepIndex& index, const T* p, ConstStateView<T> q, ConstStateView<T> x,
            StateView<T> next, Workspace& workspace) const override {
    workspace.get<T>({}, "toy.scratch", x.size());
    ++steps;
    each(x, [&](std::size_t i, std::size_t r, int n, std::uint32_t site) {
      const T u = p[0] * x.data[i] + p[1] * x.data[r];
      next.data[i] = x.data[i] + T(index.h) * (std::tanh(u) + T(0.01 * index.t)) + p[2] * q.data[i] +
                     noise(index, n, site) * (T(0.1) + T(0.05) * x.data[i]);
    });
  }

  void step_adjoint(const Exec&, const StepIndex& index, const T* p, ConstStateView<T> q, ConstStateView<T> x,
                    ConstStateView<T> next_bar, StateView<T> x_bar, T* params_bar, Workspace&) const override {
    for (std::size_t i = 0; i < x.size(); ++i) x_bar.data[i] = 0;
    each(x, [&](std::size_t i, std::size_t r, int n, std::uint32_t site) {
      const T th = std::tanh(p[0] * x.data[i] + p[1] * x.data[r]), bar = next_bar.data[i];
      const T u_bar = T(index.h) * (1 - th * th) * bar;
      x_bar.data[i] += bar * (1 + T(0.05) * noise(index, n, site)) + p[0] * u_bar;
      x_bar.data[r] += p[1] * u_bar;
      params_bar[0] += u_bar * x.data[i];
      params_bar[1] += u_bar * x.data[r];
      params_bar[2] += bar * q.data[i];
    });
  }

  /// A tap gets (1 - theta) x + theta next.
  void step_tapped(const Exec& exec, const StepIndex& index, const T* p, ConstStateView<T> q, ConstStateView<T> x,
                   StateView<T> next, std::span<const Tap<T>> taps, Workspace& workspace) const override {
    step(exec, index, p, q, x, next, workspace);
    for (const Tap<T>& tap : taps)
      for (std::size_t i = 0; i < x.size(); ++i)
        tap.value.data[i] = T(1 - tap.theta) * x.data[i] + T(tap.theta) * next.data[i];
  }
  void step_tapped_adjoint(const Exec& exec, const StepIndex& index, const T* p, ConstStateView<T> q,
                           ConstStateView<T> x, ConstStateView<T> next_bar, std::span<const Tap<const T>> tap_bars,
                           StateView<T> x_bar, T* params_bar, Workspace& workspace) const override {
    T* sum = workspace.get<T>({}, "toy.next_bar", x.size());
    std::copy_n(next_bar.data, x.size(), sum);
    for (const auto& tap : tap_bars)
      for (std::size_t i = 0; i < x.size(); ++i) sum[i] += T(tap.theta) * tap.value.data[i];
    step_adjoint(exec, index, p, q, x, {sum, x.layout, x.batch}, x_bar, params_bar, workspace);
    for (const auto& tap : tap_bars)
      for (std::size_t i = 0; i < x.size(); ++i) x_bar.data[i] += T(1 - tap.theta) * tap.value.data[i];
  }

  mutable long long steps = 0;  ///< calls of step()

 private:
  static T noise(const StepIndex& index, int n, std::uint32_t site) {
    const RandomStream stream{index.seed, RandomPurpose::test, std::uint32_t(index.iteration),
                              std::uint32_t(index.step), std::uint32_t(index.sample0 + n)};
    return uniform01<T>(stream.words(site).v[0]) - T(0.5);
  }
  template <class F>
  static void each(ConstStateView<T> x, F f) {
    const int w = x.layout->blocks()[0].dims[2];
    const std::size_t per_sample = x.layout->size();
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t column = i % std::size_t(w);
      f(i, column + 1 < std::size_t(w) ? i + 1 : i - column, int(i / per_sample), std::uint32_t(i % per_sample));
    }
  }
  Layout params_;
};

}  // namespace mg::test
