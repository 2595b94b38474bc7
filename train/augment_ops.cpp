#include "train/augment_ops.hpp"

#include <stdexcept>
#include <string>

namespace mg::train {
namespace {

std::string text(const Shape& s) {
  std::string out = std::to_string(s.n);
  for (int extent : {s.c, s.h, s.w}) out.append(" x ").append(std::to_string(extent));
  return out;
}

void require(const char* op, const char* what, const Shape& got, const Shape& want) {
  if (!(got == want))
    throw std::invalid_argument(std::string(op) + ": " + what + " has shape " + text(got) + ", expected " + text(want));
}

}  // namespace

namespace host {

template <class T>
void morph_batch(const MorphBatch& m, View<const T> previous, View<const T> truth, View<const T> g, View<T> out) {
  const int quads = (m.shape.c + 3) / 4, rows = m.shape.n * quads * m.shape.h;
#pragma omp parallel for
  for (int row = 0; row < rows; ++row) {
    const int y = row % m.shape.h, q = row / m.shape.h % quads, n = row / m.shape.h / quads;
    for (int x = 0; x < m.shape.w; ++x) morph_cell(m, previous, truth, g, out, n, q, y, x);
  }
}

template <class T>
void roll_batch(const int (&shift)[2], View<const T> truth, View<T> out) {
  const Shape s = truth.shape;
  const int rows = s.n * s.c * s.h;
#pragma omp parallel for
  for (int row = 0; row < rows; ++row) {
    const int y = row % s.h, c = row / s.h % s.c, n = row / s.h / s.c;
    for (int x = 0; x < s.w; ++x) out(n, c, y, x) = rolled_value(shift, truth, n, c, y, x);
  }
}

template <class T>
void rank_pool(const PoolBatch& b, View<const T> pool, View<const T> targets, double* scores, int* order) {
  const int n = b.shape.n;
#pragma omp parallel for
  for (int k = 0; k < n; ++k) {
    double sum = 0;
    for (int y = 0; y < b.shape.h; ++y)
      for (int x = 0; x < b.shape.w; ++x) sum += pool_error(b, pool, targets, k, y, x);
    scores[k] = sum / (double(b.observed) * double(b.shape.plane()));
  }
  for (int k = 0; k < n; ++k) order[pool_rank(scores, n, k)] = k;
}

template <class T>
void gather_pool(const PoolBatch& b, View<const T> pool, View<const T> seeds, View<const T> targets, const int* order,
                 View<T> x, View<T> y) {
  const int rows = b.shape.n * b.shape.h;
#pragma omp parallel for
  for (int row = 0; row < rows; ++row) {
    const int r = row / b.shape.h, i = row % b.shape.h, target = b.slots[order[r]] % b.targets;
    for (int j = 0; j < b.shape.w; ++j) {
      pool_cell(b, pool, seeds, order, x, r, i, j);
      for (int c = 0; c < b.observed; ++c) y(r, c, i, j) = targets(target, c, i, j);
    }
  }
}

template <class T>
void scatter_pool(const PoolBatch& b, View<const T> x, const int* order, View<T> pool) {
  const int rows = b.shape.n * b.shape.c;
#pragma omp parallel for
  for (int row = 0; row < rows; ++row) {
    const int r = row / b.shape.c, c = row % b.shape.c;
    const T* from = x.plane(r, c);
    T* to = pool.plane(b.slots[order[r]], c);
    for (std::size_t i = 0; i < b.shape.plane(); ++i) to[i] = from[i];
  }
}

}  // namespace host

namespace cuda {  // cuda/train/augment_ops.cu
template <class T>
void morph_batch(CUstream_st*, const MorphBatch&, View<const T>, View<const T>, View<const T>, View<T>);
template <class T>
void roll_batch(CUstream_st*, const int (&)[2], View<const T>, View<T>);
template <class T>
void rank_pool(CUstream_st*, const PoolBatch&, View<const T>, View<const T>, double*, int*);
template <class T>
void gather_pool(CUstream_st*, const PoolBatch&, View<const T>, View<const T>, View<const T>, const int*, View<T>,
                 View<T>);
template <class T>
void scatter_pool(CUstream_st*, const PoolBatch&, View<const T>, const int*, View<T>);
}  // namespace cuda

template <class T>
void morph_batch(const Exec& exec, const MorphBatch& m, ConstView<T> previous, ConstView<T> truth, ConstView<T> g,
                 View<T> out) {
  require("morph_batch", "previous", previous.shape, m.shape);
  require("morph_batch", "truth", truth.shape, m.shape);
  if (g.data != nullptr) require("morph_batch", "noise", g.shape, m.shape);
  require("morph_batch", "out", out.shape, m.shape);
  MG_DISPATCH(exec, morph_batch, m, previous, truth, g, out);
}

template <class T>
void roll_batch(const Exec& exec, const int (&shift)[2], ConstView<T> truth, View<T> out) {
  require("roll_batch", "out", out.shape, truth.shape);
  MG_DISPATCH(exec, roll_batch, shift, truth, out);
}

namespace {
void require_batch(const char* op, const PoolBatch& b) {
  if (b.shape.n < 1 || b.shape.n > kMaxPoolBatch)
    throw std::invalid_argument(std::string(op) + ": a batch of " + std::to_string(b.shape.n) + ", allowed are 1 to " +
                                std::to_string(kMaxPoolBatch));
}
Shape targets_shape(const PoolBatch& b) { return {b.targets, b.observed, b.shape.h, b.shape.w}; }
}  // namespace

template <class T>
void rank_pool(const Exec& exec, const PoolBatch& b, ConstView<T> pool, ConstView<T> targets, double* scores,
               int* order) {
  require_batch("rank_pool", b);
  require("rank_pool", "targets", targets.shape, targets_shape(b));
  MG_DISPATCH(exec, rank_pool, b, pool, targets, scores, order);
}

template <class T>
void gather_pool(const Exec& exec, const PoolBatch& b, ConstView<T> pool, ConstView<T> seeds, ConstView<T> targets,
                 const int* order, View<T> x, View<T> y) {
  require_batch("gather_pool", b);
  require("gather_pool", "targets", targets.shape, targets_shape(b));
  require("gather_pool", "x", x.shape, b.shape);
  require("gather_pool", "y", y.shape, {b.shape.n, b.observed, b.shape.h, b.shape.w});
  MG_DISPATCH(exec, gather_pool, b, pool, seeds, targets, order, x, y);
}

template <class T>
void scatter_pool(const Exec& exec, const PoolBatch& b, ConstView<T> x, const int* order, View<T> pool) {
  require_batch("scatter_pool", b);
  require("scatter_pool", "x", x.shape, b.shape);
  MG_DISPATCH(exec, scatter_pool, b, x, order, pool);
}

#define MG_INSTANTIATE(T)                                                                                           \
  template void morph_batch<T>(const Exec&, const MorphBatch&, ConstView<T>, ConstView<T>, ConstView<T>, View<T>);  \
  template void roll_batch<T>(const Exec&, const int(&)[2], ConstView<T>, View<T>);                                 \
  template void rank_pool<T>(const Exec&, const PoolBatch&, ConstView<T>, ConstView<T>, double*, int*);             \
  template void gather_pool<T>(const Exec&, const PoolBatch&, ConstView<T>, ConstView<T>, ConstView<T>, const int*, \
                               View<T>, View<T>);                                                                   \
  template void scatter_pool<T>(const Exec&, const PoolBatch&, ConstView<T>, const int*, View<T>);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train
