#pragma once
#include <cmath>

#include "core/philox.hpp"
#include "core/system.hpp"
#include "train/plane_ops.hpp"
#include "train/sinkhorn.hpp"

// Per-agent and per-node maths of swarms, for both compilers.
namespace mg::train {

inline constexpr int kSwarmTerms = 4;  // loss, transport, lattice, marginal error

/// to = from / side, of all coordinates of all agents.
template <class T>
struct UnitBoxes {
  const T* from;  // [..][2]
  T* to;
  T side[2];
  MG_HD void operator()(std::size_t, std::size_t i) const { to[i] = from[i] / side[i & 1]; }
};
/// x_bar += factor / side * unit_bar.
template <class T>
struct UnitBoxesAdjoint {
  const T* unit_bar;
  T* x_bar;
  T factor[2];  // over the side
  MG_HD void operator()(std::size_t, std::size_t i) const { x_bar[i] += factor[i & 1] * unit_bar[i]; }
};

/// Squared distance of the first channel from the target.
template <class T>
struct LatticeError {
  static constexpr int kSums = 1;
  const T *lattice, *target;  // (n, channels, cells), (n, 1, cells)
  std::size_t cells;
  int channels;
  MG_HD Sums<1> operator()(std::size_t n, std::size_t i) const {
    const double d = double(lattice[n * std::size_t(channels) * cells + i] - target[n * cells + i]);
    return {{d * d}};
  }
};
template <class T>
struct LatticePull {
  LatticeError<T> error;
  T* lattice_bar;
  const double* terms;  // [n][kSwarmTerms]
  double factor;        ///< over the number of cells
  bool squared;
  MG_HD void operator()(std::size_t n, std::size_t i) const {
    const std::size_t at = n * std::size_t(error.channels) * error.cells + i;
    const T pull = T(squared ? 2 * factor : factor / terms[n * kSwarmTerms + 2]);
    lattice_bar[at] += pull * (error.lattice[at] - error.target[n * error.cells + i]);
  }
};

/// Terms of a sample from its sums.
template <class T>
struct SwarmSample {
  const SinkhornReport* reports;  // [n] or null
  const double* distances;        // [n] or null
  const double* squares;          // [n]
  double* terms;                  // [n][kSwarmTerms]
  T* losses;
  std::size_t cells;
  double share;
  bool require_convergence, squared;
  MG_HD void operator()(int n) const {
    double* t = terms + n * kSwarmTerms;
    t[1] = reports != nullptr ? reports[n].divergence : distances != nullptr ? distances[n] : 0;
    t[3] = reports != nullptr ? reports[n].column_error : 0;
    if (require_convergence && reports != nullptr && !reports[n].converged) t[1] = std::nan("");
    t[2] = squares[n] / double(cells);
    if (!squared) t[2] = sqrt(t[2] + 1e-12);
    t[0] = (share > 0 ? share * t[1] : 0) + (1 - share) * t[2];
    losses[n] = T(t[0]);
  }
};
template <class T>
struct SwarmTotals {
  const double* terms;  // [samples][kSwarmTerms]
  int samples;
  double weight;
  T* out;  // [kSwarmTerms]
  MG_HD void operator()(int term) const {
    double sum = 0;
    for (int n = 0; n < samples; ++n) sum += terms[n * kSwarmTerms + term];
    out[term] = T(weight * sum);
  }
};

/// Start of the agents of samples: a place inside the ink (one node's mass spread over its unit cell) and a heading.
template <class T>
struct ScatterAgents {
  const double* below;  // [nodes] ink of all nodes up to this one
  Grid grid;
  RandomStream stream;  ///< keyed by the sample, too
  int agents;
  T *x, *u;  // [agents][2] overwritten
  MG_HD void operator()(std::size_t, std::size_t a) const {
    const Philox4 words = stream.words(std::uint32_t(a));
    const std::size_t nodes = std::size_t(grid.h) * std::size_t(grid.w);
    // Stratified: agent a takes a random place in the a-th share of the ink.
    const double place = (double(a) + uniform01<double>(words.v[0])) / agents * below[nodes - 1];
    std::size_t low = 0, high = nodes - 1;  // the first node with more below it
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      if (below[middle] > place)
        high = middle;
      else
        low = middle + 1;
    }
    const double size[2] = {double(grid.h), double(grid.w)};
    const double at[2] = {double(low / std::size_t(grid.w)) + uniform01<double>(words.v[1]) - 0.5,
                          double(low % std::size_t(grid.w)) + uniform01<double>(words.v[2]) - 0.5};
    for (int d = 0; d < 2; ++d)  // inside torus and box
      x[2 * a + std::size_t(d)] = T(fmin(fmax(at[d], 0.0), size[d] - 0.5));
    const double angle = 6.283185307179586 * uniform01<double>(words.v[3]);
    u[2 * a] = T(cos(angle)), u[2 * a + 1] = T(sin(angle));
  }
};

}  // namespace mg::train
