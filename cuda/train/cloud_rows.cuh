#pragma once
#include <cmath>
#include <numbers>

#include "cuda/core/for_each.cuh"
#include "cuda/core/reduce.cuh"
#include "train/clouds.hpp"

// Batches of clouds on the device: prepared once, then read by rows of pairs.
namespace mg::train::cuda {

inline constexpr int kCloudLanes = 128;  ///< most threads of a block that shares the columns of a row

__device__ inline float cloud_huge(float) { return 3e38F; }
__device__ inline double cloud_huge(double) { return 1e300; }
__device__ inline float power_of_2(float x) { return exp2f(x); }
__device__ inline double power_of_2(double x) { return exp2(x); }

template <class T>
__device__ bool finite(T x) {
  return x - x == T(0);
}

template <bool kWrap, class T>
__device__ T cloud_difference(const CloudCost<T>& cost, int d, T a, T b) {
  const T delta = a - b;
  if constexpr (kWrap) return delta - cost.length[d] * rint(delta * cost.inverse_length[d]);
  return delta;
}
template <int kDimensions, bool kWrap, class T>
__device__ T cloud_cost(const CloudCost<T>& cost, const T (&x)[kDimensions], const T (&y)[kDimensions]) {
  T sum = 0;
  MG_UNROLL
  for (int d = 0; d < kDimensions; ++d) {
    const T delta = cloud_difference<kWrap>(cost, d, x[d], y[d]);
    sum += delta * delta;
  }
  return sum;
}

/// A batch of clouds by coordinate, weights normalised.
template <class T>
struct CloudSide {
  int stride;
  const int* counts;              // [batch]
  const T* data;                  // [batch][5][stride] four coordinates, log weight
  const double* weights;          // [batch][stride]
  const ReduceValues<2>* totals;  // [batch] sum of the weights, points and weights without meaning

  __device__ CloudView<T> view(int b) const {
    const T* first = data + std::size_t(b) * 5 * std::size_t(stride);
    const auto at = [&](int k) { return first + std::size_t(k) * std::size_t(stride); };
    return {counts[b], {at(0), at(1), at(2), at(3)}, at(4)};
  }
  template <int kDimensions>
  __device__ void load(int b, int i, T (&x)[kDimensions]) const {
    const CloudView<T> v = view(b);
    for (int d = 0; d < kDimensions; ++d) x[d] = v.coordinate[d][i];
  }
  __device__ double weight_at(int b, std::size_t i) const { return weights[std::size_t(b) * std::size_t(stride) + i]; }
  __device__ bool broken(std::size_t b) const {
    return totals[b].v[1] > 0 || !(totals[b].v[0] > 0) || !finite(totals[b].v[0]);
  }
};

template <class T>
struct CloudTotals {
  const T *points, *weights;
  const int* counts;
  int stride;
  __device__ std::size_t length(std::size_t b) const { return std::size_t(counts[b]); }
  __device__ ReduceValues<2> operator()(std::size_t b, std::size_t i) const {
    const std::size_t at = b * std::size_t(stride) + i;
    const double weight = weights != nullptr ? double(weights[at]) : 1.0;
    const bool good = finite(points[2 * at]) && finite(points[2 * at + 1]) && weight >= 0;
    return {{weight, good ? 0.0 : 1.0}};
  }
};
template <int K>
struct StoreValuesOf {
  ReduceValues<K>* out;
  __device__ void operator()(std::size_t b, const ReduceValues<K>& r) const { out[b] = r; }
};

template <class T>
struct PrepareCloud {
  const T *points, *weights;
  CloudSide<T> side;
  T* data;
  double* normalised;
  CloudCost<T> cost;
  double length[2];
  __device__ void operator()(std::size_t at) const {
    const auto stride = std::size_t(side.stride), b = at / stride, i = at % stride;
    if (i >= std::size_t(side.counts[b])) return;
    T* to = data + b * 5 * stride + i;
    normalised[at] = (weights != nullptr ? double(weights[at]) : 1.0) / side.totals[b].v[0];
    to[4 * stride] = T(log(normalised[at]));
    for (int d = 0; d < 2; ++d) {
      const T p = points[2 * at + std::size_t(d)];
      if (cost.dimensions == 2) {
        to[std::size_t(d) * stride] = p;
        continue;
      }
      const double radius = length[d] / (2 * std::numbers::pi), angle = double(p) / radius;
      to[std::size_t(2 * d) * stride] = T(radius * cos(angle));
      to[std::size_t(2 * d + 1) * stride] = T(radius * sin(angle));
    }
  }
};

template <class T>
CloudCost<T> cloud_cost_of(CloudMetric metric, const double (&length)[2]) {
  CloudCost<T> cost{};
  cost.dimensions = metric == CloudMetric::chordal ? 4 : 2;
  cost.wrap = metric == CloudMetric::torus;
  for (int d = 0; d < 2; ++d) cost.length[d] = T(length[d]), cost.inverse_length[d] = T(1 / length[d]);
  return cost;
}

/// Uploads the counts and prepares coordinates and weights, in workspace memory under `name`.
template <class T>
CloudSide<T> prepare_clouds(CUstream_st* stream, const CloudBatch<T>& clouds, const CloudCost<T>& cost,
                            const double (&length)[2], const std::string& name, Workspace& workspace) {
  const Exec exec{Backend::cuda, stream};
  const std::size_t batch = clouds.counts.size(), places = batch * std::size_t(clouds.stride);
  int* counts = workspace.get<int>(exec, name + ".counts", batch);
  copy_bytes(exec, counts, Backend::cuda, clouds.counts.data(), Backend::host, batch * sizeof(int));
  synchronise(exec);
  T* data = workspace.get<T>(exec, name + ".data", 5 * places);
  double* weights = workspace.get<double>(exec, name + ".weights", places);
  auto* totals = workspace.get<ReduceValues<2>>(exec, name + ".totals", batch);
  const CloudSide<T> side{clouds.stride, counts, data, weights, totals};
  mg::cuda::reduce_segments<Add, 2>("cloud_totals", stream, batch, std::size_t(clouds.stride),
                                    CloudTotals<T>{clouds.points, clouds.weights, counts, clouds.stride},
                                    StoreValuesOf<2>{totals}, workspace);
  mg::cuda::for_each_index(
      "prepare_clouds", stream, places,
      PrepareCloud<T>{clouds.points, clouds.weights, side, data, weights, cost, {length[0], length[1]}});
  return side;
}

/// Threads of a block for rows of `columns` columns: few for short ones.
inline unsigned cloud_lanes(int columns) { return columns > 256 ? unsigned(kCloudLanes) : 32U; }

/// total[k] = sum over the lanes of the block, in thread 0, in an order that depends on the number of lanes.
template <int K>
__device__ void sum_lanes(double (&total)[K]) {
  __shared__ double shared[K][kCloudLanes];
  constexpr int kHeads = 8;
  const int lane = int(threadIdx.x), lanes = int(blockDim.x);
  __syncthreads();
  for (int k = 0; k < K; ++k) shared[k][lane] = total[k];
  __syncthreads();
  if (lane < kHeads)
    for (int k = 0; k < K; ++k)
      for (int u = lane + kHeads; u < lanes; u += kHeads) shared[k][lane] += shared[k][u];
  __syncthreads();
  if (lane == 0)
    for (int k = 0; k < K; ++k) {
      total[k] = shared[k][0];
      for (int u = 1; u < kHeads; ++u) total[k] += shared[k][u];
    }
}

/// Component d in the plane of a cotangent of the coordinates: of (R cos(x/R), R sin(x/R)) for chordal clouds.
template <int kDimensions, class T>
__device__ double along_plane(const CloudCost<T>& cost, int d, const T (&at)[kDimensions],
                              const double (&force)[kDimensions]) {
  if constexpr (kDimensions == 2) return force[d];
  const double radius = double(cost.length[d]) / (2 * std::numbers::pi);
  return (-double(at[2 * d + 1]) * force[2 * d] + double(at[2 * d]) * force[2 * d + 1]) / radius;
}

}  // namespace mg::train::cuda
