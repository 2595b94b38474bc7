#pragma once
#include "core/assignment_cell.hpp"

// How agents meet the walls of their domain; how they meet the nodes is in core/assignment_cell.hpp.
namespace mg::abm {

using mg::Assignment;
using mg::axis_taps;
using mg::AxisTaps;
using mg::Domain;
using mg::kMostTaps;
using mg::tap_count;
using mg::wrapped_node;

/// The nearest index (half to even) as an integer; 0 for a coordinate that is not finite or absurd.
template <class T>
MG_HD int nearest_index(T x) {
  const T base = T(rint(x));
  return base > T(-1e9) && base < T(1e9) ? int(base) : 0;
}

/// A coordinate back into the domain, and the sign that the heading gets along that axis.
template <class T>
struct WallResult {
  T x;
  T sign;
};
template <class T>
MG_HD WallResult<T> meet_walls(Domain domain, T y, int n) {
  const T size = T(n);
  if (domain == Domain::periodic) {
    const T x = y - size * T(floor(y / size));
    return {x >= size ? T(0) : x, T(1)};  // what is no number stays none
  }
  const T s = y + T(0.5), q = s - 2 * size * T(floor(s / (2 * size)));
  if (q < size) return {q - T(0.5), T(1)};
  return {2 * size - q - T(0.5), T(-1)};
}

}  // namespace mg::abm
