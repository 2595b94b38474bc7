#pragma once
#include <algorithm>

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

/// Sum over cells [begin, end) of one plane in eight interleaved lanes.
template <class F>
void chunk_sums(const F& f, std::size_t plane, std::size_t begin, std::size_t end, double* out) {
  constexpr int K = F::kSums, kLanes = 8;
  double lanes[K][kLanes] = {};
  std::size_t i = begin;
  for (; i + kLanes <= end; i += kLanes)
    for (int l = 0; l < kLanes; ++l) {
      const auto s = f(plane, i + std::size_t(l));
      for (int k = 0; k < K; ++k) lanes[k][l] += s.v[k];
    }
  for (; i < end; ++i) {
    const auto s = f(plane, i);
    for (int k = 0; k < K; ++k) lanes[k][0] += s.v[k];
  }
  for (int k = 0; k < K; ++k) {
    double sum = 0;
    for (double lane : lanes[k]) sum += lane;
    out[k] = sum;
  }
}

template <class F>
void sample_sums(Shape shape, const F& f, double* partials, double* sums) {
  constexpr int K = F::kSums;
  const std::size_t chunks = sum_chunks(shape), per_sample = std::size_t(shape.c) * chunks, cells = shape.plane();
  for_parts(std::size_t(shape.n) * per_sample, shape.size(), [&](std::size_t j, int) {
    const std::size_t begin = j % chunks * kSumChunk;
    chunk_sums(f, j / chunks, begin, std::min(begin + kSumChunk, cells), partials + j * K);
  });
  for (int n = 0; n < shape.n; ++n)
    for (int k = 0; k < K; ++k) {
      double sum = 0;
      for (std::size_t j = 0; j < per_sample; ++j)
        sum += partials[(std::size_t(n) * per_sample + j) * K + std::size_t(k)];
      sums[n * K + k] = sum;
    }
}

template <class F>
void for_plane_cells(Shape shape, const F& f) {
  const std::size_t cells = shape.plane();
  for_parts(std::size_t(shape.n) * std::size_t(shape.c), shape.size(), [&](std::size_t plane, int) {
    for (std::size_t i = 0; i < cells; ++i) f(plane, i);
  });
}

template <class F>
void for_samples(int n, const F& f) {
  for (int i = 0; i < n; ++i) f(i);
}

}  // namespace mg::train::host
