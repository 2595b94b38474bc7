#include "train/augment_ops.hpp"

#include "cuda/core/for_each.cuh"

namespace mg::train::cuda {
namespace {

using mg::cuda::for_each_cell;
using mg::cuda::for_each_index;

inline constexpr int kScoreBlock = 256;

template <class T>
struct MorphCell {
  MorphBatch m;
  View<const T> previous, truth, g;
  View<T> out;
  int quads;
  __device__ void operator()(int nq, int y, int x) const {
    morph_cell(m, previous, truth, g, out, nq / quads, nq % quads, y, x);
  }
};

struct Shift {
  int by[2];
};
template <class T>
struct RollCell {
  Shift shift;
  View<const T> truth;
  View<T> out;
  __device__ void operator()(int nc, int y, int x) const {
    const int n = nc / truth.shape.c, c = nc % truth.shape.c;
    out(n, c, y, x) = rolled_value(shift.by, truth, n, c, y, x);
  }
};

/// One block per drawn slot; a tree over the threads, so that the sum depends on the shape only.
template <class T>
__global__ void score_kernel(PoolBatch b, View<const T> pool, View<const T> targets, double* scores) {
  __shared__ double partial[kScoreBlock];
  const int k = int(blockIdx.x), cells = int(b.shape.plane());
  double sum = 0;
  for (int i = int(threadIdx.x); i < cells; i += kScoreBlock)
    sum += pool_error(b, pool, targets, k, i / b.shape.w, i % b.shape.w);
  partial[threadIdx.x] = sum;
  for (int half = kScoreBlock / 2; half > 0; half /= 2) {
    __syncthreads();
    if (int(threadIdx.x) < half) partial[threadIdx.x] += partial[threadIdx.x + half];
  }
  if (threadIdx.x == 0) scores[k] = partial[0] / (double(b.observed) * cells);
}

struct RankCell {
  const double* scores;
  int n;
  int* order;
  __device__ void operator()(std::size_t k) const { order[pool_rank(scores, n, int(k))] = int(k); }
};

template <class T>
struct GatherCell {
  PoolBatch b;
  View<const T> pool, seeds, targets;
  const int* order;
  View<T> x, y;
  __device__ void operator()(int r, int i, int j) const {
    pool_cell(b, pool, seeds, order, x, r, i, j);
    const int target = b.slots[order[r]] % b.targets;
    for (int c = 0; c < b.observed; ++c) y(r, c, i, j) = targets(target, c, i, j);
  }
};

template <class T>
struct ScatterCell {
  PoolBatch b;
  View<const T> x;
  const int* order;
  View<T> pool;
  __device__ void operator()(int rc, int i, int j) const {
    const int r = rc / b.shape.c, c = rc % b.shape.c;
    pool(b.slots[order[r]], c, i, j) = x(r, c, i, j);
  }
};

}  // namespace

template <class T>
void morph_batch(CUstream_st* stream, const MorphBatch& m, View<const T> previous, View<const T> truth, View<const T> g,
                 View<T> out) {
  const int quads = (m.shape.c + 3) / 4;
  for_each_cell("morph_batch", stream, {m.shape.n * quads, 1, m.shape.h, m.shape.w},
                MorphCell<T>{m, previous, truth, g, out, quads});
}

template <class T>
void roll_batch(CUstream_st* stream, const int (&shift)[2], View<const T> truth, View<T> out) {
  const Shape s = truth.shape;
  for_each_cell("roll_batch", stream, {s.n * s.c, 1, s.h, s.w}, RollCell<T>{{{shift[0], shift[1]}}, truth, out});
}

template <class T>
void rank_pool(CUstream_st* stream, const PoolBatch& b, View<const T> pool, View<const T> targets, double* scores,
               int* order) {
  mg::cuda::launch("rank_pool.score", {dim3(unsigned(b.shape.n)), dim3(kScoreBlock)}, stream, score_kernel<T>, b, pool,
                   targets, scores);
  for_each_index("rank_pool.order", stream, std::size_t(b.shape.n), RankCell{scores, b.shape.n, order});
}

template <class T>
void gather_pool(CUstream_st* stream, const PoolBatch& b, View<const T> pool, View<const T> seeds,
                 View<const T> targets, const int* order, View<T> x, View<T> y) {
  for_each_cell("gather_pool", stream, b.shape, GatherCell<T>{b, pool, seeds, targets, order, x, y});
}

template <class T>
void scatter_pool(CUstream_st* stream, const PoolBatch& b, View<const T> x, const int* order, View<T> pool) {
  for_each_cell("scatter_pool", stream, {b.shape.n * b.shape.c, 1, b.shape.h, b.shape.w},
                ScatterCell<T>{b, x, order, pool});
}

#define MG_INSTANTIATE(T)                                                                                              \
  template void morph_batch<T>(CUstream_st*, const MorphBatch&, View<const T>, View<const T>, View<const T>, View<T>); \
  template void roll_batch<T>(CUstream_st*, const int(&)[2], View<const T>, View<T>);                                  \
  template void rank_pool<T>(CUstream_st*, const PoolBatch&, View<const T>, View<const T>, double*, int*);             \
  template void gather_pool<T>(CUstream_st*, const PoolBatch&, View<const T>, View<const T>, View<const T>,            \
                               const int*, View<T>, View<T>);                                                          \
  template void scatter_pool<T>(CUstream_st*, const PoolBatch&, View<const T>, const int*, View<T>);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train::cuda
