#pragma once
#include "core/threads.hpp"
#include "train/plane_ops.hpp"

namespace mg::train::host {

inline constexpr std::size_t kParallelCells = 1 << 14;  // below it, starting threads costs more than the loop

/// parallel_for when the field has cells enough, else a plain loop on thread 0.
template <class Body>
void for_parts(std::size_t n, std::size_t cells, const Body& body) {
  if (cells > kParallelCells) return parallel_for(int(n), [&](int i, int thread) { body(std::size_t(i), thread); });
  for (std::size_t i = 0; i < n; ++i) body(i, 0);
}

template <class F>
void sample_sums(Shape shape, const F& f, double* partials, double* sums, Workspace& workspace) {
  constexpr int K = F::kSums;
  const auto channels = std::size_t(shape.c);
  mg::host::reduce_segments<Add, K>(std::size_t(shape.n) * channels, shape.plane(), PlaneValues<F>{f, shape.plane()},
                                    StoreSums<K>{partials}, workspace);
  mg::host::reduce_segments<Add, K>(std::size_t(shape.n), channels, SampleValues<K>{partials, channels},
                                    StoreSums<K>{sums}, workspace);
}

template <class F>
void for_plane_cells(Shape shape, const F& f) {
  const std::size_t cells = shape.plane();
  for_parts(std::size_t(shape.n) * std::size_t(shape.c), shape.size(), [&](std::size_t plane, int) {
    const F own = f;  // a copy whose members no store can change: the loop becomes vector code
    for (std::size_t i = 0; i < cells; ++i) own(plane, i);
  });
}

template <class F>
void for_samples(int n, const F& f) {
  for (int i = 0; i < n; ++i) f(i);
}

}  // namespace mg::train::host
