#include "train/sinkhorn.hpp"

#include <limits>

#include "core/cpu.hpp"
#include "train/sinkhorn_solve.hpp"

namespace mg::train {

namespace isa_baseline {
const SinkhornKernels<float>& sinkhorn_float();
const SinkhornKernels<double>& sinkhorn_double();
}  // namespace isa_baseline
namespace isa_avx2 {
const SinkhornKernels<float>& sinkhorn_float();
const SinkhornKernels<double>& sinkhorn_double();
}  // namespace isa_avx2
namespace isa_avx512 {
const SinkhornKernels<float>& sinkhorn_float();
const SinkhornKernels<double>& sinkhorn_double();
}  // namespace isa_avx512

namespace host {
template <class T>
const SinkhornKernels<T>& sinkhorn_kernels() {
  if constexpr (sizeof(T) == 4)
    return of_isa(best_isa(), isa_baseline::sinkhorn_float, isa_avx2::sinkhorn_float, isa_avx512::sinkhorn_float)();
  else
    return of_isa(best_isa(), isa_baseline::sinkhorn_double, isa_avx2::sinkhorn_double, isa_avx512::sinkhorn_double)();
}
template const SinkhornKernels<float>& sinkhorn_kernels();
template const SinkhornKernels<double>& sinkhorn_kernels();
}  // namespace host

namespace {

void require(const SinkhornOptions& options, int x, int y) {
  if (x < 1 || y < 1)
    throw std::invalid_argument("Sinkhorn: clouds of " + std::to_string(x) + " and " + std::to_string(y) +
                                " points, both need at least one");
  if (!(options.epsilon > 0) || !(options.length[0] > 0) || !(options.length[1] > 0))
    throw std::invalid_argument("Sinkhorn: epsilon and lengths must be positive, epsilon is " +
                                std::to_string(options.epsilon));
}

template <class T>
bool usable(const Cloud<T>& cloud) {
  double sum = 0;
  for (int i = 0; i < cloud.count; ++i) {
    if (!std::isfinite(cloud.points[2 * i]) || !std::isfinite(cloud.points[2 * i + 1])) return false;
    const double weight = cloud.weights != nullptr ? double(cloud.weights[i]) : 1.0;
    if (!(weight >= 0)) return false;
    sum += weight;
  }
  return sum > 0 && std::isfinite(sum);
}

}  // namespace

template <class T>
void sinkhorn_divergence(const SinkhornOptions& options, const Cloud<T>& x, const Cloud<T>& y, bool warm,
                         SinkhornResult<T>& result, T* x_bar, T* y_bar, Workspace& workspace) {
  require(options, x.count, y.count);
  const auto n = std::size_t(x.count), m = std::size_t(y.count);
  if (!warm || result.potentials.size() != 2 * (n + m)) result.potentials.assign(2 * (n + m), T(0));
  const host::SinkhornPotentials<T> potentials(result.potentials.data(), n, m);
  host::SinkhornSolve<T> solve(options, x, y, workspace);
  solve.run(potentials, result);
  solve.finish(potentials, result, x_bar, y_bar);
}

namespace host {
template <class T>
void sinkhorn_divergences(const SinkhornOptions& options, const CloudBatch<T>& x, const CloudBatch<T>& y, bool warm,
                          const SinkhornBatch<T>& out, Workspace& workspace) {
  const auto sx = std::size_t(x.stride), sy = std::size_t(y.stride);
  for (std::size_t b = 0; b < x.counts.size(); ++b) {
    const host::SinkhornPotentials<T> potentials(out.potentials + 2 * b * (sx + sy), sx, sy);
    SinkhornReport& report = out.reports[b] = {};
    T* x_bar = out.x_bar == nullptr ? nullptr : out.x_bar + 2 * b * sx;
    T* y_bar = out.y_bar == nullptr ? nullptr : out.y_bar + 2 * b * sy;
    if (x_bar != nullptr) std::fill_n(x_bar, 2 * sx, T(0));
    if (y_bar != nullptr) std::fill_n(y_bar, 2 * sy, T(0));
    if (!warm) std::fill_n(potentials.f, 2 * (sx + sy), T(0));
    if (!usable(x.cloud(b)) || !usable(y.cloud(b))) {
      report.divergence = report.xy = report.xx = report.yy = std::numeric_limits<double>::quiet_NaN();
      continue;
    }
    host::SinkhornSolve<T> solve(options, x.cloud(b), y.cloud(b), workspace);
    solve.run(potentials, report);
    solve.finish(potentials, report, x_bar, y_bar);
  }
}
}  // namespace host

namespace cuda {  // cuda/train/sinkhorn.cu
template <class T>
void sinkhorn_divergences(CUstream_st* stream, const SinkhornOptions& options, const CloudBatch<T>& x,
                          const CloudBatch<T>& y, bool warm, const SinkhornBatch<T>& out, Workspace& workspace);
}  // namespace cuda

template <class T>
void sinkhorn_divergences(const Exec& exec, const SinkhornOptions& options, const CloudBatch<T>& x,
                          const CloudBatch<T>& y, bool warm, const SinkhornBatch<T>& out, Workspace& workspace) {
  if (x.counts.empty() || x.counts.size() != y.counts.size())
    throw std::invalid_argument("Sinkhorn: batches of " + std::to_string(x.counts.size()) + " and " +
                                std::to_string(y.counts.size()) + " clouds");
  for (const CloudBatch<T>* side : {&x, &y})
    for (const int count : side->counts) {
      require(options, count, count);
      if (count > side->stride)
        throw std::invalid_argument("Sinkhorn: a cloud of " + std::to_string(count) + " points in " +
                                    std::to_string(side->stride) + " places");
    }
  MG_DISPATCH(exec, sinkhorn_divergences, options, x, y, warm, out, workspace);
}

#define MG_INSTANTIATE(T)                                                                                             \
  template void sinkhorn_divergence(const SinkhornOptions&, const Cloud<T>&, const Cloud<T>&, bool,                   \
                                    SinkhornResult<T>&, T*, T*, Workspace&);                                          \
  template void sinkhorn_divergences(const Exec&, const SinkhornOptions&, const CloudBatch<T>&, const CloudBatch<T>&, \
                                     bool, const SinkhornBatch<T>&, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train
