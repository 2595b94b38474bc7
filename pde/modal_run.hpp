#pragma once
#include <vector>

#include "core/exec.hpp"
#include "core/modes.hpp"
#include "pde/linear_part.hpp"
#include "pde/modal_cell.hpp"

// How the functors of modal_cell.hpp run; the device halves are instantiated in cuda/pde/modal.cu.
namespace mg::pde::modal {

namespace host {
template <class F>
void run_each(std::size_t n, const F& f) {
#pragma omp parallel for schedule(static) if (n > 16384)
  for (std::size_t i = 0; i < n; ++i) f(i);
}
template <class Op, class Value>
void run_sums(std::size_t segments, std::size_t length, const Value& value, double* to, Workspace& workspace) {
  mg::host::reduce_segments<Op, Value::kSums>(segments, length, value, StoreSums<Value::kSums>{to}, workspace);
}
}  // namespace host
namespace cuda {
template <class F>
void run_each(CUstream_st* stream, std::size_t n, const F& f);
template <class Op, class Value>
void run_sums(CUstream_st* stream, std::size_t segments, std::size_t length, const Value& value, double* to,
              Workspace& workspace);
}  // namespace cuda

template <class F>
void run_each(const Exec& exec, std::size_t n, const F& f) {
  MG_DISPATCH(exec, run_each, n, f);
}
/// The sums (Op = Add) or maxima of all segments, on the host: waits for the device.
template <class Op, class Value>
std::vector<double> run_sums(const Exec& exec, std::size_t segments, const Value& value, Workspace& workspace) {
  const std::size_t size = segments * Value::kSums, length = value.length(0);
  double* const to = workspace.get<double>(exec, "modal.sums", size);
#if MG_WITH_CUDA
  if (exec.backend == Backend::cuda)
    cuda::run_sums<Op>(exec.stream, segments, length, value, to, workspace);
  else
    host::run_sums<Op>(segments, length, value, to, workspace);
#else
  if (exec.backend == Backend::cuda) throw_no_cuda("run_sums");
  host::run_sums<Op>(segments, length, value, to, workspace);
#endif
  std::vector<double> sums(size);
  copy_bytes(exec, sums.data(), Backend::host, to, exec.backend, size * sizeof(double));
  synchronise(exec);
  return sums;
}

template <class T>
Symbol<T> symbol_of(const Exec& exec, const LinearPart& part, Shape shape, Workspace& workspace) {
  const auto cosines = mode_cosines<T>(exec, part.padding, shape, workspace);
  return {cosines.rows, cosines.columns, shape.h, shape.w, part.smoothing == 1, 1 / (part.dx * part.dx)};
}

}  // namespace mg::pde::modal
