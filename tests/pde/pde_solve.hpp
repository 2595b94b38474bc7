#pragma once
#include <memory>
#include <vector>

#include "pde/pde_system.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg::test {

/// Solves with a System and pulls cotangents of the saves back, store-all, in the plainest way.
template <class T>
struct PdeSolve {
  const System<T>& system;
  Grid grid;
  int batch = 1;
  Exec exec{};
  Workspace workspace{};

  TimeGrid time_grid(const std::vector<T>& params, const std::vector<T>& start, double t0,
                     const std::vector<double>& saves) {
    const Layout layout = system.state_layout(grid);
    Buffer<T> p(exec, params.size()), x(exec, start.size());
    p.upload(params);
    x.upload(start);
    return system.time_grid(exec, {.t = t0}, p.data(), {}, {x.data(), &layout, batch}, saves, workspace);
  }

  /// The saves one after another. @param states  of all steps, as backward() wants them
  std::vector<T> forward(const std::vector<T>& params, const std::vector<T>& start, const TimeGrid& times,
                         std::vector<std::vector<T>>* states = nullptr) {
    const Layout layout = system.state_layout(grid);
    const std::size_t size = layout.size() * std::size_t(batch);
    Buffer<T> p(exec, params.size()), x(exec, size), next(exec, size);
    p.upload(params);
    std::vector<T> begin = start;
    begin.resize(size);
    x.upload(begin);
    std::vector<T> saved;
    std::size_t m = 0;
    for (; m < times.saves.size() && times.saves[m].step < 0; ++m)
      saved.insert(saved.end(), begin.begin(), begin.end());
    for (std::size_t k = 0; k < times.steps.size(); ++k) {
      if (states != nullptr) states->push_back(x.to_vector());
      std::vector<Buffer<T>> values;
      std::vector<Tap<T>> taps;
      std::size_t end = m;
      for (; end < times.saves.size() && times.saves[end].step == int(k); ++end) {
        if (times.saves[end].exact) continue;
        values.emplace_back(exec, size);
        taps.push_back({times.saves[end].theta, {values.back().data(), &layout, batch}});
      }
      system.step_tapped(exec, index(times, k), p.data(), {}, {x.data(), &layout, batch}, {next.data(), &layout, batch},
                         taps, workspace);
      for (std::size_t tap = 0; m < end; ++m) {
        const auto value = times.saves[m].exact ? next.to_vector() : values[tap++].to_vector();
        saved.insert(saved.end(), value.begin(), value.end());
      }
      std::swap(x, next);
    }
    return saved;
  }

  /// {start_bar, params_bar} of the cotangents of all saves.
  std::pair<std::vector<T>, std::vector<T>> backward(const std::vector<T>& params,
                                                     const std::vector<std::vector<T>>& states, const TimeGrid& times,
                                                     const std::vector<T>& save_bars) {
    const Layout layout = system.state_layout(grid);
    const std::size_t size = layout.size() * std::size_t(batch);
    Buffer<T> p(exec, params.size()), p_bar(exec, params.size()), x(exec, size), next_bar(exec, size), bar(exec, size);
    p.upload(params);
    p_bar.zero();
    next_bar.zero();
    std::size_t m = times.saves.size();
    for (std::size_t k = times.steps.size(); k-- > 0;) {
      x.upload(states[k]);
      std::vector<Buffer<T>> values;
      std::vector<Tap<const T>> taps;
      for (; m > 0 && times.saves[m - 1].step == int(k); --m) {
        const std::vector<T> o(save_bars.begin() + std::ptrdiff_t((m - 1) * size),
                               save_bars.begin() + std::ptrdiff_t(m * size));
        if (times.saves[m - 1].exact) {
          auto sum = next_bar.to_vector();
          for (std::size_t i = 0; i < size; ++i) sum[i] += o[i];
          next_bar.upload(sum);
        } else {
          values.emplace_back(exec, size);
          values.back().upload(o);
          taps.push_back({times.saves[m - 1].theta, {values.back().data(), &layout, batch}});
        }
      }
      system.step_tapped_adjoint(exec, index(times, k), p.data(), {}, {x.data(), &layout, batch},
                                 {next_bar.data(), &layout, batch}, taps, {bar.data(), &layout, batch}, p_bar.data(),
                                 workspace);
      std::swap(bar, next_bar);
    }
    auto start_bar = next_bar.to_vector();
    while (m-- > 0)
      for (std::size_t i = 0; i < size; ++i) start_bar[i] += save_bars[m * size + i];
    return {start_bar, p_bar.to_vector()};
  }

  static StepIndex index(const TimeGrid& times, std::size_t k) {
    return {.step = int(k), .t = times.steps[k].t, .h = times.steps[k].h, .stages = times.steps[k].stages};
  }
};

/// Taylor test of the saves of a frozen grid, in start state and parameters together.
inline void expect_solve_taylor(const System<double>& system, Grid grid, int batch, const Vec& params, const Vec& start,
                                const TimeGrid& times) {
  PdeSolve<double> solve{system, grid, batch};
  const auto split = [&](const Vec& all) {
    return std::pair(Vec(all.begin(), all.begin() + std::ptrdiff_t(params.size())),
                     Vec(all.begin() + std::ptrdiff_t(params.size()), all.end()));
  };
  Vec all = params;
  all.insert(all.end(), start.begin(), start.end());
  expect_taylor_rate(
      [&](const Vec& x) {
        const auto [p, y] = split(x);
        return solve.forward(p, y, times);
      },
      [&](const Vec& x, const Vec& c) {
        const auto [p, y] = split(x);
        std::vector<Vec> states;
        solve.forward(p, y, times, &states);
        auto [y_bar, p_bar] = solve.backward(p, states, times, c);
        p_bar.insert(p_bar.end(), y_bar.begin(), y_bar.begin() + std::ptrdiff_t(start.size()));
        return p_bar;
      },
      all);
}

}  // namespace mg::test
