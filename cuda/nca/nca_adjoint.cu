#include <algorithm>
#include <optional>

#include "cuda/nca/adjoint_kernel.cuh"

namespace mg::nca::cuda {
namespace {

/// The first plan that fits: preferably the network in shared memory, many hidden rows between barriers, and the
/// gradient sums in shared memory too.
template <class T, int R>
std::optional<AdjointPlan> adjoint_plan(const StepData<T>& s, const Stencils<T, R>& stencils) {
  const std::size_t limit = shared_limit() - sizeof(CellList);
  for (const bool net : {true, false})
    for (const auto& [rows, sums] : {std::pair{128, true}, {64, true}, {128, false}, {64, false}, {32, false}}) {
      const AdjointPlan plan(s.shape.c, stencils.radius(), s.features, s.hidden, s.outputs, rows, net, sums);
      if (plan.size * sizeof(T) <= limit && (!net || kStageNetwork<T, R>)) return plan;
    }
  return {};
}

template <class T, int R>
bool tiled_adjoint_at(cudaStream_t stream, const StepData<T>& s, const StencilSet<T>& set, View<const T> x,
                      View<const T> next_bar, View<T> x_bar, T* params_bar, Workspace& workspace) {
  const Exec exec{Backend::cuda, stream};
  const Stencils<T, R> stencils = stencils_of<T, R>(set);
  const auto plan = adjoint_plan(s, stencils);
  if (!plan) return false;
  unsigned char* keep = nullptr;
  if (s.alive) {
    T* alpha = workspace.get<T>(exec, "nca.alpha", s.shape.cells());
    keep = workspace.get<unsigned char>(exec, "nca.keep", s.shape.cells());
    if (!launch_forward(stream, s, stencils, x, View<T>{}, alpha, workspace)) return false;
    keep_mask(stream, s, x, alpha, keep);
  }
  const TileGrid tiles(s.shape);
  const int slots = std::min(tiles.count, kAdjointSlots);
  const std::size_t params = ParamOffsets(s).size;
  const Shape p_shape{s.shape.n, FeatureBlocks(s.perception).count * s.shape.c, s.shape.h, s.shape.w};
  const View<T> p_bar{workspace.get<T>(exec, "nca.p_bar", p_shape.size()), p_shape};
  T* partials = workspace.get<T>(exec, "nca.partials", slots * params);
  T* sums = plan->sums_in_shared ? nullptr : workspace.get<T>(exec, "nca.sums", std::size_t(slots) * plan->net.size);
  const T* net = plan->net_in_shared
                     ? nullptr
                     : packed_network(stream, s, plan->net, {s.outputs, 0, 1}, "nca.net_adjoint", workspace);
  const auto start = [&](auto kernel) {
    const std::size_t bytes = plan->size * sizeof(T);
    allow_shared(kernel, bytes);
    launch("nca_adjoint", {dim3(unsigned(slots)), dim3(kAdjointThreads), bytes}, stream, kernel,
           AdjointArgs<T, R>{s, stencils, *plan, tiles, net, x, next_bar, keep, p_bar, sums, partials});
  };
  if constexpr (kStageNetwork<T, R>)
    if (plan->net_in_shared) start(adjoint_kernel<T, R, true>);
  if (!plan->net_in_shared) start(adjoint_kernel<T, R, false>);
  for_each_index("nca_state_bar", stream, s.shape.size(), StateBar<T, R>{s, stencils, next_bar, keep, p_bar, x_bar});
  add_partials(stream, params, partials, slots, params, params_bar);
  return true;
}

}  // namespace

template <class T>
bool tiled_step_adjoint(CUstream_st* stream, const NcaSpec& spec, const T* params, const NcaInputs<T>& inputs,
                        View<const T> x, View<const T> next_bar, View<T> x_bar, T* params_bar, Workspace& workspace) {
  const PerceptionSpec& p = spec.perception;
  if (p.scale > kMaxTiledScale) return false;
  const StencilSet<T> set = make_stencils<T>(p.padding, p.scale, p.smoothing, p.dx, p.original_scaled_kernels);
  const StepData<T> s = step_data(spec, params, inputs, x.shape);
  return p.scale == 1 ? tiled_adjoint_at<T, 1>(stream, s, set, x, next_bar, x_bar, params_bar, workspace)
                      : tiled_adjoint_at<T, kMaxTiledScale>(stream, s, set, x, next_bar, x_bar, params_bar, workspace);
}

#define MG_INSTANTIATE(T)                                                                                         \
  template bool tiled_step_adjoint<T>(CUstream_st*, const NcaSpec&, const T*, const NcaInputs<T>&, View<const T>, \
                                      View<const T>, View<T>, T*, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::nca::cuda
