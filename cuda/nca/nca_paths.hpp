#pragma once
#include "nca/nca_spec.hpp"

// Two implementations of the contract of nca_spec.hpp on a CUDA stream. No CUDA header is needed to call them.
namespace mg::nca::cuda {

/// Fused kernels over tiles of cells. Returns false, having done nothing, when the automaton does not fit shared
/// memory or its stencil is wider than kMaxTiledScale.
template <class T>
bool tiled_step(CUstream_st*, const NcaSpec&, const T* params, const NcaInputs<T>&, View<const T> x, View<T> next,
                Workspace&);
template <class T>
bool tiled_step_adjoint(CUstream_st*, const NcaSpec&, const T* params, const NcaInputs<T>&, View<const T> x,
                        View<const T> next_bar, View<T> x_bar, T* params_bar, Workspace&);
inline constexpr int kMaxTiledScale = 4;

/// One kernel per stage with everything between in global memory: takes any size; the tiled kernels are tested against
/// it.
template <class T>
void plain_step(CUstream_st*, const NcaSpec&, const T* params, const NcaInputs<T>&, View<const T> x, View<T> next,
                Workspace&);
template <class T>
void plain_step_adjoint(CUstream_st*, const NcaSpec&, const T* params, const NcaInputs<T>&, View<const T> x,
                        View<const T> next_bar, View<T> x_bar, T* params_bar, Workspace&);

}  // namespace mg::nca::cuda
