#pragma once
#include "core/cell_loop.hpp"
#include "core/exec.hpp"
#include "core/reduce.hpp"
#include "core/stencil_run.hpp"
#include "pde/projection_cell.hpp"

// How the functors of the Navier-Stokes family run; the device halves are instantiated in cuda/pde/fluids.cu.
namespace mg::pde::fluids {

namespace host {
template <class Op>
void run_cells(Padding padding, Shape shape, const Op& op) {
  mg::host::for_lattice_cells(padding, shape, op);
}
template <class Value>
void run_sums(std::size_t segments, std::size_t length, const Value& value, double* to, Workspace& workspace) {
  mg::host::reduce_segments<Add, Value::kSums>(segments, length, value, StorePartials<Value::kSums>{to}, workspace);
}
template <class F>
void run_each(std::size_t n, const F& f) {
  for (std::size_t i = 0; i < n; ++i) f(i);
}
}  // namespace host
namespace cuda {
template <class Op>
void run_cells(CUstream_st* stream, Padding padding, Shape shape, const Op& op);
template <class Value>
void run_sums(CUstream_st* stream, std::size_t segments, std::size_t length, const Value& value, double* to,
              Workspace& workspace);
template <class F>
void run_each(CUstream_st* stream, std::size_t n, const F& f);
}  // namespace cuda

template <class Op>
void run_cells(const Exec& exec, Padding padding, Shape shape, const Op& op) {
  MG_DISPATCH(exec, run_cells, padding, shape, op);
}
/// to[s][k] = sum over the segment s of value(s, i).v[k]
template <class Value>
void run_sums(const Exec& exec, std::size_t segments, const Value& value, double* to, Workspace& workspace) {
  MG_DISPATCH(exec, run_sums, segments, value.length(0), value, to, workspace);
}
template <class F>
void run_each(const Exec& exec, std::size_t n, const F& f) {
  MG_DISPATCH(exec, run_each, n, f);
}

}  // namespace mg::pde::fluids
