#include "train/lbfgs_optimiser.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "train/lbfgs.hpp"

namespace mg::train {
namespace {

template <class A, class B>
double dot(const A& a, const B& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * double(b[i]);
  return sum;
}

template <class T>
std::vector<T> downloaded(const Exec& exec, const T* from, std::size_t size) {
  std::vector<T> to(size);
  copy_bytes(exec, to.data(), Backend::host, from, exec.backend, size * sizeof(T));
  synchronise(exec);
  return to;
}

}  // namespace

template <class T>
LbfgsOptimiser<T>::LbfgsOptimiser(const LbfgsRule& rule, std::size_t size)
    : rule_(rule),
      size_(size),
      x_(size),
      gradient_(size),
      s_(std::size_t(rule.memory) * size),
      y_(std::size_t(rule.memory) * size) {}

/// Keeps what the last step showed, when the curvature along it is positive.
template <class T>
void LbfgsOptimiser<T>::remember(const std::vector<T>& x, const std::vector<T>& g) {
  std::vector<T> s(size_), y(size_);
  for (std::size_t i = 0; i < size_; ++i) s[i] = x[i] - x_[i], y[i] = g[i] - gradient_[i];
  const double curvature = dot(s, y);
  if (!(curvature > 1e-10 * std::sqrt(dot(s, s) * dot(y, y)))) return;
  if (pairs_ == rule_.memory) {
    std::copy(s_.begin() + std::ptrdiff_t(size_), s_.end(), s_.begin());
    std::copy(y_.begin() + std::ptrdiff_t(size_), y_.end(), y_.begin());
    --pairs_;
  }
  std::copy(s.begin(), s.end(), s_.begin() + std::ptrdiff_t(std::size_t(pairs_) * size_));
  std::copy(y.begin(), y.end(), y_.begin() + std::ptrdiff_t(std::size_t(pairs_) * size_));
  ++pairs_;
}

/// Goes back along the last step if it went too far.
template <class T>
bool LbfgsOptimiser<T>::retreat(std::vector<T>& x, const std::vector<T>& g) {
  std::vector<T> way(size_);
  for (std::size_t i = 0; i < size_; ++i) way[i] = x[i] - x_[i];
  const double first = dot(way, gradient_), now = dot(way, g);
  if (retreats_ >= rule_.retreats || !(first < 0) || !(now > -0.9 * first)) return false;
  const double share = std::clamp(first / (first - now), 0.1, 0.9);
  for (std::size_t i = 0; i < size_; ++i) x[i] = x_[i] + T(share) * way[i];
  ++retreats_;
  return true;
}

template <class T>
void LbfgsOptimiser<T>::advance(std::vector<T>& x, const std::vector<T>& g) {
  std::deque<LbfgsPair> pairs;
  for (std::size_t k = 0; k < std::size_t(pairs_); ++k) {
    const auto part = [&](const std::vector<T>& all) {
      return std::vector<double>(all.begin() + std::ptrdiff_t(k * size_),
                                 all.begin() + std::ptrdiff_t((k + 1) * size_));
    };
    LbfgsPair pair{part(s_), part(y_), 0};
    pair.rho = 1 / dot(pair.s, pair.y);
    pairs.push_back(std::move(pair));
  }
  std::vector<double> d = lbfgs_direction(pairs, {g.begin(), g.end()});
  if (!(dot(d, g) < 0)) pairs_ = 0, pairs.clear(), d = lbfgs_direction({}, {g.begin(), g.end()});
  const double length = std::sqrt(dot(d, d)), longest = pairs.empty() ? 0.1 * rule_.max_step : rule_.max_step;
  const double share = learning_rate() * std::min(1.0, length > 0 ? longest / length : 1.0);
  x_ = x, gradient_ = g;
  for (std::size_t i = 0; i < size_; ++i) x[i] = T(double(x[i]) + share * d[i]);
  retreats_ = 0;
}

template <class T>
void LbfgsOptimiser<T>::step(const Exec& exec, T* params, T* gradient) {
  std::vector<T> x = downloaded(exec, params, size_);
  const std::vector<T> g = downloaded(exec, gradient, size_);
  if (updates_ == 0) {
    advance(x, g);
  } else if (!retreat(x, g)) {
    remember(x, g);
    advance(x, g);
  }
  ++updates_;
  copy_bytes(exec, params, exec.backend, x.data(), Backend::host, size_ * sizeof(T));
  synchronise(exec);
}

template <class T>
typename LbfgsOptimiser<T>::SavedState LbfgsOptimiser<T>::save() const {
  return {{{"x", x_}, {"gradient", gradient_}, {"s", s_}, {"y", y_}},
          {{"updates", updates_}, {"pairs", pairs_}, {"retreats", retreats_}}};
}

template <class T>
void LbfgsOptimiser<T>::restore(const SavedState& state) {
  const auto mine = save();
  bool same = state.arrays.size() == mine.arrays.size() && state.counters.size() == mine.counters.size();
  for (std::size_t k = 0; same && k < mine.arrays.size(); ++k)
    same =
        state.arrays[k].first == mine.arrays[k].first && state.arrays[k].second.size() == mine.arrays[k].second.size();
  if (!same || state.counters[1].second < 0 || state.counters[1].second > rule_.memory)
    throw CheckpointError("the state of another optimiser than lbfgs of this memory");
  x_ = state.arrays[0].second, gradient_ = state.arrays[1].second;
  s_ = state.arrays[2].second, y_ = state.arrays[3].second;
  updates_ = state.counters[0].second, pairs_ = state.counters[1].second, retreats_ = state.counters[2].second;
}

Schema lbfgs_schema() {
  const LbfgsRule d;
  return Schema("lbfgs",
                "L-BFGS, for few parameters and a loss that stays the same function: windows that do not move "
                "(increment_prob, reset_prob, noise 0)")
      .variant("lr", schedule_variants(), nlohmann::json(1.0), "share of every step that is taken")
      .number_form("constant", "value")
      .integer("memory", d.memory, {1, 1000}, "steps whose curvature is remembered")
      .number("max_step", d.max_step, {0, 1e30, true, false}, "longest step of all parameters together")
      .integer("retreats", d.retreats, {0, 1000}, "iterations that may go back along one step");
}

LbfgsRule lbfgs_rule(const Config& c) {
  LbfgsRule r;
  r.lr = make_schedule(c.at("lr"));
  r.memory = c.get<int>("memory");
  r.max_step = c.get<double>("max_step");
  r.retreats = c.get<int>("retreats");
  return r;
}

template class LbfgsOptimiser<float>;
template class LbfgsOptimiser<double>;

}  // namespace mg::train
