#include "cuda/nca/step_data.cuh"

namespace mg::nca::cuda {
namespace {

template <class T>
struct FinishAlive {
  StepData<T> s;
  View<const T> x;
  const T* alpha;  // (n, h, w)
  View<T> next;
  __device__ void operator()(int n, int y, int c) const {
    const bool kept = s.alive_at(x.plane(n, s.alive_channel), y, c) && s.alive_at(alpha + n * s.shape.plane(), y, c);
    if (kept && s.boundary == Boundary::none) return;
    for (int k = 0; k < s.shape.c; ++k) {
      T& value = next(n, k, y, c);
      value = s.bounded(n, k, y, c, kept ? value : T(0));
    }
  }
};

template <class T>
struct KeepMask {
  StepData<T> s;
  View<const T> x;
  const T* alpha;       // (n, h, w)
  unsigned char* keep;  // (n, h, w)
  __device__ void operator()(int n, int y, int c) const {
    keep[n * s.shape.plane() + s.cell(y, c)] =
        s.alive_at(x.plane(n, s.alive_channel), y, c) && s.alive_at(alpha + n * s.shape.plane(), y, c);
  }
};

constexpr int kSumColumns = 32, kSumRows = 8;  ///< one block sums 32 gradients, each in 8 runs of consecutive slots

template <class T>
__global__ void __launch_bounds__(kSumColumns* kSumRows)
    add_partials_kernel(std::size_t count, const T* partials, int slots, std::size_t pitch, T* params_bar) {
  __shared__ T sums[kSumRows][kSumColumns];
  const int column = int(threadIdx.x) % kSumColumns, row = int(threadIdx.x) / kSumColumns;
  const std::size_t i = std::size_t(blockIdx.x) * kSumColumns + column;
  const int first = slots * row / kSumRows, last = slots * (row + 1) / kSumRows;
  T sum = 0;
  if (i < count)
    for (int k = first; k < last; ++k) sum += partials[k * pitch + i];
  sums[row][column] = sum;
  __syncthreads();
  if (row != 0 || i >= count) return;
  for (int k = 1; k < kSumRows; ++k) sum += sums[k][column];
  params_bar[i] += sum;
}

}  // namespace

template <class T>
void finish_alive(cudaStream_t stream, const StepData<T>& step, View<const T> x, const T* alpha, View<T> next) {
  for_each_cell("nca_finish_alive", stream, step.shape, FinishAlive<T>{step, x, alpha, next});
}

template <class T>
void keep_mask(cudaStream_t stream, const StepData<T>& step, View<const T> x, const T* alpha, unsigned char* keep) {
  for_each_cell("nca_keep_mask", stream, step.shape, KeepMask<T>{step, x, alpha, keep});
}

template <class T>
void add_partials(cudaStream_t stream, std::size_t count, const T* partials, int slots, std::size_t pitch,
                  T* params_bar) {
  const auto blocks = unsigned((count + kSumColumns - 1) / kSumColumns);
  launch("nca_add_partials", {dim3(blocks), dim3(kSumColumns * kSumRows)}, stream, add_partials_kernel<T>, count,
         partials, slots, pitch, params_bar);
}

template <class T>
void nca_step(CUstream_st* stream, const NcaSpec& spec, const T* params, const NcaInputs<T>& inputs, View<const T> x,
              View<T> next, Workspace& workspace) {
  if (!tiled_step(stream, spec, params, inputs, x, next, workspace))
    plain_step(stream, spec, params, inputs, x, next, workspace);
}

template <class T>
void nca_step_adjoint(CUstream_st* stream, const NcaSpec& spec, const T* params, const NcaInputs<T>& inputs,
                      View<const T> x, View<const T> next_bar, View<T> x_bar, T* params_bar, Workspace& workspace) {
  if (!tiled_step_adjoint(stream, spec, params, inputs, x, next_bar, x_bar, params_bar, workspace))
    plain_step_adjoint(stream, spec, params, inputs, x, next_bar, x_bar, params_bar, workspace);
}

#define MG_INSTANTIATE(T)                                                                                        \
  template void finish_alive(cudaStream_t, const StepData<T>&, View<const T>, const T*, View<T>);                \
  template void keep_mask(cudaStream_t, const StepData<T>&, View<const T>, const T*, unsigned char*);            \
  template void add_partials(cudaStream_t, std::size_t, const T*, int, std::size_t, T*);                         \
  template void nca_step<T>(CUstream_st*, const NcaSpec&, const T*, const NcaInputs<T>&, View<const T>, View<T>, \
                            Workspace&);                                                                         \
  template void nca_step_adjoint<T>(CUstream_st*, const NcaSpec&, const T*, const NcaInputs<T>&, View<const T>,  \
                                    View<const T>, View<T>, T*, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::nca::cuda
