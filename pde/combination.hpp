#pragma once
#include <cstddef>

#include "core/exec.hpp"
#include "core/macros.hpp"

namespace mg::pde {

/// A sum written cell by cell in the same pass as a new array r:
///   out = base + r_weight r + sum_k weight[k] term[k]
/// `out` may alias `base` or a term, but nothing that neighbours read in that pass.
template <class T>
struct Combination {
  static constexpr int kMost = 14;  ///< slopes of the largest tableau

  T* out = nullptr;
  const T* base = nullptr;  ///< null = 0
  T r_weight = 0;
  int terms = 0;
  T weight[kMost] = {};
  const T* term[kMost] = {};

  /// Terms of weight 0 are left out.
  void add(T w, const T* array) {
    if (w == 0) return;
    weight[terms] = w;
    term[terms++] = array;
  }
  MG_HD T value(std::size_t i, T r) const {
    T sum = base != nullptr ? base[i] : T(0);
    for (int k = 0; k < terms; ++k) sum += weight[k] * term[k][i];
    return sum + r_weight * r;
  }
};

/// Sums that one pass may write beside its own result.
template <class T>
struct Combinations {
  static constexpr int kMost = 2;
  int count = 0;
  Combination<T> sum[kMost];

  Combinations() = default;
  explicit Combinations(const Combination<T>& one) : count(1) { sum[0] = one; }
  Combinations(const Combination<T>& one, const Combination<T>& two) : count(2) { sum[0] = one, sum[1] = two; }
  MG_HD void write(std::size_t i, T r) const {
    for (int k = 0; k < count; ++k) sum[k].out[i] = sum[k].value(i, r);
  }
};

/// Writes `sums` for all i < size, with r (may be null: 0) given as an array: the pass of its own for what no kernel fuses.
template <class T>
void write_combinations(const Exec& exec, const Combinations<T>& sums, const T* r, std::size_t size);

}  // namespace mg::pde
