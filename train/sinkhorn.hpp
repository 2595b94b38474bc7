#pragma once
#include <cstddef>
#include <vector>

#include "core/buffer.hpp"
#include "train/clouds.hpp"

namespace mg::train {

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

/// What a solve came to.
struct SinkhornReport {
  double divergence = 0;                   ///< OT_xy - OT_xx / 2 - OT_yy / 2
  double xy = 0, xx = 0, yy = 0;           ///< the three costs
  double row_error = 0, column_error = 0;  ///< L1 errors of the marginals of the plan between the clouds
  int iterations = 0;
  bool converged = false;  ///< column_error < threshold (always, with a threshold of 0)
};

/// potentials: f_xy [n], g_xy [m], f_xx [n], f_yy [m] one after another, the start of a warm solve.
template <class T>
struct SinkhornResult : SinkhornReport {
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

/// Where the results of many solves go, all on their backend.
template <class T>
struct SinkhornBatch {
  T* potentials = nullptr;            // [batch][2 (x.stride + y.stride)] as in SinkhornResult, at the strides
  T* x_bar = nullptr;                 // [batch][x.stride][2] or null, overwritten, 0 beyond the counts
  T* y_bar = nullptr;                 // [batch][y.stride][2] or null, likewise
  SinkhornReport* reports = nullptr;  // [batch]
};

/// sinkhorn_divergence() of all pairs (x_b, y_b), on the device in the same launches. A pair with a point that is not
/// finite, a weight below 0 or weights of sum 0 has a divergence of NaN and gradients of 0.
/// @param warm  true: start from out.potentials instead of 0
/// @throws std::invalid_argument for empty batches or clouds, epsilon <= 0
template <class T>
void sinkhorn_divergences(const Exec& exec, const SinkhornOptions& options, const CloudBatch<T>& x,
                          const CloudBatch<T>& y, bool warm, const SinkhornBatch<T>& out, Workspace& workspace);

}  // namespace mg::train
