#pragma once
#include "core/reduce.hpp"
#include "pde/halo_cell.hpp"
#include "pde/stage_cell.hpp"

// How a functor op(n, y, x, p_bar) over the cells of (n, h, w) reaches either backend. It adds its part of the gradient of
// Op::kParams parameters to p_bar; the sum over all cells is added to params_bar (null = not wanted), in an order that
// depends on the shape alone.
namespace mg::pde {

namespace host {  // pde/cells_host.cpp
template <class T, class Op>
void run_cells(int n, int h, int w, const Op& op, T* params_bar, Workspace& workspace);
template <class T>
void add_side_bars(const SideBar<T>& op, int fields, const T* diffusion, T* params_bar, Workspace& workspace);
}  // namespace host
namespace cuda {  // cuda/pde/cells.cu
template <class T, class Op>
void run_cells(CUstream_st* stream, int n, int h, int w, const Op& op, T* params_bar, Workspace& workspace);
template <class T>
void add_side_bars(CUstream_st* stream, const SideBar<T>& op, int fields, const T* diffusion, T* params_bar,
                   Workspace& workspace);
}  // namespace cuda

/// Adds the sums of all sides [fields kSides] to the parameters they belong to, one after another: sides may share one.
/// With `diffusion` the bars are those of L x, not of D L x: they are multiplied by D_c = diffusion[c], and what the values
/// add to <d, L x> goes to the gradient of D_c, parameter c.
template <class T>
struct AddSideBars {
  Surroundings<T> around;
  const double* sums;
  int fields;
  T* params_bar;
  const T* diffusion = nullptr;
  MG_HD void operator()(std::size_t) const {
    for (int field = 0; field < fields; ++field)
      for (int s = 0; s < kSides; ++s) {
        const SideValue<T>& value = around.side[field][s];
        if (!value.valued) continue;
        const T sum = T(sums[field * kSides + s]);
        if (diffusion != nullptr) params_bar[field] += value.value(diffusion) * sum;
        if (value.param >= 0) params_bar[value.param] += diffusion != nullptr ? diffusion[field] * sum : sum;
      }
  }
};
struct StoreSideBar {
  double* sums;
  MG_HD void operator()(std::size_t segment, const ReduceValues<1>& r) const { sums[segment] = r.v[0]; }
};

}  // namespace mg::pde

/// All functors for one scalar type as X(T, functor), for explicit instantiation; stages as in MG_STAGES.
#define MG_PDE_HALOS(X, T) X(T, FillHalo<T>) X(T, FoldHalo<T>) X(T, FillOpen<T>)
#define MG_PDE_STAGE(X, T, St)   \
  X(T, StageExtra<T, St>)        \
  X(T, StageExtraTangent<T, St>) \
  X(T, StageValue<T, St>) X(T, StageTangent<T, St>) X(T, StageBars<T, St>) X(T, StageGather<T, St>)
/// Likewise of a flux model.
#define MG_PDE_FLUX(X, T, M) X(T, FluxValue<T, M>) X(T, FluxTangent<T, M>) X(T, FluxAdjoint<T, M>)
