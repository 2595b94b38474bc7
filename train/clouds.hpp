#pragma once
#include <vector>

#include "core/macros.hpp"

namespace mg::train {

/// Squared distance between two points of the plane. flat: |d|^2; torus: d wrapped to the nearest image; chordal: the
/// smooth periodic one, sum_k L_k^2 / (2 pi^2) (1 - cos(2 pi d_k / L_k)).
enum class CloudMetric { flat, torus, chordal };

/// A cloud of points in the plane with weights that sum to 1.
template <class T>
struct Cloud {
  int count = 0;
  const T* points = nullptr;   // [count][2]
  const T* weights = nullptr;  // [count]; null: 1 / count each. A weight of 0 takes its point out
};

/// Clouds of several sizes on one backend: cloud b has the first counts[b] of `stride` places.
template <class T>
struct CloudBatch {
  std::vector<int> counts;  // [batch] in host memory, 1 .. stride
  int stride = 0;
  const T* points = nullptr;   // [batch][stride][2]
  const T* weights = nullptr;  // [batch][stride]; null: equal ones
  Cloud<T> cloud(std::size_t b) const {
    const auto first = b * std::size_t(stride);
    return {counts[b], points + 2 * first, weights == nullptr ? nullptr : weights + first};
  }
};

/// Points by coordinate, as the loops over them want it: up to 4 coordinates (chordal clouds live in 4 dimensions).
template <class T>
struct CloudView {
  int count;
  const T* coordinate[4];  // [count] each
  const T* log_weight;     // [count]
};

/// Costs between two clouds: squared distance in `dimensions` coordinates, on a torus when `wrap`.
template <class T>
struct CloudCost {
  int dimensions;
  bool wrap;
  T length[2], inverse_length[2];
};

}  // namespace mg::train
