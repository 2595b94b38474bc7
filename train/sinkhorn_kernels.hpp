#pragma once

namespace mg::train {

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
  T length[2];
};

/// The hot loops of a Sinkhorn solve, compiled once per instruction set (sinkhorn_isa.cpp).
template <class T>
struct SinkhornKernels {
  /// out[i] = -eps lse_j((g[j] - C_ij) / eps + log b_j) for begin <= i < end.
  void (*soft_min)(const CloudCost<T>&, const CloudView<T>& x, const CloudView<T>& y, const T* g, double eps, int begin,
                   int end, T* out);
  /// Row sums of the plan a_i b_j exp((f_i + g_j - C_ij) / eps), and forces[i][d] = 2 sum_j plan_ij (x_i - y_j)_d of all
  /// dimensions; sums [n], forces [n][4].
  void (*plan)(const CloudCost<T>&, const CloudView<T>& x, const CloudView<T>& y, const T* f, const T* g, double eps,
               int begin, int end, double* sums, double* forces);
};

}  // namespace mg::train
