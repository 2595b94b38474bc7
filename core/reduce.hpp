#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/buffer.hpp"
#include "core/macros.hpp"

// Reductions whose order depends only on the lengths: a segment is cut into chunks of kReduceChunk elements; in a
// chunk, lane t of kReduceLanes takes the elements t, t + kReduceLanes, ...; the lanes are combined in two fixed stages;
// then the chunks are combined the same way. Host and device follow the same order, in double.
namespace mg {

inline constexpr int kReduceLanes = 128;
inline constexpr int kReduceHeads = 16;  ///< the first stage combines lanes t, t + kReduceHeads, ...
inline constexpr std::size_t kReduceChunk = 4096;

/// K numbers reduced side by side.
template <int K>
struct ReduceValues {
  double v[K];
};

struct Add {
  static MG_HD double identity() { return 0; }
  static MG_HD double combine(double a, double b) { return a + b; }
};
/// Largest; a NaN wins.
struct Max {
  static MG_HD double identity() { return -HUGE_VAL; }
  static MG_HD double combine(double a, double b) { return (a >= b || a != a) ? a : b; }
};

enum class Reduction { sum, sum_squares, max, max_abs };

/// out[s] = reduction of the elements data[s length] .. data[(s + 1) length - 1]; of none 0, or -infinity for maxima.
/// @param data  segments * length elements   @param out  `segments` elements, overwritten; no alias
template <class T>
void reduce(const Exec& exec, Reduction reduction, const T* data, std::size_t segments, std::size_t length, T* out,
            Workspace& workspace);

/// The reducer of one value of `data`, as a functor for reduce_segments; segments of equal length.
template <class T>
struct ReduceArray {
  Reduction reduction;
  const T* data;  // [segments][length]
  std::size_t n;
  MG_HD std::size_t length(std::size_t) const { return n; }
  MG_HD ReduceValues<1> operator()(std::size_t s, std::size_t i) const {
    const double x = data[s * n + i];
    switch (reduction) {
      case Reduction::sum_squares:
        return {{x * x}};
      case Reduction::max_abs:
        return {{x < 0 ? -x : x}};
      default:
        return {{x}};
    }
  }
};
template <class T>
struct StoreReduced {
  T* out;  // [segments]
  MG_HD void operator()(std::size_t s, const ReduceValues<1>& r) const { out[s] = T(r.v[0]); }
};

namespace host {

/// Takes `count` values, one per lane. Called with the constant kReduceLanes, the loop becomes vector code.
template <class Op, int K, class Value>
inline void reduce_lanes(const Value& value, std::size_t base, int count, double (&lanes)[K][kReduceLanes]) {
  for (int t = 0; t < count; ++t) {
    const ReduceValues<K> x = value(base + std::size_t(t));
    for (int k = 0; k < K; ++k) lanes[k][t] = Op::combine(lanes[k][t], x.v[k]);
  }
}

/// @param value  taken as a copy, whose members no store can change
template <class Op, int K, class Value>
ReduceValues<K> reduce_range(const Value value, std::size_t begin, std::size_t end) {
  double lanes[K][kReduceLanes];
  for (int k = 0; k < K; ++k) std::fill_n(lanes[k], kReduceLanes, Op::identity());
  std::size_t base = begin;
  for (; base + kReduceLanes <= end; base += kReduceLanes) reduce_lanes<Op, K>(value, base, kReduceLanes, lanes);
  if (base < end) reduce_lanes<Op, K>(value, base, int(end - base), lanes);
  ReduceValues<K> total;
  for (int k = 0; k < K; ++k) {
    for (int t = 0; t < kReduceHeads; ++t)
      for (int u = t + kReduceHeads; u < kReduceLanes; u += kReduceHeads)
        lanes[k][t] = Op::combine(lanes[k][t], lanes[k][u]);
    total.v[k] = Op::identity();
    for (int t = 0; t < kReduceHeads; ++t) total.v[k] = Op::combine(total.v[k], lanes[k][t]);
  }
  return total;
}

/// For every segment s: store(s, reduction of value(s, 0) .. value(s, value.length(s) - 1)), on the host. `Op` is Add
/// or Max, `value` returns ReduceValues<K>; lengths are at most `max_length`. Partial results: workspace "reduce.partials".
/// The device twin is in cuda/core/reduce.cuh.
template <class Op, int K, class Value, class Store>
void reduce_segments(std::size_t segments, std::size_t max_length, const Value& value, const Store& store,
                     Workspace& workspace) {
  const std::size_t chunks = std::max<std::size_t>(1, (max_length + kReduceChunk - 1) / kReduceChunk);
  const auto chunk = [&](std::size_t s, std::size_t c) {
    const std::size_t length = value.length(s);
    return reduce_range<Op, K>([own = value, s](std::size_t i) { return own(s, i); },
                               std::min(length, c * kReduceChunk), std::min(length, (c + 1) * kReduceChunk));
  };
  auto* partials = chunks > 1 ? workspace.get<ReduceValues<K>>({}, "reduce.partials", segments * chunks)
                              : nullptr;  // [segments][chunks]
  const long long jobs = segments * chunks;
#pragma omp parallel for schedule(static) if (segments * max_length > 16384)
  for (long long job = 0; job < jobs; ++job) {
    const ReduceValues<K> r = chunk(std::size_t(job) / chunks, std::size_t(job) % chunks);
    if (chunks == 1)
      store(std::size_t(job), r);
    else
      partials[job] = r;
  }
  if (chunks == 1) return;
  for (std::size_t s = 0; s < segments; ++s)
    store(s, reduce_range<Op, K>([=](std::size_t c) { return partials[s * chunks + c]; }, 0, chunks));
}

}  // namespace host
}  // namespace mg
