#pragma once
#include <cstddef>

#include "core/buffer.hpp"
#include "core/exec.hpp"
#include "core/view.hpp"

// The three loops that losses and regularisers are made of, over functors that both compilers know. The functors of a
// file are instantiated for the device at the end of its mirror under cuda/train.
namespace mg::train {

/// K running sums of one functor call.
template <int K>
struct Sums {
  double v[K] = {};
};

/// Cells that one partial sum covers. Part of the summation order, the same on every backend.
inline constexpr std::size_t kSumChunk = 2048;

inline std::size_t sum_chunks(Shape shape) { return (shape.plane() + kSumChunk - 1) / kSumChunk; }

namespace host {  // train/plane_ops_host.hpp
template <class F>
void sample_sums(Shape shape, const F& f, double* partials, double* sums);
template <class F>
void for_plane_cells(Shape shape, const F& f);
template <class F>
void for_samples(int n, const F& f);
}  // namespace host

namespace cuda {  // cuda/train/plane_ops.cuh
template <class F>
void sample_sums(CUstream_st* stream, Shape shape, const F& f, double* partials, double* sums);
template <class F>
void for_plane_cells(CUstream_st* stream, Shape shape, const F& f);
template <class F>
void for_samples(CUstream_st* stream, int n, const F& f);
}  // namespace cuda

/// sums[n][k] = sum over the planes and cells of sample n of f(plane, cell).v[k], plane = n shape.c + c. The order of
/// the summation depends only on the shape.
/// @param sums  (shape.n, F::kSums) overwritten
template <class F>
void sample_sums(const Exec& exec, Shape shape, const F& f, double* sums, Workspace& workspace) {
  const std::size_t planes = std::size_t(shape.n) * std::size_t(shape.c);
  double* partials = workspace.get<double>(exec, "train.partial_sums", planes * sum_chunks(shape) * F::kSums);
  MG_DISPATCH(exec, sample_sums, shape, f, partials, sums);
}

/// Calls f(plane, cell) once for every cell of every plane; a call writes only what it owns.
template <class F>
void for_plane_cells(const Exec& exec, Shape shape, const F& f) {
  MG_DISPATCH(exec, for_plane_cells, shape, f);
}

/// Calls f(n) for every sample.
template <class F>
void for_samples(const Exec& exec, int n, const F& f) {
  MG_DISPATCH(exec, for_samples, n, f);
}

}  // namespace mg::train
