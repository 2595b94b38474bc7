#pragma once
#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>

#include "core/threads.hpp"
#include "train/sinkhorn.hpp"
#include "train/sinkhorn_kernels.hpp"

// One Sinkhorn solve on the host.
namespace mg::train::host {

/// The loops of the best instruction set of this machine.
template <class T>
const SinkhornKernels<T>& sinkhorn_kernels();

/// One cloud by coordinate, with the weights normalised.
template <class T>
struct SinkhornSide {
  CloudView<T> view{};
  std::vector<double> weight;

  SinkhornSide(const SinkhornOptions& options, const Cloud<T>& cloud, const char* name, Workspace& workspace) {
    const auto n = std::size_t(cloud.count);
    const bool chordal = options.metric == CloudMetric::chordal;
    T* data = workspace.get<T>({}, std::string("sinkhorn.") + name, 5 * n);
    view.count = cloud.count;
    for (int d = 0; d < 4; ++d) view.coordinate[d] = data + std::size_t(d) * n;
    view.log_weight = data + 4 * n;
    double total = 0;
    for (std::size_t i = 0; i < n; ++i) {
      weight.push_back(cloud.weights != nullptr ? double(cloud.weights[i]) : 1.0);
      if (!(weight.back() >= 0))
        throw std::invalid_argument(std::string("Sinkhorn: weight ") + std::to_string(i) + " of cloud " + name +
                                    " is " + std::to_string(weight.back()) + ", weights must be >= 0");
      total += weight.back();
    }
    if (!(total > 0) || !std::isfinite(total))
      throw std::invalid_argument(std::string("Sinkhorn: the weights of cloud ") + name + " sum to " +
                                  std::to_string(total));
    for (std::size_t i = 0; i < n; ++i) {
      weight[i] /= total;
      data[4 * n + i] = T(std::log(weight[i]));
      for (int d = 0; d < 2; ++d) {
        const T p = cloud.points[2 * i + std::size_t(d)];
        if (!std::isfinite(p))
          throw std::invalid_argument(std::string("Sinkhorn: point ") + std::to_string(i) + " of cloud " + name +
                                      " is not finite");
        if (chordal) {
          const double radius = options.length[d] / (2 * std::numbers::pi), angle = double(p) / radius;
          data[std::size_t(2 * d) * n + i] = T(radius * std::cos(angle));
          data[std::size_t(2 * d + 1) * n + i] = T(radius * std::sin(angle));
        } else {
          data[std::size_t(d) * n + i] = p;
        }
      }
    }
  }
};

/// f_xy [n], g_xy [m], f_xx [n], f_yy [m].
template <class T>
struct SinkhornPotentials {
  T *f, *g, *xx, *yy;
  SinkhornPotentials(T* data, std::size_t n, std::size_t m) : f(data), g(f + n), xx(g + m), yy(xx + n) {}
};

inline constexpr int kSinkhornRows = 32;  ///< rows of one job

template <class T>
class SinkhornSolve {
 public:
  SinkhornSolve(const SinkhornOptions& options, const Cloud<T>& x, const Cloud<T>& y, Workspace& workspace)
      : options_(options), workspace_(workspace), x_(options, x, "x", workspace), y_(options, y, "y", workspace) {
    cost_.dimensions = options.metric == CloudMetric::chordal ? 4 : 2;
    cost_.wrap = options.metric == CloudMetric::torus;
    for (int d = 0; d < 2; ++d)
      cost_.length[d] = T(options.length[d]), cost_.inverse_length[d] = T(1 / options.length[d]);
    update_ = workspace.get<T>({}, "sinkhorn.update", std::size_t(std::max(x.count, y.count)));
    eps_ = options.relative ? options.epsilon * mean_cost() : options.epsilon;
    if (!(eps_ > 0)) throw std::invalid_argument("Sinkhorn: epsilon relative to a mean cost of 0");
    start_ = options.annealing_start > 0 ? options.annealing_start : squared_diameter();
  }

  void run(const SinkhornPotentials<T>& p, SinkhornReport& r) {
    const auto n = std::size_t(x_.view.count), m = std::size_t(y_.view.count);
    T *f = p.f, *g = p.g, *fxx = p.xx, *fyy = p.yy;
    r.converged = options_.threshold == 0;
    int k = 0;
    for (; k < options_.iterations; ++k) {
      const double eps = epsilon_at(k);
      soft_min(y_, x_, f, eps);  // the next g
      if (k > 0 && options_.threshold > 0 && k % options_.check_every == 0 && eps == eps_ &&
          column_error(g, eps) < options_.threshold) {
        r.converged = true;
        break;
      }
      std::copy_n(update_, m, g);
      soft_min(x_, y_, g, eps);
      std::copy_n(update_, n, f);
      average(x_, fxx, eps);
      average(y_, fyy, eps);
    }
    r.iterations = k;
    if (options_.threshold > 0) settle(x_, fxx), settle(y_, fyy);
  }

  /// Values, errors and gradients at the potentials.
  void finish(const SinkhornPotentials<T>& p, SinkhornReport& r, T* x_bar, T* y_bar) {
    const auto n = std::size_t(x_.view.count), m = std::size_t(y_.view.count);
    const T *f = p.f, *g = p.g, *fxx = p.xx, *fyy = p.yy;
    std::vector<double> xy_sums(n), xx_sums(n), yx_sums(m), yy_sums(m), xy(4 * n), xx(4 * n), yx(4 * m), yy(4 * m);
    plan(x_, y_, f, g, xy_sums, xy);
    plan(y_, x_, g, f, yx_sums, yx);
    plan(x_, x_, fxx, fxx, xx_sums, xx);
    plan(y_, y_, fyy, fyy, yy_sums, yy);
    r.xy = dual(x_, f) + dual(y_, g) - eps_ * (total(xy_sums) - 1);
    r.xx = 2 * dual(x_, fxx) - eps_ * (total(xx_sums) - 1);
    r.yy = 2 * dual(y_, fyy) - eps_ * (total(yy_sums) - 1);
    r.divergence = r.xy - r.xx / 2 - r.yy / 2;
    r.row_error = error(x_, xy_sums);
    r.column_error = error(y_, yx_sums);
    if (options_.threshold > 0) r.converged = r.column_error < options_.threshold;
    write_gradient(x_, xy, xx, x_bar);
    write_gradient(y_, yx, yy, y_bar);
  }

 private:
  using S = SinkhornSide<T>;

  double epsilon_at(int k) const {
    if (options_.annealing <= 0) return eps_;
    return std::max(eps_, start_ * std::pow(options_.annealing, k));
  }
  /// update_ = the potential of `rows` against `columns` whose potential is `other`.
  void soft_min(const S& rows, const S& columns, const T* other, double eps) {
    const int n = rows.view.count;
    parallel_for((n + kSinkhornRows - 1) / kSinkhornRows,
                 [&](int job, int) {
                   kernels().soft_min(cost_, rows.view, columns.view, other, eps, job * kSinkhornRows,
                                      std::min(n, (job + 1) * kSinkhornRows), update_);
                 },
                 worthwhile(rows, columns));
  }
  void average(const S& side, T* f, double eps) {
    soft_min(side, side, f, eps);
    for (int i = 0; i < side.view.count; ++i) f[i] = (f[i] + update_[i]) / 2;
  }
  /// Of the plan of f and g, where update_ is what g becomes: its column sums are b_j exp((g_j - update_j) / eps).
  double column_error(const T* g, double eps) const { return marginal_error(y_, g, eps); }
  double marginal_error(const S& side, const T* g, double eps) const {
    double sum = 0;
    for (std::size_t j = 0; j < side.weight.size(); ++j)
      sum += side.weight[j] * std::abs(std::expm1((double(g[j]) - double(update_[j])) / eps));
    return sum;
  }
  /// Inside a cloud the error only halves at every iteration, so that it may lag behind that between the clouds.
  void settle(const S& side, T* f) {
    for (int k = 0; k < options_.iterations; ++k) {
      soft_min(side, side, f, eps_);
      if (marginal_error(side, f, eps_) < options_.threshold) return;
      for (int i = 0; i < side.view.count; ++i) f[i] = (f[i] + update_[i]) / 2;
    }
  }
  void plan(const S& rows, const S& columns, const T* f, const T* g, std::vector<double>& sums,
            std::vector<double>& forces) const {
    const int n = rows.view.count;
    parallel_for((n + kSinkhornRows - 1) / kSinkhornRows,
                 [&](int job, int) {
                   kernels().plan(cost_, rows.view, columns.view, f, g, eps_, job * kSinkhornRows,
                                  std::min(n, (job + 1) * kSinkhornRows), sums.data(), forces.data());
                 },
                 worthwhile(rows, columns));
  }
  static bool worthwhile(const S& a, const S& b) {
    return std::size_t(a.view.count) * std::size_t(b.view.count) > 8192;
  }
  static double total(const std::vector<double>& sums) {
    double sum = 0;
    for (const double s : sums) sum += s;
    return sum;
  }
  static double error(const S& side, const std::vector<double>& sums) {
    double sum = 0;
    for (std::size_t i = 0; i < sums.size(); ++i) sum += std::abs(sums[i] - side.weight[i]);
    return sum;
  }
  static double dual(const S& side, const T* f) {
    double sum = 0;
    for (std::size_t i = 0; i < side.weight.size(); ++i)
      if (side.weight[i] > 0) sum += side.weight[i] * double(f[i]);
    return sum;
  }
  /// dS/dx = the pull of the other cloud minus that of its own: half of OT_xx, which moves with both of its arguments.
  void write_gradient(const S& side, const std::vector<double>& other, const std::vector<double>& own, T* bar) const {
    if (bar == nullptr) return;
    for (int i = 0; i < side.view.count; ++i)
      for (int d = 0; d < 2; ++d) {
        const auto force = [&](int c) { return other[std::size_t(4 * i + c)] - own[std::size_t(4 * i + c)]; };
        if (cost_.dimensions == 2) {
          bar[2 * i + d] = T(force(d));
          continue;
        }
        const double radius = options_.length[d] / (2 * std::numbers::pi);  // of (R cos(x/R), R sin(x/R))
        bar[2 * i + d] = T((-double(side.view.coordinate[2 * d + 1][i]) * force(2 * d) +
                            double(side.view.coordinate[2 * d][i]) * force(2 * d + 1)) /
                           radius);
      }
  }
  double cost(int i, int j) const {
    double sum = 0;
    for (int d = 0; d < cost_.dimensions; ++d) {
      double delta = double(x_.view.coordinate[d][i]) - double(y_.view.coordinate[d][j]);
      if (cost_.wrap) delta -= options_.length[d] * std::nearbyint(delta / options_.length[d]);
      sum += delta * delta;
    }
    return sum;
  }
  double mean_cost() const {
    double sum = 0;
    for (int i = 0; i < x_.view.count; ++i)
      for (int j = 0; j < y_.view.count; ++j) sum += x_.weight[std::size_t(i)] * y_.weight[std::size_t(j)] * cost(i, j);
    return sum;
  }
  /// Of the box around both clouds, or of the torus: where annealing starts.
  double squared_diameter() const {
    double sum = 0;
    for (int d = 0; d < cost_.dimensions; ++d) {
      if (cost_.wrap) {
        sum += options_.length[d] * options_.length[d] / 4;
        continue;
      }
      double low = HUGE_VAL, high = -HUGE_VAL;
      for (const S* side : {&x_, &y_})
        for (int i = 0; i < side->view.count; ++i) {
          low = std::min(low, double(side->view.coordinate[d][i]));
          high = std::max(high, double(side->view.coordinate[d][i]));
        }
      sum += (high - low) * (high - low);
    }
    return sum;
  }
  static const SinkhornKernels<T>& kernels() { return sinkhorn_kernels<T>(); }

  const SinkhornOptions& options_;
  Workspace& workspace_;
  S x_, y_;
  CloudCost<T> cost_{};
  T* update_;
  double eps_ = 0, start_ = 0;
};

}  // namespace mg::train::host
