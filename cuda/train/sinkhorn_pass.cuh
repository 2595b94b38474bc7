#pragma once
#include <numbers>

#include "cuda/train/cloud_rows.cuh"
#include "train/sinkhorn.hpp"

// Kernels and functors of a batch of Sinkhorn solves (cuda/train/sinkhorn.cu, which alone includes this).
namespace mg::train::cuda {
namespace {

constexpr int kRows = 4;  ///< rows of a block, which share what it reads of the columns
constexpr double kLn2 = std::numbers::ln2;

struct Control {
  double eps, start;  ///< of the solve, and where annealing starts
  int done[3];        ///< between the clouds, inside x, inside y
  int iterations;
};

/// The four updates, in the order of the potentials.
enum Part { kF, kG, kXX, kYY };

template <class T>
struct Solve {
  CloudSide<T> x, y;
  CloudCost<T> cost;
  T *potentials, *update;  // [batch][2 (x.stride + y.stride)]
  Control* control;        // [batch]

  __device__ std::size_t place(int b, Part part) const {
    const auto sx = std::size_t(x.stride), sy = std::size_t(y.stride);
    return 2 * (sx + sy) * std::size_t(b) + (part == kF ? 0 : part == kG ? sx : part == kXX ? sx + sy : 2 * sx + sy);
  }
  __device__ const CloudSide<T>& rows(Part part) const { return part == kF || part == kXX ? x : y; }
  __device__ const CloudSide<T>& columns(Part part) const { return part == kG || part == kXX ? x : y; }
  __device__ Part other(Part part) const { return part == kF ? kG : part == kG ? kF : part; }
};

/// Which parts one launch updates, and with which epsilon.
struct Pass {
  bool f, g, inside, settling;
  double factor;  ///< epsilon = max(eps, start factor)
  __device__ bool has(int part) const { return part == kF ? f : part == kG ? g : inside; }
  __device__ int done(const Control& c, int part) const { return c.done[settling ? part - 1 : 0]; }
  __device__ double eps(const Control& c) const { return fmax(c.eps, c.start * factor); }
};

/// update[i] = -eps lse_j((g[j] - C_ij) / eps + log b_j), a block for kRows rows; every lane keeps a running maximum.
template <int kDimensions, bool kWrap, class T>
__global__ void sinkhorn_update_kernel(Solve<T> s, Pass pass) {
  __shared__ T shared_most[kRows][kCloudLanes], shared_sum[kRows][kCloudLanes];
  const int b = int(blockIdx.y), lanes = int(blockDim.x), lane = int(threadIdx.x);
  int first = int(blockIdx.x) * kRows, part = kF;
  for (; part <= kYY; ++part) {
    if (!pass.has(part)) continue;
    const int padded = (s.rows(Part(part)).stride + kRows - 1) / kRows * kRows;
    if (first < padded) break;
    first -= padded;
  }
  const Control& control = s.control[b];
  const CloudSide<T>&rows = s.rows(Part(part)), &columns = s.columns(Part(part));
  if (first >= rows.counts[b] || pass.done(control, part)) return;  // the same for the whole block
  const double eps = pass.eps(control);
  const T inverse = T(1 / (eps * kLn2)), per_bit = T(1 / kLn2);
  const T* potential = s.potentials + s.place(b, s.other(Part(part)));
  const CloudView<T> y = columns.view(b);
  T at[kRows][kDimensions], most[kRows], sum[kRows];
  for (int r = 0; r < kRows; ++r) {
    rows.template load<kDimensions>(b, min(first + r, rows.counts[b] - 1), at[r]);
    most[r] = -cloud_huge(T()), sum[r] = 0;
  }
  for (int j = lane; j < y.count; j += lanes) {
    T to[kDimensions];
    for (int d = 0; d < kDimensions; ++d) to[d] = y.coordinate[d][j];
    const T bonus = y.log_weight[j] * per_bit, g = potential[j];
    MG_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const T score = (g - cloud_cost<kDimensions, kWrap>(s.cost, at[r], to)) * inverse + bonus;
      const bool more = score > most[r];
      const T small = power_of_2(more ? most[r] - score : score - most[r]);
      sum[r] = more ? sum[r] * small + T(1) : sum[r] + small;
      most[r] = more ? score : most[r];
    }
  }
  for (int r = 0; r < kRows; ++r) shared_most[r][lane] = most[r], shared_sum[r][lane] = sum[r];
  __syncthreads();
  constexpr int kHeads = 8;
  const int row = lane / kHeads, head = lane % kHeads;
  const auto combine = [&](int begin, int end, int stride) {
    T high = shared_most[row][begin], total = shared_sum[row][begin];
    for (int u = begin + stride; u < end; u += stride) {
      const T m = shared_most[row][u], both = m > high ? m : high;
      total = total * power_of_2(high - both) + shared_sum[row][u] * power_of_2(m - both);
      high = both;
    }
    shared_most[row][begin] = high, shared_sum[row][begin] = total;
  };
  if (row < kRows) combine(head, lanes, kHeads);
  __syncthreads();
  if (row >= kRows || head != 0 || first + row >= rows.counts[b]) return;
  combine(0, kHeads, 1);
  const double out = -eps * (double(shared_most[row][0]) * kLn2 + log(double(shared_sum[row][0])));
  T* to = part == kF ? s.potentials : s.update;  // nothing of this launch reads f where it writes f
  to[s.place(b, Part(part)) + std::size_t(first + row)] = T(out);
}

/// g takes its update, the potentials inside the clouds half of it.
template <class T>
struct Commit {
  Solve<T> s;
  Pass pass;
  __device__ void operator()(std::size_t i) const {
    const auto sx = std::size_t(s.x.stride), each = 2 * (sx + std::size_t(s.y.stride)), k = i % each;
    const int part = k < sx ? kF : k < each / 2 ? kG : k < each / 2 + sx ? kXX : kYY;
    if (!pass.has(part) || part == kF || pass.done(s.control[i / each], part)) return;
    s.potentials[i] = part == kG ? s.update[i] : (s.potentials[i] + s.update[i]) / 2;
  }
};

/// The marginal error sum_j b_j |exp((g_j - update_j) / eps) - 1|, of segment 0 for g, or of two for the insides.
template <class T>
struct MarginalError {
  Solve<T> s;
  bool settling;
  __device__ int part(std::size_t segment) const { return settling ? kXX + int(segment % 2) : kG; }
  __device__ int sample(std::size_t segment) const { return int(settling ? segment / 2 : segment); }
  __device__ std::size_t length(std::size_t segment) const {
    return std::size_t(s.rows(Part(part(segment))).counts[sample(segment)]);
  }
  __device__ ReduceValues<1> operator()(std::size_t segment, std::size_t j) const {
    const int b = sample(segment), p = part(segment);
    const std::size_t at = s.place(b, Part(p)) + j;
    const double weight = s.rows(Part(p)).weight_at(b, j);
    return {{weight * fabs(expm1((double(s.potentials[at]) - double(s.update[at])) / s.control[b].eps))}};
  }
};
template <class T>
struct StopBelow {
  MarginalError<T> error;
  double threshold, factor;
  int iteration;
  __device__ void operator()(std::size_t segment, const ReduceValues<1>& r) const {
    Control& c = error.s.control[error.sample(segment)];
    if (c.eps < c.start * factor || !(r.v[0] < threshold)) return;
    int& done = c.done[error.settling ? 1 + int(segment % 2) : 0];
    if (done == 0 && !error.settling) c.iterations = iteration;
    done = 1;
  }
};

/// Epsilon of every pair, from the mean cost and the box around both clouds.
template <class T>
struct Setup {
  Solve<T> s;
  SinkhornOptions o;
  const double* mean_cost;          // [batch] or null
  const ReduceValues<8>* extremes;  // [batch] largest -+ coordinates of both clouds, or null
  __device__ void operator()(std::size_t b) const {
    Control& c = s.control[b];
    const bool bad = s.x.broken(b) || s.y.broken(b);
    c.eps = mean_cost != nullptr ? o.epsilon * mean_cost[b] : o.epsilon;
    c.start = o.annealing > 0 ? o.annealing_start : 0;
    if (extremes != nullptr)
      for (int d = 0; d < s.cost.dimensions; ++d) {
        const double side = s.cost.wrap ? o.length[d] / 2 : extremes[b].v[2 * d] + extremes[b].v[2 * d + 1];
        c.start += side * side;
      }
    for (int& done : c.done) done = bad || !(c.eps > 0);
    c.iterations = c.done[0] != 0 ? 0 : o.iterations;
  }
};
template <class T>
struct Extremes {
  CloudSide<T> x, y;
  __device__ std::size_t length(std::size_t b) const { return std::size_t(max(x.counts[b], y.counts[b])); }
  __device__ ReduceValues<8> operator()(std::size_t b, std::size_t i) const {
    ReduceValues<8> r;
    for (double& v : r.v) v = -HUGE_VAL;
    for (const CloudSide<T>* side : {&x, &y})
      for (int d = 0; d < 4 && i < std::size_t(side->counts[b]); ++d) {
        const double v = double(side->view(int(b)).coordinate[d][i]);
        r.v[2 * d] = fmax(r.v[2 * d], -v), r.v[2 * d + 1] = fmax(r.v[2 * d + 1], v);
      }
    return r;
  }
};

/// Row sums of both plans of a row and the pull of the other cloud minus that of its own, a block for a row.
template <int kDimensions, bool kWrap, class T>
__global__ void sinkhorn_plan_kernel(Solve<T> s, SinkhornBatch<T> out, double* sums) {
  const int b = int(blockIdx.y);
  const bool of_x = int(blockIdx.x) < s.x.stride;
  const int i = of_x ? int(blockIdx.x) : int(blockIdx.x) - s.x.stride;
  const Control& control = s.control[b];
  const CloudSide<T>& side = of_x ? s.x : s.y;
  T* bar = of_x ? out.x_bar : out.y_bar;
  if (bar != nullptr) bar += 2 * (std::size_t(b) * std::size_t(side.stride) + std::size_t(i));
  if (i >= side.counts[b] || s.x.broken(std::size_t(b)) || s.y.broken(std::size_t(b))) {
    if (bar != nullptr && threadIdx.x < 2) bar[threadIdx.x] = T(0);
    return;
  }
  const T inverse = T(1 / (control.eps * kLn2)), per_bit = T(1 / kLn2);
  const CloudView<T> own = side.view(b);
  T at[kDimensions];
  side.template load<kDimensions>(b, i, at);
  double force[kDimensions] = {};
  for (int pass = 0; pass < 2; ++pass) {
    const Part part = pass == 0 ? (of_x ? kF : kG) : (of_x ? kXX : kYY);
    const T* potential = s.potentials + s.place(b, s.other(part));
    const CloudView<T> y = s.columns(part).view(b);
    const T offset = s.potentials[s.place(b, part) + std::size_t(i)] * inverse + own.log_weight[i] * per_bit;
    double total[1 + kDimensions] = {};
    for (int j = int(threadIdx.x); j < y.count; j += int(blockDim.x)) {
      T delta[kDimensions], cost = 0;
      for (int d = 0; d < kDimensions; ++d) {
        delta[d] = cloud_difference<kWrap>(s.cost, d, at[d], y.coordinate[d][j]);
        cost += delta[d] * delta[d];
      }
      const T p = power_of_2((potential[j] - cost) * inverse + y.log_weight[j] * per_bit + offset);
      total[0] += double(p);
      for (int d = 0; d < kDimensions; ++d) total[1 + d] += double(p * delta[d]);
    }
    sum_lanes(total);
    if (threadIdx.x != 0) continue;
    sums[s.place(b, part) + std::size_t(i)] = total[0];
    for (int d = 0; d < kDimensions; ++d) force[d] += (pass == 0 ? 2 : -2) * total[1 + d];
  }
  if (threadIdx.x != 0 || bar == nullptr) return;
  for (int d = 0; d < 2; ++d) bar[d] = T(along_plane<kDimensions>(s.cost, d, at, force));
}

/// Costs and errors of a pair, summed over its points.
template <class T>
struct Values {
  Solve<T> s;
  const double* sums;
  __device__ std::size_t length(std::size_t b) const { return std::size_t(max(s.x.counts[b], s.y.counts[b])); }
  __device__ ReduceValues<8> operator()(std::size_t b, std::size_t i) const {
    ReduceValues<8> r = {};
    for (int part = kF; part <= kYY; ++part) {
      const CloudSide<T>& rows = s.rows(Part(part));
      if (i >= std::size_t(rows.counts[b])) continue;
      const std::size_t at = s.place(int(b), Part(part)) + i;
      const double weight = rows.weight_at(int(b), i);
      if (weight > 0) r.v[part == kF || part == kG ? 0 : part - 1] += weight * double(s.potentials[at]);
      if (part != kG) r.v[part == kF ? 3 : part + 2] += sums[at];
      if (part <= kG) r.v[6 + part] += fabs(sums[at] - weight);
    }
    return r;
  }
};
template <class T>
struct StoreValues {
  Solve<T> s;
  double threshold;
  SinkhornReport* reports;
  __device__ void operator()(std::size_t b, const ReduceValues<8>& r) const {
    const Control& c = s.control[b];
    SinkhornReport& out = reports[b];
    const double nothing = s.x.broken(b) || s.y.broken(b) || !(c.eps > 0) ? nan("") : 0;
    out.xy = r.v[0] - c.eps * (r.v[3] - 1) + nothing;
    out.xx = 2 * r.v[1] - c.eps * (r.v[4] - 1) + nothing;
    out.yy = 2 * r.v[2] - c.eps * (r.v[5] - 1) + nothing;
    out.divergence = out.xy - out.xx / 2 - out.yy / 2;
    out.row_error = r.v[6], out.column_error = r.v[7];
    out.iterations = c.iterations;
    out.converged = nothing == 0 && (threshold == 0 || out.column_error < threshold);
  }
};

/// Row sums of a_i b_j C_ij, a block for a row of x.
template <int kDimensions, bool kWrap, class T>
__global__ void sinkhorn_cost_kernel(Solve<T> s, double* rows) {
  const int b = int(blockIdx.y), i = int(blockIdx.x);
  double total[1] = {};
  if (i < s.x.counts[b]) {
    T at[kDimensions], to[kDimensions];
    s.x.template load<kDimensions>(b, i, at);
    for (int j = int(threadIdx.x); j < s.y.counts[b]; j += int(blockDim.x)) {
      s.y.template load<kDimensions>(b, j, to);
      total[0] += s.y.weight_at(b, std::size_t(j)) * double(cloud_cost<kDimensions, kWrap>(s.cost, at, to));
    }
  }
  sum_lanes(total);
  if (threadIdx.x == 0)
    rows[std::size_t(b) * std::size_t(s.x.stride) + std::size_t(i)] =
        i < s.x.counts[b] ? total[0] * s.x.weight_at(b, std::size_t(i)) : 0.0;
}

}  // namespace
}  // namespace mg::train::cuda
