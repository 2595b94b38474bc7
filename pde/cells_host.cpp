#include "core/threads.hpp"
#include "pde/cells_run.hpp"
#include "pde/flux_cell.hpp"
#include "pde/model_cell.hpp"

namespace mg::pde::host {

namespace {

// By value, so that no store can change what the functor holds.
template <class Op>
[[gnu::flatten, gnu::noinline]] void row(const Op op, int n, int y, int w) {
#pragma omp simd
  for (int x = 0; x < w; ++x) op(n, y, x, nullptr);
}
template <class T, class Op>
[[gnu::flatten, gnu::noinline]] void row_with_params(const Op op, int n, int y, int w, double* partial) {
  T p_bar[Op::kParams] = {};
  for (int x = 0; x < w; ++x) op(n, y, x, p_bar);
  for (int k = 0; k < Op::kParams; ++k) partial[k] = double(p_bar[k]);
}

}  // namespace

template <class T, class Op>
void run_cells(int n, int h, int w, const Op& op, T* params_bar, Workspace& workspace) {
  const int rows = n * h;
  const bool share = (long long)(rows)*w > 4096;
  if constexpr (Op::kParams == 0) {
#pragma omp parallel for schedule(static) if (share)
    for (int r = 0; r < rows; ++r) row(op, r / h, r % h, w);
  } else {
    double* partials = workspace.get<double>({}, "pde.cells.partials", std::size_t(rows) * Op::kParams);
#pragma omp parallel for schedule(static) if (share)
    for (int r = 0; r < rows; ++r) row_with_params<T>(op, r / h, r % h, w, partials + std::size_t(r) * Op::kParams);
    if (params_bar == nullptr) return;
    for (int k = 0; k < Op::kParams; ++k) {
      double sum = 0;
      for (int r = 0; r < rows; ++r) sum += partials[std::size_t(r) * Op::kParams + k];
      params_bar[k] += T(sum);
    }
  }
}

template <class T>
void add_side_bars(const SideBar<T>& op, int fields, const T* diffusion, T* params_bar, Workspace& workspace) {
  const std::size_t segments = std::size_t(fields) * kSides;
  double* sums = workspace.get<double>({}, "pde.sides.sums", segments);
  const std::size_t longest = std::max(op.length(kTop), op.length(kLeft));
  mg::host::reduce_segments<Add, 1>(segments, longest, op, StoreSideBar{sums}, workspace);
  AddSideBars<T>{op.around, sums, fields, params_bar, diffusion}(0);
}
template void add_side_bars(const SideBar<float>&, int, const float*, float*, Workspace&);
template void add_side_bars(const SideBar<double>&, int, const double*, double*, Workspace&);

#define MG_INSTANTIATE(T, ...) template void run_cells(int, int, int, const __VA_ARGS__&, T*, Workspace&);
#define MG_STAGE(St)                             \
  MG_PDE_STAGE(MG_INSTANTIATE, float, stage::St) \
  MG_PDE_STAGE(MG_INSTANTIATE, double, stage::St)
MG_PDE_HALOS(MG_INSTANTIATE, float)
MG_PDE_HALOS(MG_INSTANTIATE, double)
MG_STAGES(MG_STAGE)
#define MG_FLUX(M)                            \
  MG_PDE_FLUX(MG_INSTANTIATE, float, flux::M) \
  MG_PDE_FLUX(MG_INSTANTIATE, double, flux::M)
MG_FLUX_MODELS(MG_FLUX)
#undef MG_FLUX
#undef MG_STAGE
#undef MG_INSTANTIATE

}  // namespace mg::pde::host
