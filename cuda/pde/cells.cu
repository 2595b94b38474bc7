#include "cuda/core/for_each.cuh"
#include "cuda/core/reduce.cuh"
#include "cuda/pde/param_partials.cuh"
#include "pde/cells_run.hpp"
#include "pde/model_cell.hpp"

namespace mg::pde::cuda {

namespace {

constexpr int kBlock = kParamBlock;

template <class T, class Op>
__global__ void cells_kernel(int n, int h, int w, Op op, double* partials) {
  const std::size_t cell = std::size_t(blockIdx.x) * kBlock + threadIdx.x;
  T p_bar[Op::kParams > 0 ? Op::kParams : 1] = {};
  if (cell < std::size_t(n) * h * w)
    op(int(cell / w / h), int(cell / w % h), int(cell % w), Op::kParams > 0 ? p_bar : nullptr);
  if constexpr (Op::kParams > 0) {
    if (partials == nullptr) return;
    write_partials<Op::kParams>(p_bar, partials);
  }
}

}  // namespace

template <class T, class Op>
void run_cells(CUstream_st* stream, int n, int h, int w, const Op& op, T* params_bar, Workspace& workspace) {
  const std::size_t blocks = (std::size_t(n) * h * w + kBlock - 1) / kBlock;
  if (blocks == 0) return;
  double* partials = nullptr;
  if (Op::kParams > 0 && params_bar != nullptr)
    partials = workspace.get<double>({Backend::cuda, stream}, "pde.cells.partials", blocks * Op::kParams);
  mg::cuda::launch("pde_cells", {dim3(unsigned(blocks)), dim3(kBlock)}, stream, cells_kernel<T, Op>, n, h, w, op,
                   partials);
  if (partials != nullptr) add_partials("pde_params", stream, partials, blocks, Op::kParams, params_bar, workspace);
}

template <class T>
void add_side_bars(CUstream_st* stream, const SideBar<T>& op, int fields, const T* diffusion, T* params_bar,
                   Workspace& workspace) {
  const std::size_t segments = std::size_t(fields) * kSides;
  double* sums = workspace.get<double>({Backend::cuda, stream}, "pde.sides.sums", segments);
  const std::size_t longest = std::max(op.length(kTop), op.length(kLeft));
  mg::cuda::reduce_segments<Add, 1>("pde_sides", stream, segments, longest, op, StoreSideBar{sums}, workspace);
  mg::cuda::for_each_index("pde_sides_add", stream, 1, AddSideBars<T>{op.around, sums, fields, params_bar, diffusion});
}
template void add_side_bars(CUstream_st*, const SideBar<float>&, int, const float*, float*, Workspace&);
template void add_side_bars(CUstream_st*, const SideBar<double>&, int, const double*, double*, Workspace&);

#define MG_INSTANTIATE(T, ...) template void run_cells(CUstream_st*, int, int, int, const __VA_ARGS__&, T*, Workspace&);
#define MG_STAGE(St)                             \
  MG_PDE_STAGE(MG_INSTANTIATE, float, stage::St) \
  MG_PDE_STAGE(MG_INSTANTIATE, double, stage::St)
MG_PDE_HALOS(MG_INSTANTIATE, float)
MG_PDE_HALOS(MG_INSTANTIATE, double)
MG_STAGES(MG_STAGE)
#undef MG_STAGE
#undef MG_INSTANTIATE

}  // namespace mg::pde::cuda
