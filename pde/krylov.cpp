#include "pde/krylov.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "pde/combination.hpp"
#include "pde/modal_run.hpp"

namespace mg::pde {

namespace {

constexpr int kRestart = 30;

/// Vectors of one size on a backend.
template <class T>
struct Vectors {
  const Exec& exec;
  std::size_t size;
  Workspace& workspace;

  /// <v_s, w> for the `count` vectors from v on.
  std::vector<double> dots(const T* v, int count, const T* w) const {
    return modal::run_sums<Add>(exec, std::size_t(count), modal::Dots<T>{v, w, size}, workspace);
  }
  double norm(const T* v) const { return std::sqrt(dots(v, 1, v)[0]); }
  /// out = base_weight base + sum_k weight_k v_k
  void combine(T* out, double base_weight, const T* base, const std::vector<double>& weights, const T* v) const {
    Combination<T> sum;
    sum.out = out;
    if (base_weight == 1)
      sum.base = base;
    else
      sum.add(T(base_weight), base);
    for (std::size_t k = 0; k < weights.size(); ++k) {
      if (sum.terms == Combination<T>::kMost) {
        write_combinations<T>(exec, Combinations<T>(sum), nullptr, size);
        sum = {};
        sum.out = out;
        sum.base = out;
      }
      sum.add(T(weights[k]), v + k * size);
    }
    write_combinations<T>(exec, Combinations<T>(sum), nullptr, size);
  }
};

/// The least-squares problem of GMRES, by rotations as its columns come.
struct Hessenberg {
  double h[kRestart][kRestart + 1] = {};  // [column][row]
  double cosine[kRestart], sine[kRestart], g[kRestart + 1] = {};

  /// Column j, with the norm `next` of what is left. @return the residual
  double add(int j, const std::vector<double>& column, double next) {
    for (int i = 0; i <= j; ++i) h[j][i] = column[std::size_t(i)];
    h[j][j + 1] = next;
    for (int i = 0; i < j; ++i) {
      const double a = h[j][i], b = h[j][i + 1];
      h[j][i] = cosine[i] * a + sine[i] * b;
      h[j][i + 1] = cosine[i] * b - sine[i] * a;
    }
    const double length = std::hypot(h[j][j], h[j][j + 1]);
    cosine[j] = length > 0 ? h[j][j] / length : 1;
    sine[j] = length > 0 ? h[j][j + 1] / length : 0;
    h[j][j] = length;
    g[j + 1] = -sine[j] * g[j];
    g[j] *= cosine[j];
    return std::abs(g[j + 1]);
  }
  std::vector<double> solve(int columns) const {
    std::vector<double> y(static_cast<std::size_t>(columns));
    for (int i = columns - 1; i >= 0; --i) {
      double sum = g[i];
      for (int j = i + 1; j < columns; ++j) sum -= h[j][i] * y[std::size_t(j)];
      y[std::size_t(i)] = h[i][i] != 0 ? sum / h[i][i] : 0;
    }
    return y;
  }
};

}  // namespace

template <class T>
KrylovReport gmres(const Exec& exec, std::size_t size, const std::function<void(const T*, T*)>& multiply,
                   const std::function<void(T*)>& precondition, T* r, T* d, double tolerance, double floor, int most,
                   Workspace& workspace) {
  const Vectors<T> vectors{exec, size, workspace};
  T* const v = workspace.get<T>(exec, "krylov.basis", std::size_t(kRestart + 1) * size);
  T* const w = workspace.get<T>(exec, "krylov.work", size);
  KrylovReport report;
  precondition(r);
  T* const start = workspace.get<T>(exec, "krylov.start", size);
  copy_bytes(exec, start, exec.backend, r, exec.backend, size * sizeof(T));
  zero_bytes(exec, d, size * sizeof(T));
  const double first = vectors.norm(r), target = std::max(tolerance * first, floor * std::sqrt(double(size)));
  double residual = first;
  while (std::isfinite(residual)) {
    report.residual = first > 0 ? residual / first : 0;
    report.converged = residual <= target;
    if (report.converged || report.iterations >= most) return report;
    vectors.combine(v, 1 / residual, r, {}, nullptr);
    Hessenberg problem;
    problem.g[0] = residual;
    int columns = 0;
    double left = 1;
    while (columns < kRestart && report.iterations < most && residual > target && left > 0) {
      const int j = columns++;
      multiply(v + std::size_t(j) * size, w);
      precondition(w);
      ++report.iterations;
      auto column = vectors.dots(v, j + 1, w);
      const auto minus = [](std::vector<double> x) {
        for (double& value : x) value = -value;
        return x;
      };
      vectors.combine(w, 1, w, minus(column), v);
      const auto again = vectors.dots(v, j + 1, w);
      vectors.combine(w, 1, w, minus(again), v);
      for (std::size_t i = 0; i < column.size(); ++i) column[i] += again[i];
      left = vectors.norm(w);
      residual = problem.add(j, column, left);
      if (!std::isfinite(residual)) return report;
      if (columns < kRestart && left > 0) vectors.combine(v + std::size_t(columns) * size, 1 / left, w, {}, nullptr);
    }
    vectors.combine(d, 1, d, problem.solve(columns), v);
    if (residual <= target) {
      report.residual = first > 0 ? residual / first : 0;
      report.converged = true;
      return report;
    }
    if (left == 0 && columns < kRestart) return report;  // the space is exhausted: A is singular
    // a restart: P r - P A d of what has been found so far
    multiply(d, w);
    precondition(w);
    Combination<T> sum;
    sum.out = r;
    sum.base = start;
    sum.add(T(-1), w);
    write_combinations<T>(exec, Combinations<T>(sum), nullptr, size);
    residual = vectors.norm(r);
  }
  return report;
}

template KrylovReport gmres(const Exec&, std::size_t, const std::function<void(const float*, float*)>&,
                            const std::function<void(float*)>&, float*, float*, double, double, int, Workspace&);
template KrylovReport gmres(const Exec&, std::size_t, const std::function<void(const double*, double*)>&,
                            const std::function<void(double*)>&, double*, double*, double, double, int, Workspace&);

}  // namespace mg::pde
