#pragma once
#include <cstddef>

#include "core/buffer.hpp"
#include "core/exec.hpp"
#include "core/reduce.hpp"
#include "core/view.hpp"

// The three loops that losses and regularisers are made of, over functors that both compilers know. The functors of a
// file are instantiated for the device at the end of its mirror under cuda/train.
namespace mg::train {

/// What a functor of sample_sums returns for one cell.
template <int K>
using Sums = ReduceValues<K>;

/// The cells of plane s as a segment of core/reduce.hpp.
template <class F>
struct PlaneValues {
  F f;
  std::size_t cells;
  MG_HD std::size_t length(std::size_t) const { return cells; }
  MG_HD ReduceValues<F::kSums> operator()(std::size_t plane, std::size_t cell) const { return f(plane, cell); }
};
/// The planes of sample s as a segment.
template <int K>
struct SampleValues {
  const double* partials;  // [planes][K]
  std::size_t channels;
  MG_HD std::size_t length(std::size_t) const { return channels; }
  MG_HD ReduceValues<K> operator()(std::size_t sample, std::size_t c) const {
    ReduceValues<K> r;
    for (int k = 0; k < K; ++k) r.v[k] = partials[(sample * channels + c) * K + std::size_t(k)];
    return r;
  }
};
template <int K>
struct StoreSums {
  double* to;  // [segments][K]
  MG_HD void operator()(std::size_t s, const ReduceValues<K>& r) const {
    for (int k = 0; k < K; ++k) to[s * K + std::size_t(k)] = r.v[k];
  }
};

namespace host {  // train/plane_ops_host.hpp
template <class F>
void sample_sums(Shape shape, const F& f, double* partials, double* sums, Workspace& workspace);
template <class F>
void for_plane_cells(Shape shape, const F& f);
template <class F>
void for_samples(int n, const F& f);
}  // namespace host

namespace cuda {  // cuda/train/plane_ops.cuh
template <class F>
void sample_sums(CUstream_st* stream, Shape shape, const F& f, double* partials, double* sums, Workspace& workspace);
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
  double* partials = workspace.get<double>(exec, "train.partial_sums", planes * F::kSums);
  MG_DISPATCH(exec, sample_sums, shape, f, partials, sums, workspace);
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
