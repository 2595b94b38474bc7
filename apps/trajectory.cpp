#include "apps/trajectory.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>

#include "core/error.hpp"

namespace mg::apps {

namespace {

/// "channel 1, row 3, column 7 is nan", or nothing.
template <class T>
std::string first_bad_cell(const std::vector<T>& frame, const Block& block) {
  const auto bad = std::find_if(frame.begin(), frame.end(), [](T v) { return !std::isfinite(v); });
  if (bad == frame.end()) return {};
  const auto at = std::size_t(bad - frame.begin()), w = std::size_t(block.dims.at(2)),
             plane = w * std::size_t(block.dims.at(1));
  return "channel " + std::to_string(at / plane) + ", row " + std::to_string(at % plane / w) + ", column " +
         std::to_string(at % w) + " is " + (std::isnan(*bad) ? "nan" : "infinite");
}

std::string time_text(double t) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", t);
  return text;
}

/// One sample on its way.
template <class T>
class Roller {
 public:
  Roller(const Exec& exec, const System<T>& system, Grid grid, const std::vector<T>& params,
         const std::vector<T>& conditions, const std::vector<T>& start)
      : exec_(exec),
        system_(system),
        layout_(system.state_layout(grid)),
        condition_layout_(system.condition_layout(grid)),
        params_(exec, params.size()),
        conditions_(exec, conditions.size()),
        states_{Buffer<T>(exec, layout_.size()), Buffer<T>(exec, layout_.size())} {
    params_.upload(params);
    if (conditions_.size() > 0) conditions_.upload(conditions);
    std::vector<T> whole = start;
    whole.resize(layout_.size());  // blocks that the solver keeps start as zeros
    states_[0].upload(whole);
  }

  ConstStateView<T> conditions() const { return {conditions_.data(), &condition_layout_, 1}; }
  ConstStateView<T> now() const { return {states_[current_].data(), &layout_, 1}; }

  TimeGrid plan(const StepIndex& index, std::span<const double> saves) {
    return system_.time_grid(exec_, index, params_.data(), conditions(), now(), saves, workspace_);
  }
  /// One step for each index; theta of the saves inside the last one.
  void advance(std::span<const StepIndex> indices, const std::vector<double>& thetas) {
    if (!thetas.empty() && indices.size() > 1) {
      advance(indices.first(indices.size() - 1), {});
      indices = indices.last(1);
    }
    while (tapped_.size() < thetas.size()) tapped_.emplace_back(exec_, layout_.size());
    std::vector<Tap<T>> taps;
    for (std::size_t k = 0; k < thetas.size(); ++k) taps.push_back({thetas[k], {tapped_[k].data(), &layout_, 1}});
    const StateView<T> next{states_[1 - current_].data(), &layout_, 1};
    if (taps.empty())
      system_.steps(exec_, indices, params_.data(), conditions(), now(), next, workspace_);
    else
      system_.step_tapped(exec_, indices[0], params_.data(), conditions(), now(), next, taps, workspace_);
    current_ = 1 - current_;
  }
  /// Keeps where it stands, for locate(): the state before step `next_step`.
  void mark(std::size_t next_step) {
    if (marked_.size() != layout_.size()) marked_ = Buffer<T>(exec_, layout_.size());
    copy_bytes(exec_, marked_.data(), exec_.backend, states_[current_].data(), exec_.backend,
               layout_.size() * sizeof(T));
    marked_step_ = next_step;
  }
  /// Goes through the steps since mark() again, up to `last`, and says where the first state that is not finite ends
  /// its step and which cell it is; nothing when all are finite.
  std::string locate(const TimeGrid& plan, StepIndex index, std::size_t last) {
    copy_bytes(exec_, states_[current_].data(), exec_.backend, marked_.data(), exec_.backend,
               layout_.size() * sizeof(T));
    for (std::size_t k = marked_step_; k <= last; ++k) {
      const TimeStep& one = plan.steps[k];
      index.step = int(k), index.t = one.t, index.h = one.h, index.stages = one.stages;
      advance({&index, 1}, {});
      if (const auto bad = first_bad_cell(frame(), block()); !bad.empty())
        return "at time " + time_text(one.t + one.h) + " " + bad;
    }
    return {};
  }
  std::vector<T> frame() const { return first_block(states_[current_]); }
  std::vector<T> tapped(std::size_t k) const { return first_block(tapped_[k]); }
  const Block& block() const { return layout_.blocks().front(); }
  double bytes() const { return double(layout_.size() * (2 + tapped_.size()) * sizeof(T)); }

 private:
  std::vector<T> first_block(const Buffer<T>& state) const {
    auto values = state.to_vector();
    values.resize(block().size);
    return values;
  }

  Exec exec_;
  const System<T>& system_;
  Layout layout_, condition_layout_;
  Buffer<T> params_, conditions_, states_[2];
  std::vector<Buffer<T>> tapped_;
  Workspace workspace_;
  int current_ = 0;
  Buffer<T> marked_;
  std::size_t marked_step_ = 0;
};

/// The grid for as many of `saves` as can be reached: all, or the longest beginning of them when no step is accepted.
template <class T>
TimeGrid reachable(Roller<T>& roller, const StepIndex& index, std::span<const double> saves, std::string& problem) {
  try {
    return roller.plan(index, saves);
  } catch (const DivergedError& error) {
    problem = error.what();
  } catch (const std::invalid_argument& error) {
    throw ConfigError(std::string("times: ") + error.what());
  }
  TimeGrid best;
  std::size_t low = 0, high = saves.size();  // low can be reached, high cannot
  while (high - low > 1) {
    const std::size_t middle = (low + high) / 2;
    try {
      best = roller.plan(index, saves.first(middle));
      low = middle;
    } catch (const DivergedError&) {
      high = middle;
    }
  }
  return best;
}

}  // namespace

template <class T>
TrajectoryReport roll_times(const Exec& exec, const System<T>& system, Grid grid, const std::vector<T>& params,
                            const std::vector<T>& conditions, const std::vector<T>& start,
                            const std::vector<double>& times, std::uint64_t seed, std::int64_t sample,
                            const FrameSink<T>& sink, const std::function<bool()>& stop) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  Roller<T> roller(exec, system, grid, params, conditions, start);
  TrajectoryReport report;
  const auto emit = [&](const std::vector<T>& frame) {
    const double time = times[std::size_t(report.frames)];
    if (const auto bad = first_bad_cell(frame, roller.block()); !bad.empty()) {
      report.problem = "at time " + time_text(time) + " " + bad;
      return false;
    }
    sink(report.frames++, time, frame);
    return true;
  };
  const auto finish = [&] {
    report.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    report.state_bytes = roller.bytes();
    return report;
  };
  if (!emit(roller.frame())) return finish();

  StepIndex index{.seed = seed, .iteration = 0, .step = 0, .sample0 = sample, .t = times.front(), .h = 1};
  const std::span<const double> later = std::span(times).subspan(1);
  std::string unreachable;
  const TimeGrid plan = reachable(roller, index, later, unreachable);
  std::size_t save = 0;
  roller.mark(0);
  std::size_t most = 1;  // steps between two questions to `stop`
  std::vector<StepIndex> indices;
  for (std::size_t k = 0; k < plan.steps.size();) {
    indices.clear();
    std::vector<double> thetas;
    std::size_t last = save;
    while (last == save && indices.size() < most && k < plan.steps.size()) {
      const TimeStep& step = plan.steps[k];
      index.step = int(k);
      index.t = step.t;
      index.h = step.h;
      index.stages = step.stages;
      indices.push_back(index);
      for (; last < plan.saves.size() && plan.saves[last].step <= int(k); ++last)
        if (!plan.saves[last].exact) thetas.push_back(plan.saves[last].theta);
      report.shortest = k == 0 ? step.h : std::min(report.shortest, step.h);
      report.longest = std::max(report.longest, step.h);
      ++k;
    }
    const auto began = Clock::now();
    roller.advance(indices, thetas);
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    most = seconds < 0.1 * double(indices.size()) ? 8 : 1;
    report.steps += std::int64_t(indices.size());
    std::size_t tap = 0;
    const std::size_t before = save;
    for (; save < last; ++save)
      if (!emit(plan.saves[save].exact ? roller.frame() : roller.tapped(tap++))) {
        if (const auto first = roller.locate(plan, index, k - 1); !first.empty()) report.problem = first;
        return finish();
      }
    if (last > before) roller.mark(k);
    if (stop && stop()) {
      report.problem = "stopped at time " + time_text(index.t + index.h);
      return finish();
    }
  }
  report.problem = unreachable;
  return finish();
}

#define MG_INSTANTIATE(T)                                                                                       \
  template TrajectoryReport roll_times(                                                                         \
      const Exec&, const System<T>&, Grid, const std::vector<T>&, const std::vector<T>&, const std::vector<T>&, \
      const std::vector<double>&, std::uint64_t, std::int64_t, const FrameSink<T>&, const std::function<bool()>&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::apps
