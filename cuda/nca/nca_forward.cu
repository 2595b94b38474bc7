#include "cuda/nca/forward_kernel.cuh"

namespace mg::nca::cuda {
namespace {

template <class T, int R>
bool tiled_step_at(cudaStream_t stream, const NcaSpec& spec, const StepData<T>& s, const StencilSet<T>& set,
                   View<const T> x, View<T> next, Workspace& workspace) {
  T* alpha = spec.alive ? workspace.get<T>({Backend::cuda, stream}, "nca.alpha", s.shape.cells()) : nullptr;
  if (!launch_forward(stream, s, stencils_of<T, R>(set), x, next, alpha, workspace)) return false;
  if (spec.alive) finish_alive(stream, s, x, alpha, next);
  return true;
}

}  // namespace

std::size_t shared_limit() {
  int device = 0, bytes = 0;
  MG_CUDA_CHECK(cudaGetDevice(&device));
  MG_CUDA_CHECK(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  return std::size_t(bytes);
}

template <class T>
bool tiled_step(CUstream_st* stream, const NcaSpec& spec, const T* params, const NcaInputs<T>& inputs, View<const T> x,
                View<T> next, Workspace& workspace) {
  const PerceptionSpec& p = spec.perception;
  if (p.scale > kMaxTiledScale) return false;
  const StencilSet<T> set = make_stencils<T>(p.padding, p.scale, p.smoothing, p.dx, p.original_scaled_kernels);
  const StepData<T> s = step_data(spec, params, inputs, x.shape);
  return p.scale == 1 ? tiled_step_at<T, 1>(stream, spec, s, set, x, next, workspace)
                      : tiled_step_at<T, kMaxTiledScale>(stream, spec, s, set, x, next, workspace);
}

#define MG_INSTANTIATE(T)                                                                                          \
  template bool tiled_step<T>(CUstream_st*, const NcaSpec&, const T*, const NcaInputs<T>&, View<const T>, View<T>, \
                              Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::nca::cuda
