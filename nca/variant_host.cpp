#include <algorithm>

#include "core/cell_loop.hpp"
#include "core/cpu.hpp"
#include "core/threads.hpp"
#include "nca/variant_pass.hpp"

namespace mg::nca {

#define MG_CHAIN(isa)                               \
  namespace isa {                                   \
  extern const chain::Kernels<float> kChainFloat;   \
  extern const chain::Kernels<double> kChainDouble; \
  }
MG_CHAIN(isa_baseline)
MG_CHAIN(isa_avx2)
MG_CHAIN(isa_avx512)
#undef MG_CHAIN

namespace host {
namespace {

using chain::kTile;
using chain::Layer;
using chain::Plan;
using chain::round_up;

constexpr int kStrips = 8;  ///< partial sums of the gradient per sample

template <class T>
const chain::Kernels<T>& kernels() {
  if constexpr (std::is_same_v<T, float>)
    return *of_isa(best_isa(), &isa_baseline::kChainFloat, &isa_avx2::kChainFloat, &isa_avx512::kChainFloat);
  else
    return *of_isa(best_isa(), &isa_baseline::kChainDouble, &isa_avx2::kChainDouble, &isa_avx512::kChainDouble);
}

/// What VariantPass asks of the host: one sample at a time, its cells in tiles.
template <class T>
class HostRun {
 public:
  HostRun(const T* params, Workspace& workspace) : params_(params), workspace_(workspace), k_(kernels<T>()) {}

  Exec exec() const { return {}; }
  T* scratch(const char* name, std::size_t size) { return workspace_.get<T>({}, name, size); }
  template <class F>
  void each(const char*, std::size_t count, const F& f) {
    const long long n = (long long)(count);
#pragma omp parallel for schedule(static) if (n > 8192)
    for (long long i = 0; i < n; ++i) f(std::size_t(i));
  }
  template <class F>
  void lattice(const char*, Padding padding, Shape shape, const F& f) {
    mg::host::for_lattice_cells(padding, shape, f);
  }
  template <class F, class S>
  void sums(std::size_t segments, std::size_t length, const F& f, const S& store) {
    mg::host::reduce_segments<Add, 1>(segments, length, f, store, workspace_);
  }

  void network(const chain::Chain& chain, View<const T> p, View<T> u) {
    const Plan<T> plan = prepare(chain, false);
    const int cells = int(p.shape.plane()), tiles = (cells + kTile - 1) / kTile;
    const std::size_t size = k_.scratch(plan);
    T* scratch = workspace_.get<T>({}, "variant.tiles", size * max_threads());
    parallel_for(
        tiles,
        [&](int t, int thread) {
          const int first = t * kTile;
          k_.forward(plan, p.data + first, p.shape.plane(), std::min(kTile, cells - first), u.data + first,
                     scratch + size * thread);
        },
        worthwhile(chain, cells));
  }

  void network_adjoint(const chain::Chain& chain, View<const T> p, View<const T> u_bar, View<T> p_bar, T* params_bar) {
    const Plan<T> plan = prepare(chain, true);
    const int cells = int(p.shape.plane()), tiles = (cells + kTile - 1) / kTile;
    const std::size_t size = k_.scratch(plan);
    T* scratch = workspace_.get<T>({}, "variant.tiles", size * max_threads());
    T* sums = workspace_.get<T>({}, "variant.partials", plan.sums * kStrips);
    parallel_for(
        kStrips,
        [&](int strip, int thread) {
          T* own = sums + plan.sums * strip;
          std::fill_n(own, plan.sums, T(0));
          for (int t = tiles * strip / kStrips; t < tiles * (strip + 1) / kStrips; ++t) {
            const int first = t * kTile;
            k_.adjoint(plan, p.data + first, p.shape.plane(), std::min(kTile, cells - first), u_bar.data + first,
                       p_bar.data + first, own, scratch + size * thread);
          }
        },
        worthwhile(chain, cells));
    for (int strip = 1; strip < kStrips; ++strip)
      for (std::size_t i = 0; i < plan.sums; ++i) sums[i] += sums[plan.sums * strip + i];
    add_sums(plan, sums, params_bar);
  }

 private:
  static bool worthwhile(const chain::Chain& chain, int cells) {
    double products = 0;
    for (int l = 0; l < chain.layers; ++l) products += double(chain.layer[l].rows_in) * chain.layer[l].rows_out;
    return products * cells > 1e6;
  }

  Plan<T> prepare(const chain::Chain& chain, bool adjoint) {
    Plan<T> plan{chain, params_, nullptr, nullptr, {}, {}, {}, 0};
    std::size_t size = 0, size_t_ = 0;
    for (int l = 0; l < chain.layers; ++l) {
      const Layer& layer = chain.layer[l];
      plan.weights_at[l] = size, plan.weights_t_at[l] = size_t_, plan.sums_at[l] = plan.sums;
      if (layer.kind != chain::Kind::dense) continue;
      const std::size_t out = round_up(layer.out, k_.rows), in = round_up(layer.in, k_.rows);
      size += layer.sets * out * layer.in;
      size_t_ += layer.sets * in * layer.out;
      plan.sums += layer.sets * (out * round_up(layer.in, chain::kColumns) + layer.out);
    }
    T* weights = workspace_.get<T>({}, "variant.weights", size);
    T* weights_t = adjoint ? workspace_.get<T>({}, "variant.weights_t", size_t_) : nullptr;
    for (int l = 0; l < chain.layers; ++l)
      if (chain.layer[l].kind == chain::Kind::dense)
        pack(chain.layer[l], weights + plan.weights_at[l], adjoint ? weights_t + plan.weights_t_at[l] : nullptr);
    plan.weights = weights, plan.weights_t = weights_t;
    return plan;
  }
  void pack(const Layer& layer, T* weights, T* weights_t) const {
    const int out = round_up(layer.out, k_.rows), in = round_up(layer.in, k_.rows);
    for (int set = 0; set < layer.sets; ++set) {
      for (int o = 0; o < out; ++o)
        for (int f = 0; f < layer.in; ++f) *weights++ = o < layer.out ? params_[layer.weight_at(set, o, f)] : T(0);
      for (int f = 0; weights_t != nullptr && f < in; ++f)
        for (int o = 0; o < layer.out; ++o) *weights_t++ = f < layer.in ? params_[layer.weight_at(set, o, f)] : T(0);
    }
  }
  void add_sums(const Plan<T>& plan, const T* sums, T* params_bar) const {
    for (int l = 0; l < plan.chain.layers; ++l) {
      const Layer& layer = plan.chain.layer[l];
      if (layer.kind != chain::Kind::dense) continue;
      const T* from = sums + plan.sums_at[l];
      const int out = round_up(layer.out, k_.rows), columns = round_up(layer.in, chain::kColumns);
      for (int set = 0; set < layer.sets; ++set, from += std::size_t(out) * columns)
        for (int o = 0; o < layer.out; ++o)
          for (int f = 0; f < layer.in; ++f) params_bar[layer.weight_at(set, o, f)] += from[o * columns + f];
      if (layer.bias == chain::kNone) continue;
      for (int o = 0; o < layer.sets * layer.out; ++o) params_bar[layer.bias + o] += from[o];
    }
  }

  const T* params_;
  Workspace& workspace_;
  const chain::Kernels<T>& k_;
};

template <class T>
View<const T> sample_of(View<const T> v, int n) {
  if (v.data == nullptr) return v;
  return {v.plane(n, 0), {1, v.shape.c, v.shape.h, v.shape.w}};
}
template <class T>
VariantInputs<T> sample_of(const VariantInputs<T>& in, int n) {
  VariantInputs<T> one{in.index, sample_of(in.boundary, n), sample_of(in.goal, n), sample_of(in.fire_override, n)};
  one.index.sample0 += n;
  return one;
}

}  // namespace

template <class T>
void variant_step(const VariantSpec& spec, const Layout& layout, const T* params, const VariantInputs<T>& in,
                  View<const T> x, View<T> next, Workspace& workspace) {
  HostRun<T> run(params, workspace);
  for (int n = 0; n < x.shape.n; ++n) {
    const VariantInputs<T> one = sample_of(in, n);
    VariantPass<T, HostRun<T>>(run, spec, layout, params, one, sample_of(x, n))
        .step({next.plane(n, 0), {1, x.shape.c, x.shape.h, x.shape.w}});
  }
}

template <class T>
void variant_step_adjoint(const VariantSpec& spec, const Layout& layout, const T* params, const VariantInputs<T>& in,
                          View<const T> x, View<const T> next_bar, View<T> x_bar, T* params_bar, Workspace& workspace) {
  HostRun<T> run(params, workspace);
  for (int n = 0; n < x.shape.n; ++n) {
    const VariantInputs<T> one = sample_of(in, n);
    VariantPass<T, HostRun<T>>(run, spec, layout, params, one, sample_of(x, n))
        .adjoint(sample_of(next_bar, n), {x_bar.plane(n, 0), {1, x.shape.c, x.shape.h, x.shape.w}}, params_bar);
  }
}

#define MG_INSTANTIATE(T)                                                                                            \
  template void variant_step<T>(const VariantSpec&, const Layout&, const T*, const VariantInputs<T>&, View<const T>, \
                                View<T>, Workspace&);                                                                \
  template void variant_step_adjoint<T>(const VariantSpec&, const Layout&, const T*, const VariantInputs<T>&,        \
                                        View<const T>, View<const T>, View<T>, T*, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace host
}  // namespace mg::nca
