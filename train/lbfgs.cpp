#include "train/lbfgs.hpp"

#include <cmath>
#include <deque>
#include <stdexcept>

namespace mg::train {

std::vector<double> lbfgs_direction(const std::deque<LbfgsPair>& pairs, const std::vector<double>& gradient) {
  const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  };
  std::vector<double> q = gradient, alpha(pairs.size());
  for (std::size_t k = pairs.size(); k-- > 0;) {
    alpha[k] = pairs[k].rho * dot(pairs[k].s, q);
    for (std::size_t i = 0; i < q.size(); ++i) q[i] -= alpha[k] * pairs[k].y[i];
  }
  if (!pairs.empty()) {
    const double scale = 1 / (pairs.back().rho * dot(pairs.back().y, pairs.back().y));
    for (double& v : q) v *= scale;
  }
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    const double beta = pairs[k].rho * dot(pairs[k].y, q);
    for (std::size_t i = 0; i < q.size(); ++i) q[i] += (alpha[k] - beta) * pairs[k].s[i];
  }
  for (double& v : q) v = -v;
  return q;
}

namespace {

using Vec = std::vector<double>;

double dot(const Vec& a, const Vec& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// A point of the line x + step p.
struct Trial {
  double step = 0, value = 0, slope = 0;
  Vec x, gradient;
};

class LineSearch {
 public:
  LineSearch(const ValueAndGradient& function, const LbfgsOptions& options, const Trial& origin, const Vec& p,
             int& evaluations)
      : function_(function), o_(options), origin_(origin), p_(p), evaluations_(evaluations) {}

  /// A step that satisfies the strong Wolfe conditions, or the best of those tried. @return false when none is better
  bool run(double first, Trial& found) {
    Trial before = origin_;
    double step = first;
    for (int k = 0; k < o_.line_steps; ++k) {
      Trial now = at(step);
      if (!lower(now) || (k > 0 && now.value >= before.value)) return zoom(before, now, found);
      if (std::abs(now.slope) <= -o_.c2 * origin_.slope) return accept(now, found);
      if (now.slope >= 0) return zoom(now, before, found);
      before = std::move(now);
      step *= 2;
    }
    return accept(before, found);
  }

 private:
  Trial at(double step) {
    Trial t;
    t.step = step;
    t.x = origin_.x;
    for (std::size_t i = 0; i < t.x.size(); ++i) t.x[i] += step * p_[i];
    t.gradient.resize(t.x.size());
    t.value = function_(t.x, t.gradient);
    t.slope = dot(t.gradient, p_);
    if (!std::isfinite(t.value) || !std::isfinite(t.slope)) t.value = HUGE_VAL;
    ++evaluations_;
    return t;
  }
  bool lower(const Trial& t) const { return t.value <= origin_.value + o_.c1 * t.step * origin_.slope; }
  bool accept(Trial& t, Trial& found) const {
    found = std::move(t);
    return found.value < origin_.value;
  }

  /// Between `low`, which is lower, and `high`: the minimum of the parabola through them, or the middle.
  bool zoom(Trial low, Trial high, Trial& found) {
    for (int k = 0; k < o_.line_steps; ++k) {
      const double width = high.step - low.step;
      double share = 0.5;
      if (std::isfinite(high.value)) {
        const double curvature = high.value - low.value - low.slope * width;
        if (curvature > 0) share = -low.slope * width / (2 * curvature);
      }
      if (!(share > 0.1 && share < 0.9)) share = 0.5;
      Trial now = at(low.step + share * width);
      if (!lower(now) || now.value >= low.value) {
        high = std::move(now);
        continue;
      }
      if (std::abs(now.slope) <= -o_.c2 * origin_.slope) return accept(now, found);
      if (now.slope * width >= 0) high = std::move(low);
      low = std::move(now);
    }
    return accept(low, found);
  }

  const ValueAndGradient& function_;
  const LbfgsOptions& o_;
  const Trial& origin_;
  const Vec& p_;
  int& evaluations_;
};

}  // namespace

LbfgsResult minimise_lbfgs(const ValueAndGradient& function, Vec start, const LbfgsOptions& o) {
  LbfgsResult result;
  Trial now;
  now.x = std::move(start);
  now.gradient.resize(now.x.size());
  now.value = function(now.x, now.gradient);
  result.evaluations = 1;
  if (!std::isfinite(now.value) || !std::isfinite(dot(now.gradient, now.gradient)))
    throw std::invalid_argument("minimise_lbfgs: the function is not finite at the start");
  std::deque<LbfgsPair> pairs;
  result.stopped = "iterations";
  for (; result.iterations < o.iterations; ++result.iterations) {
    const double norm = std::sqrt(dot(now.gradient, now.gradient));
    if (norm <= o.gradient_norm) {
      result.stopped = "gradient";
      break;
    }
    const Vec p = lbfgs_direction(pairs, now.gradient);
    now.step = 0;
    now.slope = dot(now.gradient, p);
    Trial next;
    LineSearch search(function, o, now, p, result.evaluations);
    if (!(now.slope < 0) || !search.run(pairs.empty() ? std::min(1.0, 0.1 / norm) : 1.0, next)) {
      if (pairs.empty()) {
        result.stopped = "line search";
        break;
      }
      pairs.clear();  // once more along the gradient
      continue;
    }
    LbfgsPair pair{next.x, next.gradient, 0};
    for (std::size_t i = 0; i < pair.s.size(); ++i) {
      pair.s[i] -= now.x[i];
      pair.y[i] -= now.gradient[i];
    }
    const double sy = dot(pair.s, pair.y);
    pair.rho = 1 / sy;
    if (sy > 0) pairs.push_back(std::move(pair));
    if (int(pairs.size()) > o.memory) pairs.pop_front();
    const bool flat = now.value - next.value <= o.decrease * std::abs(now.value);
    now = std::move(next);
    if (flat) {
      ++result.iterations;
      result.stopped = "decrease";
      break;
    }
  }
  result.gradient_norm = std::sqrt(dot(now.gradient, now.gradient));
  result.value = now.value;
  result.x = std::move(now.x);
  return result;
}

}  // namespace mg::train
