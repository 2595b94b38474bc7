#pragma once
#include <cmath>

#include "core/macros.hpp"

// How points of the plane meet the nodes of a lattice: maths of one agent and one axis, written once for every backend.
namespace mg {

/// Kernel that spreads a point over nodes. ngp: the nearest node (half to even), derivative 0; cic: linear over two;
/// tsc: quadratic over three, the derivative is continuous.  @source Hockney, Eastwood: Computer Simulation Using Particles
enum class Assignment { ngp, cic, tsc };
/// periodic: torus [0, n). mirror: box [-1/2, n - 1/2], every node owns a unit cell.
enum class Domain { periodic, mirror };

inline constexpr int kMostTaps = 3;
MG_HD int tap_count(Assignment a) { return a == Assignment::ngp ? 1 : a == Assignment::cic ? 2 : 3; }

/// The node in [0, n) that stands for index j: j mod n, or mirrored at half nodes (period 2 n). With this map every
/// symmetric normalised kernel conserves mass and is its own adjoint, whatever its width.
MG_HD int wrapped_node(Domain domain, int j, int n) {
  if (j >= 0 && j < n) return j;
  if (domain == Domain::periodic) {
    const int r = j % n;
    return r < 0 ? r + n : r;
  }
  int r = j % (2 * n);
  if (r < 0) r += 2 * n;
  return r < n ? r : 2 * n - 1 - r;
}

/// Nodes, weights and their derivatives along one axis; the weights sum to 1.
template <class T>
struct AxisTaps {
  int node[kMostTaps];
  T w[kMostTaps], dw[kMostTaps];
};

/// @param x  coordinate [nodes]; one that is not finite or absurd lands on node 0 with the weights it has, so that a
///           diverged state shows up in the lattice and never reads outside it
template <class T>
MG_HD AxisTaps<T> axis_taps(Assignment a, Domain domain, T x, int n) {
  AxisTaps<T> t{};
  const T base = a == Assignment::ngp ? T(rint(x)) : a == Assignment::cic ? T(floor(x)) : T(floor(x + T(0.5)));
  const int i = base > T(-1e9) && base < T(1e9) ? int(base) : 0;
  const T d = x - base;
  if (a == Assignment::ngp) {
    t.w[0] = 1;
    t.node[0] = wrapped_node(domain, i, n);
  } else if (a == Assignment::cic) {
    t.w[0] = 1 - d, t.w[1] = d;
    t.dw[0] = -1, t.dw[1] = 1;
    for (int k = 0; k < 2; ++k) t.node[k] = wrapped_node(domain, i + k, n);
  } else {
    const T lower = T(0.5) - d, upper = T(0.5) + d;
    t.w[0] = lower * lower / 2, t.w[1] = T(0.75) - d * d, t.w[2] = upper * upper / 2;
    t.dw[0] = -lower, t.dw[1] = -2 * d, t.dw[2] = upper;
    for (int k = 0; k < 3; ++k) t.node[k] = wrapped_node(domain, i - 1 + k, n);
  }
  return t;
}

}  // namespace mg
