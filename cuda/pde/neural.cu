#include <algorithm>

#include "core/stencil_run.hpp"
#include "cuda/core/for_each.cuh"
#include "cuda/core/reduce.cuh"
#include "cuda/pde/neural_adjoint.cuh"
#include "pde/neural_rhs.hpp"

// One thread per cell; a cell's values lie in global memory, neighbouring cells side by side, and the weights' gradient is
// reduced over them. Large lattices go through in chunks, so that this memory stays bounded.
namespace mg::pde::cuda {
namespace {

using namespace learned;

constexpr std::size_t kTapeBytes = std::size_t(256) << 20;

/// A call with its plan, and the memory of its passes.
template <class T>
struct Job {
  Job(cudaStream_t stream_, const NeuralCall<T>& call, View<const T> x)
      : stream(stream_), exec{Backend::cuda, stream_}, workspace(call.workspace), cells(x.shape.cells()) {
    pass.p = neural_plan<T>(call.spec, x.shape);
    pass.p.params = call.params;
    pass.s = stencils_of<T, 1>(make_stencils<T>(call.spec.padding, 1, call.spec.smoothing, call.spec.dx));
    pass.padding = call.spec.padding;
    pass.tape = neural::make_tape(pass.p);
    chunk = std::min(cells, std::max<std::size_t>(kTapeBytes / (sizeof(T) * pass.tape.size), 4096));
    pass.memory = get("pde.neural.tape", chunk * pass.tape.size);
    pass.stride = chunk;
    pass.f.x = x.data;
    size = x.shape.size();
    extra_size = cells * pass.p.planes;
  }
  T* get(const char* name, std::size_t n) const { return workspace.template get<T>(exec, name, n); }
  /// Every chunk of the cells through `functor`, then `after(cells of the chunk)`.
  template <class Functor, class After>
  void run(const char* name, Functor functor, const After& after) const {
    static_cast<Pass<T>&>(functor) = pass;
    for (std::size_t begin = 0; begin < cells; begin += chunk) {
      const std::size_t count = std::min(chunk, cells - begin);
      functor.begin = begin;
      mg::cuda::for_each_index(name, stream, count, functor);
      after(count);
    }
  }
  template <class Functor>
  void run(const char* name, const Functor& functor) const {
    run(name, functor, [](std::size_t) {});
  }

  cudaStream_t stream;
  Exec exec;
  Workspace& workspace;
  std::size_t cells, chunk = 0, size = 0, extra_size = 0;
  Pass<T> pass{};
};

}  // namespace

template <class T>
void neural_rhs(CUstream_st* stream, const NeuralCall<T>& call, View<const T> x, T* slope,
                const Combinations<T>& sums) {
  Job<T> job(stream, call, x);
  job.pass.f.local = job.get("pde.neural.local", job.size);
  job.pass.f.extra = job.get("pde.neural.extra", job.extra_size);
  job.run("neural_cells", CellsPass<T>{{}, false});
  job.run("neural_slope", SlopePass<T>{{}, slope, sums});
}

template <class T>
void neural_rhs_tangent(CUstream_st* stream, const NeuralCall<T>& call, View<const T> x, View<const T> x_dot,
                        T* slope_dot) {
  Job<T> job(stream, call, x);
  job.pass.f.x_dot = x_dot.data;
  job.pass.f.local_dot = job.get("pde.neural.local", job.size);
  job.pass.f.extra = job.get("pde.neural.extra", job.extra_size);
  job.pass.f.extra_dot = job.get("pde.neural.extra_dot", job.extra_size);
  job.run("neural_cells_tangent", CellsTangentPass<T>{});
  job.run("neural_slope_tangent", SlopeTangentPass<T>{{}, slope_dot});
}

template <class T>
void neural_rhs_adjoint(CUstream_st* stream, const NeuralCall<T>& call, View<const T> x, View<const T> slope_bar,
                        T* x_bar, const Combinations<T>& sums, T* params_bar) {
  Job<T> job(stream, call, x);
  Fields<T>& f = job.pass.f;
  f.g = slope_bar.data;
  if (job.pass.p.diffusion >= 0 || job.pass.p.chemotaxis >= 0) {
    f.extra = job.get("pde.neural.extra", job.extra_size);
    T* of_x = job.get("pde.neural.x_products", 4 * job.size);
    f.x0 = of_x, f.xa = of_x + job.size, f.xb = of_x + 2 * job.size, f.xl = of_x + 3 * job.size;
    T* of_extra = job.get("pde.neural.extra_products", 3 * job.extra_size);
    f.e0 = of_extra, f.ea = of_extra + job.extra_size, f.eb = of_extra + 2 * job.extra_size;
    job.run("neural_planes", CellsPass<T>{{}, true});
    job.run("neural_products_adjoint", ProductsPass<T>{});
  }
  job.run("neural_adjoint", AdjointPass<T>{{}, x_bar, sums}, [&](std::size_t count) {
    if (params_bar == nullptr) return;
    const Pass<T>& pass = job.pass;
    mg::cuda::reduce_segments<Add, 1>("neural_params_adjoint", stream, pass.p.params_count, count,
                                      ParamProducts<T>{pass.p, pass.tape, pass.memory, pass.stride, count},
                                      AddToParam<T>{pass.p, params_bar}, job.workspace);
  });
}

#define MG_INSTANTIATE(T)                                                                                  \
  template void neural_rhs(CUstream_st*, const NeuralCall<T>&, View<const T>, T*, const Combinations<T>&); \
  template void neural_rhs_adjoint(CUstream_st*, const NeuralCall<T>&, View<const T>, View<const T>, T*,   \
                                   const Combinations<T>&, T*);                                            \
  template void neural_rhs_tangent(CUstream_st*, const NeuralCall<T>&, View<const T>, View<const T>, T*);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::pde::cuda
