#include "abm/line_operator.hpp"

#include <cmath>

namespace mg::abm {

template <class T>
LineOperator<T> correlation(Domain domain, int n, std::span<const double> kernel) {
  const int r = int(kernel.size()) / 2;
  LineOperator<T> op;
  op.start.push_back(0);
  for (int i = 0; i < n; ++i) {
    for (int a = -r; a <= r; ++a) {
      if (kernel[std::size_t(a + r)] == 0) continue;
      op.index.push_back(wrapped_node(domain, i + a, n));
      op.weight.push_back(T(kernel[std::size_t(a + r)]));
    }
    op.start.push_back(int(op.index.size()));
  }
  return op;
}

template <class T>
LineOperator<T> transposed(const LineOperator<T>& op) {
  const int n = op.n();
  LineOperator<T> t;
  t.start.assign(std::size_t(n) + 1, 0);
  for (const int j : op.index) ++t.start[std::size_t(j) + 1];
  for (int j = 0; j < n; ++j) t.start[std::size_t(j) + 1] += t.start[std::size_t(j)];
  t.index.resize(op.index.size());
  t.weight.resize(op.weight.size());
  std::vector<int> next(t.start.begin(), t.start.end() - 1);
  for (int i = 0; i < n; ++i)
    for (int k = op.start[std::size_t(i)]; k < op.start[std::size_t(i) + 1]; ++k) {
      const auto at = std::size_t(next[std::size_t(op.index[std::size_t(k)])]++);
      t.index[at] = i;
      t.weight[at] = op.weight[std::size_t(k)];
    }
  return t;
}

namespace {

std::vector<double> gaussian(int radius, double sigma) {
  std::vector<double> g;
  double sum = 0;
  for (int a = -radius; a <= radius; ++a) {
    g.push_back(radius == 0 ? 1.0 : std::exp(-a * a / (2 * sigma * sigma)));
    sum += g.back();
  }
  for (double& v : g) v /= sum;
  return g;
}

}  // namespace

LineKernels line_kernels(int blur_radius, double blur_sigma, double derivative_sigma) {
  LineKernels k;
  k.blur = gaussian(blur_radius, blur_sigma);
  if (derivative_sigma == 0) {
    k.derivative = {-0.5, 0, 0.5};
    k.smooth = {0.25, 0.5, 0.25};
    return k;
  }
  const int r = int(std::ceil(2 * derivative_sigma));
  k.smooth = gaussian(r, derivative_sigma);
  double moment = 0;
  for (int a = -r; a <= r; ++a) moment += a * a * k.smooth[std::size_t(a + r)];
  for (int a = -r; a <= r; ++a) k.derivative.push_back(a * k.smooth[std::size_t(a + r)] / moment);
  return k;
}

template <class T>
LatticeOperators<T> lattice_operators(Domain domain, int h, int w, const LineKernels& kernels) {
  LatticeOperators<T> all;
  for (int axis = 0; axis < 2; ++axis) {
    const int n = axis == 0 ? h : w;
    all.blur[axis] = correlation<T>(domain, n, kernels.blur);
    all.derivative[axis] = correlation<T>(domain, n, kernels.derivative);
    all.smooth[axis] = correlation<T>(domain, n, kernels.smooth);
    all.derivative_transposed[axis] = transposed(all.derivative[axis]);
    all.smooth_transposed[axis] = transposed(all.smooth[axis]);
  }
  return all;
}

template LatticeOperators<float> lattice_operators<float>(Domain, int, int, const LineKernels&);
template LatticeOperators<double> lattice_operators<double>(Domain, int, int, const LineKernels&);

}  // namespace mg::abm
