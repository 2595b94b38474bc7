#pragma once
#include <cmath>
#include <numbers>

#include "core/assignment_cell.hpp"
#include "train/clouds.hpp"
#include "train/plane_ops.hpp"

// Maths of one point of a cloud in the distances beside the Sinkhorn divergence, for both compilers.
namespace mg::train {

/// Distance of two points in a metric; its gradient by the first is 0 where they meet.
struct PairDistance {
  CloudMetric metric;
  double length[2];
  template <class T>
  MG_HD double operator()(const T* a, const T* b, double (&slope)[2]) const {
    double sum = 0;
    for (int d = 0; d < 2; ++d) {
      double delta = double(a[d]) - double(b[d]);
      if (metric == CloudMetric::chordal) {
        const double turn = 2 * std::numbers::pi * delta / length[d], radius = length[d] / (2 * std::numbers::pi);
        sum += 2 * radius * radius * (1 - cos(turn));
        slope[d] = radius * sin(turn);
        continue;
      }
      if (metric == CloudMetric::torus) delta -= length[d] * rint(delta / length[d]);
      sum += delta * delta;
      slope[d] = delta;
    }
    const double distance = sqrt(sum);
    for (double& s : slope) s = distance > 0 ? s / distance : 0;
    return distance;
  }
};

/// A batch as device code sees it.
template <class T>
struct CloudPlaces {
  const int* counts;
  int stride;
  const T *points, *weights;
  const double* totals;  // [batch] of the weights, or null: equal ones
  MG_HD const T* point(std::size_t b, int i) const { return points + 2 * (b * std::size_t(stride) + std::size_t(i)); }
  MG_HD double weight(std::size_t b, int i) const {
    return weights == nullptr ? 1.0 / counts[b] : double(weights[b * std::size_t(stride) + std::size_t(i)]) / totals[b];
  }
};
/// totals[b] = sum of the weights.
template <class T>
struct TotalWeight {
  CloudPlaces<T> cloud;
  double* totals;
  MG_HD void operator()(int b) const {
    double sum = 0;
    for (int i = 0; i < cloud.counts[b]; ++i)
      sum += double(cloud.weights[std::size_t(b) * std::size_t(cloud.stride) + std::size_t(i)]);
    totals[b] = sum;
  }
};

/// Row i < x.stride: a_i sum_j (2 b_j |x_i - y_j| - a_j |x_i - x_j|) and its gradient; the others -b_i sum_j b_j |y_i - y_j|.
template <class T>
struct EnergyRow {
  CloudPlaces<T> x, y;
  PairDistance distance;
  double* rows;  // [batch][x.stride + y.stride]
  T* x_bar;      // [batch][x.stride][2]
  MG_HD double against(const CloudPlaces<T>& own, std::size_t b, int i, const CloudPlaces<T>& other,
                       double (&pull)[2]) const {
    double sum = 0;
    for (int j = 0; j < other.counts[b]; ++j) {
      double slope[2];
      const double weight = other.weight(b, j);
      sum += weight * distance(own.point(b, i), other.point(b, j), slope);
      for (int d = 0; d < 2; ++d) pull[d] += weight * slope[d];
    }
    return sum;
  }
  MG_HD void operator()(std::size_t b, std::size_t k) const {
    const bool of_x = k < std::size_t(x.stride);
    const CloudPlaces<T>& own = of_x ? x : y;
    const int i = int(of_x ? k : k - std::size_t(x.stride));
    double& row = rows[b * std::size_t(x.stride + y.stride) + k];
    double between[2] = {}, inside[2] = {};
    row = 0;
    if (i < own.counts[b]) {
      const double weight = own.weight(b, i);
      row = -weight * against(own, b, i, own, inside);
      if (of_x) row += 2 * weight * against(x, b, i, y, between);
    }
    if (!of_x) return;
    for (int d = 0; d < 2; ++d) {
      const double weight = i < own.counts[b] ? x.weight(b, i) : 0;
      x_bar[2 * (b * std::size_t(x.stride) + std::size_t(i)) + std::size_t(d)] =
          T(2 * weight * (between[d] - inside[d]));
    }
  }
};

/// Numbers of an array of (samples, 1, 1, n) to be summed.
struct RowSum {
  static constexpr int kSums = 1;
  const double* rows;
  std::size_t n;
  MG_HD Sums<1> operator()(std::size_t plane, std::size_t i) const { return {{rows[plane * n + i]}}; }
};

/// Projections of all clouds on all directions: out[b][direction][i]; beyond the count nothing is written.
template <class T>
struct Project {
  CloudPlaces<T> cloud;
  const double* directions;  // [directions][2]
  int count;
  double* out;  // [batch][directions][stride]
  MG_HD void operator()(std::size_t plane, std::size_t i) const {
    const std::size_t b = plane / std::size_t(count), k = plane % std::size_t(count);
    if (int(i) >= cloud.counts[b]) return;
    const T* p = cloud.point(b, int(i));
    out[plane * std::size_t(cloud.stride) + i] =
        directions[2 * k] * double(p[0]) + directions[2 * k + 1] * double(p[1]);
  }
};
/// order[rank of i] = i by counting, where nothing sorts; equal projections keep their order.
struct RankOf {
  const double* projected;
  const int* counts;
  int directions, stride;
  int* order;
  MG_HD void operator()(std::size_t plane, std::size_t i) const {
    const int n = counts[plane / std::size_t(directions)];
    if (int(i) >= n) return;
    const double* p = projected + plane * std::size_t(stride);
    int rank = 0;
    for (int j = 0; j < n; ++j) rank += p[j] < p[i] || (p[j] == p[i] && j < int(i));
    if (rank < n) order[plane * std::size_t(stride) + std::size_t(rank)] = int(i);
  }
};
/// below[rank] = weight of all points up to this one in the order of a direction.
template <class T>
struct Accumulate {
  CloudPlaces<T> cloud;
  int directions;
  const int* order;
  double* below;
  MG_HD void operator()(int plane) const {
    const auto b = std::size_t(plane) / std::size_t(directions), at = std::size_t(plane) * std::size_t(cloud.stride);
    double sum = 0;
    for (int r = 0; r < cloud.counts[b]; ++r)
      below[at + std::size_t(r)] = sum += cloud.weight(b, order[at + std::size_t(r)]);
  }
};
/// Every point of x against the points of y that share its quantiles: cost and pull of one direction.
struct MatchQuantiles {
  const int *x_counts, *y_counts;
  int directions, x_stride, y_stride;
  const double *x_projected, *y_projected, *x_below, *y_below;
  const int *x_order, *y_order;
  double *cost, *pull;  // [batch][directions][x_stride], pull by point, cost by rank
  MG_HD void operator()(std::size_t plane, std::size_t r) const {
    const std::size_t b = plane / std::size_t(directions), at = plane * std::size_t(x_stride),
                      to = plane * std::size_t(y_stride);
    cost[at + r] = 0;
    if (int(r) >= x_counts[b]) return;
    const auto i = std::size_t(x_order[at + r]);
    const double begin = r > 0 ? x_below[at + r - 1] : 0, end = x_below[at + r], x = x_projected[at + i];
    int low = 0, high = y_counts[b] - 1;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (y_below[to + std::size_t(middle)] > begin)
        high = middle;
      else
        low = middle + 1;
    }
    double from = begin, sum = 0, force = 0;
    for (int s = low; s < y_counts[b] && from < end; ++s) {
      const bool last = s == y_counts[b] - 1;
      const double until = last ? end : fmin(end, y_below[to + std::size_t(s)]);
      const double delta = x - y_projected[to + std::size_t(y_order[to + std::size_t(s)])];
      sum += (until - from) * delta * delta, force += (until - from) * delta;
      from = until;
    }
    cost[at + r] = sum, pull[at + i] = 2 * force;
  }
};
/// x_bar = mean over the directions of pull times direction.
template <class T>
struct SlicedPull {
  const int* counts;
  int directions, stride;
  const double *theta, *pull;
  T* x_bar;
  MG_HD void operator()(std::size_t b, std::size_t i) const {
    double sum[2] = {};
    for (int k = 0; k < directions && int(i) < counts[b]; ++k)
      for (int d = 0; d < 2; ++d)
        sum[d] += theta[2 * k + d] * pull[(b * std::size_t(directions) + std::size_t(k)) * std::size_t(stride) + i];
    for (int d = 0; d < 2; ++d) x_bar[2 * (b * std::size_t(stride) + i) + std::size_t(d)] = T(sum[d] / directions);
  }
};

/// values[b] *= factor.
struct ScaleValues {
  double* values;
  double factor;
  MG_HD void operator()(int b) const { values[b] *= factor; }
};

inline constexpr double kDensityUnit = 0x1p60;  ///< of the fixed-point sums of densities, which add up to 1

MG_HD void add_fixed(long long* to, long long v) {
#if defined(__CUDA_ARCH__)
  atomicAdd(reinterpret_cast<unsigned long long*>(to), static_cast<unsigned long long>(v));
#else
  __atomic_fetch_add(to, v, __ATOMIC_RELAXED);
#endif
}

/// The density of agents of mass 1 / agents each: fixed-point sums, which no order changes.
template <class T>
struct Density {
  const T* x;  // [batch][agents][2] nodes
  int agents, h, w;
  Assignment assignment;
  Domain domain;
  long long* sums;  // [batch][h w + 1], the last one counts agents without a place
  MG_HD std::size_t nodes() const { return std::size_t(h) * std::size_t(w); }
  MG_HD void operator()(std::size_t b, std::size_t i) const {
    const T* p = x + 2 * (b * std::size_t(agents) + i);
    long long* to = sums + b * (nodes() + 1);
    if (!(fabs(double(p[0])) < 1e9 && fabs(double(p[1])) < 1e9)) return add_fixed(to + nodes(), 1);
    const auto t0 = axis_taps(assignment, domain, double(p[0]), h), t1 = axis_taps(assignment, domain, double(p[1]), w);
    for (int k = 0; k < tap_count(assignment); ++k)
      for (int l = 0; l < tap_count(assignment); ++l)
        add_fixed(to + t0.node[k] * w + t1.node[l], (long long)(rint(t0.w[k] * t1.w[l] / agents * kDensityUnit)));
  }
  MG_HD double at(std::size_t b, std::size_t node) const {
    const long long* from = sums + b * (nodes() + 1);
    return from[nodes()] > 0 ? nan("") : double(from[node]) / kDensityUnit;
  }
};
template <class T>
struct DensityError {
  static constexpr int kSums = 1;
  Density<T> density;
  const T* target;  // [batch][h w]
  MG_HD double difference(std::size_t b, std::size_t i) const {
    return density.at(b, i) - double(target[b * density.nodes() + i]);
  }
  MG_HD Sums<1> operator()(std::size_t b, std::size_t i) const {
    const double d = difference(b, i);
    return {{d * d}};
  }
};
template <class T>
struct DensityPull {
  DensityError<T> error;
  T* x_bar;
  MG_HD void operator()(std::size_t b, std::size_t i) const {
    const Density<T>& f = error.density;
    const T* p = f.x + 2 * (b * std::size_t(f.agents) + i);
    double sum[2] = {};
    if (fabs(double(p[0])) < 1e9 && fabs(double(p[1])) < 1e9) {
      const auto t0 = axis_taps(f.assignment, f.domain, double(p[0]), f.h),
                 t1 = axis_taps(f.assignment, f.domain, double(p[1]), f.w);
      for (int k = 0; k < tap_count(f.assignment); ++k)
        for (int l = 0; l < tap_count(f.assignment); ++l) {
          const double pull = error.difference(b, std::size_t(t0.node[k] * f.w + t1.node[l]));
          sum[0] += pull * t0.dw[k] * t1.w[l], sum[1] += pull * t0.w[k] * t1.dw[l];
        }
    }
    for (int d = 0; d < 2; ++d)
      x_bar[2 * (b * std::size_t(f.agents) + i) + std::size_t(d)] = T(2 * sum[d] / f.agents / double(f.nodes()));
  }
};

}  // namespace mg::train
