#include <algorithm>
#include <cmath>

#include "core/lane_math.hpp"
#include "train/sinkhorn_kernels.hpp"

namespace mg::train::MG_ISA {
namespace {

constexpr int kBlock = 256;  ///< points of one pass through the first cache
constexpr int kLanes = 16;   ///< partial sums of a block

/// Below e^-87 nothing: a saturated exponential would add up over many far points.
inline float score_exp(float x) { return x < -87.0F ? 0.0F : lane_exp(x); }
inline double score_exp(double x) { return lane_exp(x); }

template <class T, bool kWrap>
inline T difference(T a, T b, T length, T inverse_length) {
  const T d = a - b;
  if constexpr (kWrap)
    return d - length * std::nearbyint(d * inverse_length);
  else
    return d;
}

/// s[j] = (g[j] - C_ij) / eps + log b_j of the points first .. first + n - 1; the largest of them.
template <int kDimensions, bool kWrap, class T>
inline T scores(const CloudCost<T>& cost, const T (&x)[4], const CloudView<T>& y, const T* g, T inverse, int first,
                int n, T* s) {
  for (int j = 0; j < n; ++j) {
    T c = 0;
    for (int d = 0; d < kDimensions; ++d) {
      const T delta =
          difference<T, kWrap>(x[d], y.coordinate[d][first + j], cost.length[d & 1], cost.inverse_length[d & 1]);
      c += delta * delta;
    }
    s[j] = (g[first + j] - c) * inverse + y.log_weight[first + j];
  }
  T most[kLanes];
  std::fill_n(most, kLanes, -HUGE_VALF);
  int j = 0;
  for (; j + kLanes <= n; j += kLanes)
    for (int l = 0; l < kLanes; ++l) most[l] = most[l] > s[j + l] ? most[l] : s[j + l];
  for (; j < n; ++j) most[0] = std::max(most[0], s[j]);
  return *std::max_element(most, most + kLanes);
}

template <int kDimensions, bool kWrap, class T>
void soft_min_rows(const CloudCost<T>& cost, const CloudView<T>& x, const CloudView<T>& y, const T* g, double eps,
                   int begin, int end, T* out) {
  const T inverse = T(1 / eps);
  T s[kBlock];
  for (int i = begin; i < end; ++i) {
    T at[4] = {};
    for (int d = 0; d < kDimensions; ++d) at[d] = x.coordinate[d][i];
    T most = -HUGE_VALF;
    T sum[kLanes] = {};
    for (int first = 0; first < y.count; first += kBlock) {
      const int n = std::min(kBlock, y.count - first);
      const T block = scores<kDimensions, kWrap>(cost, at, y, g, inverse, first, n, s);
      if (block > most) {
        const T scale = score_exp(most - block);
        for (int l = 0; l < kLanes; ++l) sum[l] *= scale;
        most = block;
      }
      if (!(most > -HUGE_VALF)) continue;  // only points of weight 0 so far
      int j = 0;
      for (; j + kLanes <= n; j += kLanes)
        for (int l = 0; l < kLanes; ++l) sum[l] += score_exp(s[j + l] - most);
      for (; j < n; ++j) sum[0] += score_exp(s[j] - most);
    }
    T total = 0;
    for (int l = 0; l < kLanes; ++l) total += sum[l];
    out[i] = T(-eps * (double(most) + std::log(double(total))));
  }
}

template <int kDimensions, bool kWrap, class T>
void plan_rows(const CloudCost<T>& cost, const CloudView<T>& x, const CloudView<T>& y, const T* f, const T* g,
               double eps, int begin, int end, double* sums, double* forces) {
  const T inverse = T(1 / eps);
  T s[kBlock];
  for (int i = begin; i < end; ++i) {
    T at[4] = {};
    for (int d = 0; d < kDimensions; ++d) at[d] = x.coordinate[d][i];
    double sum = 0, force[4] = {};
    for (int first = 0; first < y.count; first += kBlock) {
      const int n = std::min(kBlock, y.count - first);
      scores<kDimensions, kWrap>(cost, at, y, g, inverse, first, n, s);
      const T offset = f[i] * inverse + x.log_weight[i];
      T part[kLanes] = {}, pull[kDimensions][kLanes] = {};
      for (int j = 0; j < n; ++j) s[j] = score_exp(s[j] + offset);
      for (int base = 0; base < n; base += kLanes)
        for (int l = 0; l < std::min(kLanes, n - base); ++l) {
          part[l] += s[base + l];
          for (int d = 0; d < kDimensions; ++d)
            pull[d][l] += s[base + l] * difference<T, kWrap>(at[d], y.coordinate[d][first + base + l],
                                                             cost.length[d & 1], cost.inverse_length[d & 1]);
        }
      for (int l = 0; l < kLanes; ++l) {
        sum += double(part[l]);
        for (int d = 0; d < kDimensions; ++d) force[d] += double(pull[d][l]);
      }
    }
    sums[i] = sum;
    for (int d = 0; d < 4; ++d) forces[4 * i + d] = 2 * force[d];
  }
}

template <class T>
void soft_min(const CloudCost<T>& cost, const CloudView<T>& x, const CloudView<T>& y, const T* g, double eps, int begin,
              int end, T* out) {
  const auto rows = cost.dimensions == 4 ? soft_min_rows<4, false, T>
                    : cost.wrap          ? soft_min_rows<2, true, T>
                                         : soft_min_rows<2, false, T>;
  rows(cost, x, y, g, eps, begin, end, out);
}
template <class T>
void plan(const CloudCost<T>& cost, const CloudView<T>& x, const CloudView<T>& y, const T* f, const T* g, double eps,
          int begin, int end, double* sums, double* forces) {
  const auto rows = cost.dimensions == 4 ? plan_rows<4, false, T>
                    : cost.wrap          ? plan_rows<2, true, T>
                                         : plan_rows<2, false, T>;
  rows(cost, x, y, f, g, eps, begin, end, sums, forces);
}

template <class T>
constexpr SinkhornKernels<T> kTable = {soft_min<T>, plan<T>};

}  // namespace

const SinkhornKernels<float>& sinkhorn_float() { return kTable<float>; }
const SinkhornKernels<double>& sinkhorn_double() { return kTable<double>; }

}  // namespace mg::train::MG_ISA
