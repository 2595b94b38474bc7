#include "pde/error_norm.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

namespace mg::pde {

namespace host {
template <class T>
void reduce_error(const ScaledError<T>& error, std::size_t segments, double* out, Workspace& workspace) {
  const StoreReduced<double> store{out};
  if (error.squared)
    mg::host::reduce_segments<Add, 1>(segments, error.n, error, store, workspace);
  else
    mg::host::reduce_segments<Max, 1>(segments, error.n, error, store, workspace);
}
}  // namespace host
#if MG_WITH_CUDA
namespace cuda {
template <class T>
void reduce_error(CUstream_st* stream, const ScaledError<T>& error, std::size_t segments, double* out,
                  Workspace& workspace);
}
#endif

template <class T>
ErrorMeasure error_norm(const Exec& exec, const StepControl& control, Shape shape, const T* err, const T* y,
                        const T* y1, Workspace& workspace) {
  const auto given = control.channel_atol.size();
  if (given > kMostTolerances || (given != 0 && given != std::size_t(shape.c)))
    throw std::invalid_argument("channel_atol has " + std::to_string(given) + " elements for " +
                                std::to_string(shape.c) + " channels");
  ScaledError<T> error{err, y, y1, shape.plane(), 1, control.norm == ErrorNorm::rms, T(control.rtol), {}};
  error.atol[0] = T(control.atol);
  if (given != 0) error.channels = shape.c;
  for (std::size_t c = 0; c < given; ++c) error.atol[c] = T(control.channel_atol[c]);

  const std::size_t segments = std::size_t(shape.n) * std::size_t(shape.c);
  double* const planes = workspace.get<double>(exec, "error_norm.planes", segments);
  MG_DISPATCH(exec, reduce_error<T>, error, segments, planes, workspace);
  const double* values = planes;
  if (exec.backend != Backend::host) {
    double* const here = workspace.get<double>({}, "error_norm.host", segments);
    copy_bytes(exec, here, Backend::host, planes, exec.backend, segments * sizeof(double));
    synchronise(exec);
    values = here;
  }
  double total = 0, most = -1;
  ErrorMeasure measure;
  for (std::size_t s = 0; s < segments; ++s) {
    total = error.squared ? total + values[s] : (values[s] <= total ? total : values[s]);
    if (!(values[s] <= most)) most = values[s], measure.channel = int(s % std::size_t(shape.c));
  }
  measure.norm = error.squared ? std::sqrt(total / double(shape.size())) : total;
  if (!std::isfinite(measure.norm)) measure.norm = HUGE_VAL;
  return measure;
}

#define MG_INSTANTIATE(T) \
  template ErrorMeasure error_norm(const Exec&, const StepControl&, Shape, const T*, const T*, const T*, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::pde
