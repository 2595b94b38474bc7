#include <algorithm>

#include "core/cpu.hpp"
#include "core/threads.hpp"
#include "pde/neural_rhs.hpp"

namespace mg::pde {

#define MG_NEURAL_KERNELS(isa)                         \
  namespace isa {                                      \
  extern const neural::Kernels<float> kFloatKernels;   \
  extern const neural::Kernels<double> kDoubleKernels; \
  }
MG_NEURAL_KERNELS(isa_baseline)
MG_NEURAL_KERNELS(isa_avx2)
MG_NEURAL_KERNELS(isa_avx512)
#undef MG_NEURAL_KERNELS

namespace host {
namespace {

using neural::Fields;
using neural::Kernels;
using neural::LinearMap;
using neural::Output;
using neural::Plan;

constexpr int kUnitCells = 512;    ///< cells of a unit, about: its planes fit the second cache
constexpr int kGroupCells = 2048;  ///< cells of a group of the weights' gradient, about
constexpr int kMostGroups = 64;

template <class T>
const Kernels<T>& kernels() {
  if constexpr (sizeof(T) == 4)
    return *of_isa(best_isa(), &isa_baseline::kFloatKernels, &isa_avx2::kFloatKernels, &isa_avx512::kFloatKernels);
  else
    return *of_isa(best_isa(), &isa_baseline::kDoubleKernels, &isa_avx2::kDoubleKernels, &isa_avx512::kDoubleKernels);
}

NetActivation activation_of(LinearMap map) {
  return map == LinearMap::sparse_plus ? NetActivation::sparse_plus
         : map == LinearMap::softplus  ? NetActivation::softplus
                                       : NetActivation::linear;
}

/// A call with its plan, the arrays of its passes and scratch for every thread.
template <class T>
struct Job {
  Job(const NeuralCall<T>& call, View<const T> x) : k(kernels<T>()), workspace(call.workspace) {
    p = neural_plan<T>(call.spec, x.shape);
    p.params = call.params;
    p.unit_rows = std::clamp(kUnitCells / x.shape.w, 1, x.shape.h);
    p.units = (x.shape.h + p.unit_rows - 1) / p.unit_rows;
    int* row_of = get<int>("pde.neural.row_of", std::size_t(x.shape.h) + 2);
    for (int y = -1; y <= x.shape.h; ++y) row_of[y + 1] = padded_index(call.spec.padding, y, x.shape.h);
    p.row_of = row_of;
    T* coefficient = get<T>("pde.neural.coefficient", std::size_t(p.linear_end - p.linear));
    for (int i = 0; i < p.linear_end - p.linear; ++i)
      coefficient[i] = net_activate(activation_of(call.spec.linear_map), p.params[p.linear_at + i]);
    p.coefficient = coefficient;
    scratch_size = k.scratch(p);
    scratch = get<T>("pde.neural.scratch", scratch_size * max_threads());
    f.x = x.data;
    size = x.shape.size();
    extra_size = x.shape.cells() * p.planes;
    worthwhile = double(x.shape.cells()) * double(p.params_count + 16) > 1e5;
  }
  template <class U>
  U* get(const char* name, std::size_t n) const {
    return workspace.get<U>(Exec{}, name, n);
  }
  int units() const { return p.n * p.units; }
  template <class Body>
  void for_units(const Body& body) const {
    parallel_for(
        units(), [&](int unit, int thread) { body(unit, scratch + scratch_size * thread); }, worthwhile);
  }

  const Kernels<T>& k;
  Workspace& workspace;
  Plan<T> p;
  Fields<T> f{};
  std::size_t scratch_size = 0, size = 0, extra_size = 0;
  T* scratch = nullptr;
  bool worthwhile = false;
};

template <class T>
Output<T> output(T* r, const Combinations<T>& sums) {
  Output<T> out{r, sums.count, {}};
  for (int i = 0; i < sums.count; ++i) {
    const Combination<T>& sum = sums.sum[i];
    out.sum[i] = {sum.out, sum.base, sum.r_weight, sum.terms, sum.weight, sum.term};
  }
  return out;
}

/// params_bar += the groups' sums, lane after lane.
template <class T>
void add_partials(const Job<T>& job, const T* partials, int groups, T* params_bar) {
  const std::size_t lanes = std::size_t(job.k.lanes), count = job.p.params_count;
  const LinearMap map = LinearMap(job.p.linear_map);
  for (std::size_t i = 0; i < count; ++i) {
    T sum = 0;
    for (int g = 0; g < groups; ++g) {
      const T* from = partials + (std::size_t(g) * count + i) * lanes;
      for (std::size_t lane = 0; lane < lanes; ++lane) sum += from[lane];
    }
    if (i >= job.p.linear_at) sum *= net_slope(activation_of(map), job.p.coefficient[i - job.p.linear_at]);
    params_bar[i] += sum;
  }
}

}  // namespace

template <class T>
void neural_rhs(const NeuralCall<T>& call, View<const T> x, T* slope, const Combinations<T>& sums) {
  Job<T> job(call, x);
  job.f.local = job.template get<T>("pde.neural.local", job.size);
  job.f.extra = job.template get<T>("pde.neural.extra", job.extra_size);
  const Output<T> out = output(slope, sums);
  job.for_units([&](int unit, T* scratch) { job.k.cells(job.p, job.f, false, unit, scratch); });
  job.for_units([&](int unit, T* scratch) { job.k.slope(job.p, job.f, out, unit, scratch); });
}

template <class T>
void neural_rhs_tangent(const NeuralCall<T>& call, View<const T> x, View<const T> x_dot, T* slope_dot) {
  Job<T> job(call, x);
  job.f.x_dot = x_dot.data;
  job.f.local_dot = job.template get<T>("pde.neural.local", job.size);
  job.f.extra = job.template get<T>("pde.neural.extra", job.extra_size);
  job.f.extra_dot = job.template get<T>("pde.neural.extra_dot", job.extra_size);
  const Output<T> out = output(slope_dot, Combinations<T>{});
  job.for_units([&](int unit, T* scratch) { job.k.cells_tangent(job.p, job.f, unit, scratch); });
  job.for_units([&](int unit, T* scratch) { job.k.slope_tangent(job.p, job.f, out, unit, scratch); });
}

template <class T>
void neural_rhs_adjoint(const NeuralCall<T>& call, View<const T> x, View<const T> slope_bar, T* x_bar,
                        const Combinations<T>& sums, T* params_bar) {
  Job<T> job(call, x);
  job.f.g = slope_bar.data;
  const Output<T> out = output(x_bar, sums);
  if (job.p.diffusion >= 0 || job.p.chemotaxis >= 0) {
    Fields<T>& f = job.f;
    f.extra = job.template get<T>("pde.neural.extra", job.extra_size);
    T* of_x = job.template get<T>("pde.neural.x_products", 4 * job.size);
    f.x0 = of_x, f.xa = of_x + job.size, f.xb = of_x + 2 * job.size, f.xl = of_x + 3 * job.size;
    T* of_extra = job.template get<T>("pde.neural.extra_products", 3 * job.extra_size);
    f.e0 = of_extra, f.ea = of_extra + job.extra_size, f.eb = of_extra + 2 * job.extra_size;
    job.for_units([&](int unit, T* scratch) { job.k.cells(job.p, job.f, true, unit, scratch); });
    job.for_units([&](int unit, T* scratch) { job.k.products_adjoint(job.p, job.f, unit, scratch); });
  }
  const int units = job.units(), groups = int(std::clamp<std::size_t>(x.shape.cells() / kGroupCells, 1,
                                                                      std::size_t(std::min(units, kMostGroups))));
  const std::size_t partial_size = job.p.params_count * job.k.lanes;
  T* partials = nullptr;
  if (params_bar != nullptr) partials = job.template get<T>("pde.neural.partials", partial_size * groups);
  const int jobs = params_bar != nullptr ? groups : units;
  parallel_for(
      jobs,
      [&](int g, int thread) {
        T* partial = partials != nullptr ? partials + partial_size * g : nullptr;
        if (partial != nullptr) std::fill_n(partial, partial_size, T(0));
        const auto first = [&](int job_index) { return int(std::int64_t(units) * job_index / jobs); };
        for (int unit = first(g); unit < first(g + 1); ++unit)
          job.k.adjoint(job.p, job.f, out, unit, partial, job.scratch + job.scratch_size * thread);
      },
      job.worthwhile);
  if (params_bar != nullptr) add_partials(job, partials, groups, params_bar);
}

#define MG_INSTANTIATE(T)                                                                                          \
  template void neural_rhs(const NeuralCall<T>&, View<const T>, T*, const Combinations<T>&);                       \
  template void neural_rhs_adjoint(const NeuralCall<T>&, View<const T>, View<const T>, T*, const Combinations<T>&, \
                                   T*);                                                                            \
  template void neural_rhs_tangent(const NeuralCall<T>&, View<const T>, View<const T>, T*);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace host
}  // namespace mg::pde
