#include "core/padding.hpp"
#include "cuda/pde/param_partials.cuh"
#include "pde/reaction_cell.hpp"
#include "pde/reaction_run.hpp"

namespace mg::pde::reaction::cuda {
namespace {

using pde::cuda::add_partials;
using pde::cuda::write_partials;
constexpr int kBlock = pde::cuda::kParamBlock;

/// One channel plane as a 3x3 stencil reads it. Adjoint of a mirror: cell 1 has its inner neighbour twice, nothing is
/// read from outside.
template <class T>
struct Neighbours {
  const T* plane;
  int h, w;
  Padding padding;
  bool fold;

  __device__ int step(int k, int to, int n, T& weight) const {
    const int at = k + to;
    weight = fold && (to < 0 ? k == 1 : k == n - 2) ? T(2) : T(1);
    if (fold && (at < 0 || at >= n)) return -1;
    return padded_index(padding, at, n);
  }
  __device__ T laplacian(const Pass<T>& s, int y, int x) const {
    T wu, wd, wl, wr;
    const int yu = step(y, -1, h, wu), yd = step(y, 1, h, wd), xl = step(x, -1, w, wl), xr = step(x, 1, w, wr);
    const auto mid = [&](int k) { return k < 0 ? T(0) : plane[std::size_t(y) * w + k]; };
    const auto beside = [&](int k) {
      if (k < 0) return T(0);
      return (yu < 0 ? T(0) : wu * plane[std::size_t(yu) * w + k]) +
             (yd < 0 ? T(0) : wd * plane[std::size_t(yd) * w + k]);
    };
    return s.centre * mid(x) + s.edge * (beside(x) + wl * mid(xl) + wr * mid(xr)) +
           s.corner * (wl * beside(xl) + wr * beside(xr));
  }
};

template <class M, class T>
__global__ void reaction_kernel(Pass<T> s, Kind kind) {
  const std::size_t cell = std::size_t(blockIdx.x) * kBlock + threadIdx.x, plane = std::size_t(s.h) * s.w;
  T p_bar[M::kParams] = {};
  if (cell < s.n * plane) {
    const std::size_t n = cell / plane, i = cell % plane;
    T u[M::kFields], d[M::kFields], r[M::kFields];
    MG_UNROLL
    for (int c = 0; c < M::kFields; ++c) {
      const std::size_t begin = (n * M::kFields + c) * plane;
      u[c] = s.x[begin + i];
      d[c] = kind == Kind::value ? T(0) : s.d[begin + i];
      const Neighbours<T> near{(kind == Kind::value ? s.x : s.d) + begin, s.h, s.w, Padding(s.padding), s.fold};
      const T lap = s.lap != nullptr ? s.lap[begin + i] : near.laplacian(s, int(i / s.w), int(i % s.w));
      r[c] = s.p[c] * lap;
      p_bar[c] = u[c] * lap;
    }
    const bool solid = s.open != nullptr && s.open[(n * (s.h + 2) + i / s.w + 1) * (s.w + 2) + i % s.w + 1] == T(0);
    if (solid) {
      MG_UNROLL
      for (int c = 0; c < M::kFields; ++c) r[c] = kind == Kind::adjoint ? r[c] : T(0);
    } else if (kind == Kind::value)
      M::template value<T, T>(s.p, u, r);
    else if (kind == Kind::adjoint)
      M::template adjoint<T, T>(s.p, u, d, r, p_bar);
    else
      M::template tangent<T, T>(s.p, u, d, r);
    MG_UNROLL
    for (int c = 0; c < M::kFields; ++c) {
      const std::size_t at = (n * M::kFields + c) * plane + i;
      if (s.out != nullptr) s.out[at] = r[c];
      s.sums.write(at, r[c]);
    }
  }
  if (s.partials == nullptr) return;
  write_partials<M::kParams>(p_bar, s.partials);
}

template <class M, class T>
void run_model(CUstream_st* stream, Kind kind, Pass<T> pass, T* params_bar, Workspace& workspace) {
  const std::size_t blocks = (std::size_t(pass.n) * pass.h * pass.w + kBlock - 1) / kBlock;
  if (blocks == 0) return;
  if (params_bar != nullptr)
    pass.partials = workspace.get<double>({Backend::cuda, stream}, "pde.reaction.partials", blocks * M::kParams);
  mg::cuda::launch("reaction", {dim3(unsigned(blocks)), dim3(kBlock)}, stream, reaction_kernel<M, T>, pass, kind);
  if (params_bar != nullptr)
    add_partials("reaction_params", stream, pass.partials, blocks, M::kParams, params_bar, workspace);
}

}  // namespace

template <class T>
void run(CUstream_st* stream, int model, Kind kind, Pass<T> pass, T* params_bar, Workspace& workspace) {
  using Run = void (*)(CUstream_st*, Kind, Pass<T>, T*, Workspace&);
#define MG_RUN(M) run_model<M, T>,
  static constexpr Run kAll[] = {MG_REACTIONS(MG_RUN)};
#undef MG_RUN
  kAll[model](stream, kind, pass, params_bar, workspace);
}
template void run(CUstream_st*, int, Kind, Pass<float>, float*, Workspace&);
template void run(CUstream_st*, int, Kind, Pass<double>, double*, Workspace&);

}  // namespace mg::pde::reaction::cuda
