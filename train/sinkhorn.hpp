#pragma once
#include <cstddef>
#include <vector>

#include "core/buffer.hpp"

namespace mg::train {

/// Squared distance between two points of the plane. flat: |d|^2; torus: d wrapped to the nearest image; chordal: the
/// smooth periodic one, sum_k L_k^2 / (2 pi^2) (1 - cos(2 pi d_k / L_k)).
enum class CloudMetric { flat, torus, chordal };

struct SinkhornOptions {
  CloudMetric metric = CloudMetric::flat;
  double length[2] = {1, 1};  ///< periods of torus and chordal
  double epsilon = 0.0025;    ///< blur^2 [length^2]
  bool relative = false;      ///< epsilon counts in units of the mean cost between the clouds
  int iterations = 2000;      ///< at most
  /// Stop when the column marginal is off by less (L1), looked at every `check_every` iterations; 0: never. Then the
  /// potentials inside the clouds go on alone until their plans meet it, too.
  double threshold = 1e-3;
  int check_every = 10;
  /// > 0: epsilon starts at annealing_start (0: the squared diameter of both clouds, or of the torus) and falls by this
  /// factor an iteration, down to `epsilon`.
  double annealing = 0, annealing_start = 0;
};

/// A cloud of points in the plane with weights that sum to 1.
template <class T>
struct Cloud {
  int count = 0;
  const T* points = nullptr;   // [count][2]
  const T* weights = nullptr;  // [count]; null: 1 / count each. A weight of 0 takes its point out
};

/// What was found. potentials: f_xy [n], g_xy [m], f_xx [n], f_yy [m] one after another, the start of a warm solve.
template <class T>
struct SinkhornResult {
  double divergence = 0;          ///< OT_xy - OT_xx / 2 - OT_yy / 2
  double xy = 0, xx = 0, yy = 0;  ///< the three costs
  int iterations = 0;
  double row_error = 0, column_error = 0;  ///< L1 errors of the marginals of the plan between the clouds
  bool converged = false;                  ///< column_error < threshold (always, with a threshold of 0)
  std::vector<T> potentials;
};

/// Debiased Sinkhorn divergence of two clouds, in the log domain and without a matrix in memory:
///   g_j = -eps lse_i((f_i - C_ij) / eps + log a_i),   f_i = -eps lse_j((g_j - C_ij) / eps + log b_j)
/// and f <- (f + T f) / 2 within a cloud. The order of every sum depends on the counts only.
/// @param warm        true: start from result.potentials (of the same counts) instead of 0
/// @param x_bar       [n][2] d divergence / d x with the potentials held (exact at convergence), overwritten; may be null
/// @param y_bar       likewise for y
/// @throws std::invalid_argument for empty clouds, epsilon <= 0, points that are not finite, weights < 0 or of sum 0
/// @source Feydy et al., Interpolating between optimal transport and MMD using Sinkhorn divergences, AISTATS 2019
template <class T>
void sinkhorn_divergence(const SinkhornOptions& options, const Cloud<T>& x, const Cloud<T>& y, bool warm,
                         SinkhornResult<T>& result, T* x_bar, T* y_bar, Workspace& workspace);

}  // namespace mg::train
