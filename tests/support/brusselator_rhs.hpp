#pragma once
#include <cmath>

#include "pde/rhs.hpp"

namespace mg::test {

/// Brusselator in every cell: x' = A + x^2 y - (B + 1) x + D (x_left + x_right - 2 x) + forcing sin t,
/// y' = B x - x^2 y; periodic along w. Parameters A, B, D. Host only: small enough to trust by reading.
template <class T>
class BrusselatorRhs final : public pde::Rhs<T> {
 public:
  explicit BrusselatorRhs(double a = 1, double b = 3, double d = 0, double forcing = 0)
      : start_{a, b, d}, forcing_(forcing) {
    params_.add("A", {}).add("B", {}).add("D", {});
  }
  std::string_view type() const override { return "brusselator_test"; }
  int channels() const override { return 2; }
  const Layout& param_layout() const override { return params_; }
  void initialise(std::uint64_t, std::span<T> params) const override {
    for (int k = 0; k < 3; ++k) params[k] = T(start_[k]);
  }
  mutable long long evaluations = 0;

  void rhs(const pde::RhsContext<T>& at, ConstView<T> x, T* slope, const pde::Combinations<T>& sums) const override {
    ++evaluations;
    const T a = at.params[0], b = at.params[1], d = at.params[2];
    each_cell(x.shape, [&](std::size_t u, std::size_t v, std::size_t left, std::size_t right) {
      const T p = x.data[u], q = x.data[v];
      const T r =
          a + p * p * q - (b + 1) * p + d * (x.data[left] + x.data[right] - 2 * p) + T(forcing_ * std::sin(at.t));
      put(slope, sums, u, r);
      put(slope, sums, v, b * p - p * p * q);
    });
  }
  void rhs_adjoint(const pde::RhsContext<T>& at, ConstView<T> x, ConstView<T> bar, T* x_bar,
                   const pde::Combinations<T>& sums, T* params_bar) const override {
    const T b = at.params[1], d = at.params[2];
    each_cell(x.shape, [&](std::size_t u, std::size_t v, std::size_t left, std::size_t right) {
      const T p = x.data[u], q = x.data[v], f = bar.data[u], g = bar.data[v];
      put(x_bar, sums, u,
          f * (2 * p * q - b - 1) + g * (b - 2 * p * q) + d * (bar.data[left] + bar.data[right] - 2 * f));
      put(x_bar, sums, v, (f - g) * p * p);
      if (params_bar == nullptr) return;
      params_bar[0] += f;
      params_bar[1] += (g - f) * p;
      params_bar[2] += f * (x.data[left] + x.data[right] - 2 * p);
    });
  }
  void rhs_tangent(const pde::RhsContext<T>& at, ConstView<T> x, ConstView<T> dot, T* slope_dot) const override {
    const T b = at.params[1], d = at.params[2];
    each_cell(x.shape, [&](std::size_t u, std::size_t v, std::size_t left, std::size_t right) {
      const T p = x.data[u], q = x.data[v], f = dot.data[u], g = dot.data[v];
      slope_dot[u] = (2 * p * q - b - 1) * f + p * p * g + d * (dot.data[left] + dot.data[right] - 2 * f);
      slope_dot[v] = (b - 2 * p * q) * f - p * p * g;
    });
  }

 private:
  template <class F>
  static void each_cell(Shape s, const F& f) {
    for (int n = 0; n < s.n; ++n)
      for (int i = 0; i < s.h; ++i)
        for (int j = 0; j < s.w; ++j) {
          const std::size_t row = std::size_t(n) * 2 * s.plane() + std::size_t(i) * s.w;
          f(row + j, row + j + s.plane(), row + (j + s.w - 1) % s.w, row + (j + 1) % s.w);
        }
  }
  static void put(T* out, const pde::Combinations<T>& sums, std::size_t i, T value) {
    if (out != nullptr) out[i] = value;
    sums.write(i, value);
  }
  double start_[3], forcing_;
  Layout params_;
};

}  // namespace mg::test
