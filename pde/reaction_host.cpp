#include <algorithm>
#include <cstdint>

#include "core/cpu.hpp"
#include "core/padding.hpp"
#include "core/threads.hpp"
#include "pde/reaction_cell.hpp"
#include "pde/reaction_run.hpp"

namespace mg::pde::reaction {

#define MG_DECLARE(isa)        \
  namespace isa {              \
  template <class T>           \
  const Kernels<T>* kernels(); \
  }
MG_DECLARE(isa_baseline)
MG_DECLARE(isa_avx2)
MG_DECLARE(isa_avx512)
#undef MG_DECLARE

namespace host {
namespace {

template <class T>
const Kernels<T>& kernels_of(int model) {
  return of_isa(best_isa(), isa_baseline::kernels<T>, isa_avx2::kernels<T>, isa_avx512::kernels<T>)()[model];
}

#define MG_COUNT(M) M::kParams,
constexpr int kParamCounts[] = {MG_REACTIONS(MG_COUNT)};
#undef MG_COUNT
#define MG_COUNT(M) M::kFields,
constexpr int kFieldCounts[] = {MG_REACTIONS(MG_COUNT)};
#undef MG_COUNT

constexpr std::size_t kStreamBytes = std::size_t{32} << 20;  ///< output that no cache keeps until it is read again
constexpr std::size_t kThreadCells = 8192;  ///< fewer cells stay in the calling thread: some microseconds

/// Whether the results are worth writing past the caches, and lie so that whole vectors can.
template <class T>
bool streams(const Pass<T>& s, int fields) {
  bool aligned = s.w * sizeof(T) % 64 == 0;
  const auto check = [&](const T* p) { aligned = aligned && reinterpret_cast<std::uintptr_t>(p) % 64 == 0; };
  check(s.out);
  for (int k = 0; k < s.sums.count; ++k) check(s.sums.sum[k].out);
  return aligned && std::size_t(s.n) * fields * s.h * s.w * sizeof(T) > kStreamBytes;
}

}  // namespace

template <class T>
void run(int model, Kind kind, Pass<T> pass, T* params_bar, Workspace& workspace) {
  const int params = kParamCounts[model], rows = pass.n * pass.h;
  auto* row_of = workspace.get<int>({}, "pde.reaction.rows", std::size_t(pass.h) + 2);
  for (int y = -1; y <= pass.h; ++y) row_of[y + 1] = padded_index(Padding(pass.padding), y, pass.h);
  pass.row_of = row_of;
  pass.left = padded_index(Padding(pass.padding), -1, pass.w);
  pass.right = padded_index(Padding(pass.padding), pass.w, pass.w);
  T* zeros = workspace.get<T>({}, "pde.reaction.zeros", std::size_t(pass.w));
  std::fill_n(zeros, pass.w, T(0));
  pass.zero_row = zeros;
  pass.stream = streams(pass, kFieldCounts[model]);
  pass.partials = params_bar != nullptr ? workspace.get<double>({}, "pde.reaction.partials", std::size_t(rows) * params)
                                        : nullptr;  // [rows][params]

  const Kernels<T>& kernels = kernels_of<T>(model);
  const auto body = kind == Kind::value ? kernels.value : kind == Kind::adjoint ? kernels.adjoint : kernels.tangent;
  const int parts = std::size_t(rows) * pass.w < kThreadCells ? 1 : std::min(rows, max_threads());
#pragma omp parallel for schedule(static) if (parts > 1)
  for (int k = 0; k < parts; ++k)
    body(pass, int((long long)(rows)*k / parts), int((long long)(rows) * (k + 1) / parts));

  if (params_bar == nullptr) return;
  for (int k = 0; k < params; ++k) {
    double sum = 0;
    for (int r = 0; r < rows; ++r) sum += pass.partials[std::size_t(r) * params + k];
    params_bar[k] += T(sum);
  }
}

template void run(int, Kind, Pass<float>, float*, Workspace&);
template void run(int, Kind, Pass<double>, double*, Workspace&);

}  // namespace host
}  // namespace mg::pde::reaction
