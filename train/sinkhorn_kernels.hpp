#pragma once
#include "train/clouds.hpp"

namespace mg::train {

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
