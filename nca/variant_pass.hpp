#pragma once
#include "core/perception.hpp"
#include "core/reduce.hpp"
#include "nca/variant_cell.hpp"

// A step of a variant and its adjoint in terms of what a backend can run: Run has exec(), scratch(name, size),
// each(name, count, functor), lattice(name, padding, shape, functor), sums(segments, length, functor, store),
// network(chain, p, u) and network_adjoint(chain, p, u_bar, p_bar, params_bar).
namespace mg::nca {

template <class T, class Run>
class VariantPass {
 public:
  VariantPass(Run& run, const VariantSpec& spec, const Layout& layout, const T* params, const VariantInputs<T>& in,
              View<const T> x)
      : run_(run), spec_(spec), layout_(layout), params_(params), in_(in), x_(x) {
    if (spec.bank == Bank::legacy || spec.bank == Bank::wavelet) taps_ = bank_taps(spec);
    std::size_t outputs = 0;
    rule_.shape = x.shape;
    rule_.sub = spec.sub_channels(), rule_.outputs = spec.outputs();
    rule_.scales = int(spec.scales.size());
    for (int m = 0; m < rule_.scales; ++m) {
      rule_.scale[m] = spec.scales[std::size_t(m)];
      rule_.at[m] = outputs;
      outputs += coarse(m, spec.outputs()).size();
    }
    rule_.gated = spec.base.gated, rule_.bounded = spec.bounded, rule_.observed = spec.observed;
    rule_.rate = T(spec.rate);
    rule_.fire = fire_rule(spec.base, in.index);
    rule_.fire_override = in.fire_override, rule_.boundary_mask = in.boundary;
    rule_.boundary = spec.base.boundary;
    u_ = run.scratch("variant.outputs", outputs);
  }

  void step(View<T> next) {
    outputs();
    run_.each("variant_finish", x_.shape.size(), FinishVariant<T>{rule_, x_, u_, next});
  }

  void adjoint(View<const T> next_bar, View<T> x_bar, T* params_bar) {
    const bool reads_outputs = rule_.gated || rule_.bounded, single = rule_.scales == 1;
    if (reads_outputs) outputs();
    T* y_bar = single ? x_bar.data : run_.scratch("variant.y_bar", x_.shape.size());
    run_.each("variant_finish_bar", x_.shape.size(), FinishVariantAdjoint<T>{rule_, x_, u_, next_bar, y_bar});
    if (!single)
      copy_bytes(run_.exec(), x_bar.data, run_.exec().backend, y_bar, run_.exec().backend, x_.shape.size() * sizeof(T));
    for (int m = 0; m < rule_.scales; ++m) sub_adjoint(m, y_bar, x_bar, params_bar, single && reads_outputs);
  }

 private:
  Shape coarse(int m, int rows) const {
    const int s = spec_.scales[std::size_t(m)];
    return {x_.shape.n, rows, x_.shape.h / s, x_.shape.w / s};
  }

  void outputs() {
    for (int m = 0; m < rule_.scales; ++m) {
      perceive_at(m);
      run_.network(variant_chain(spec_, layout_, m), p_, View<T>{u_ + rule_.at[m], coarse(m, spec_.outputs())});
    }
  }

  /// Leaves the pooled state in pooled_, the monomials in expanded_, the features in p_.
  void perceive_at(int m) {
    const Shape s = coarse(m, x_.shape.c);
    pooled_ = expanded_ = x_;
    if (rule_.scale[m] > 1) {
      const View<T> to{run_.scratch("variant.pooled", s.size()), s};
      run_.each("variant_pool", s.size(), Pool<T>{x_, to, rule_.scale[m]});
      pooled_ = expanded_ = to;
    }
    if (spec_.order > 1) {
      const Shape k = coarse(m, spec_.expanded());
      const View<T> to{run_.scratch("variant.monomials", k.size()), k};
      run_.each("variant_expand", k.cells(), Expand<T>{pooled_, to});
      expanded_ = to;
    }
    const Shape f = coarse(m, spec_.features());
    p_ = {run_.scratch("variant.features", f.size()), f};
    if (spec_.bank != Bank::stencils) {
      for (int k = 0; k < spec_.bank_kernels(); ++k)
        run_.lattice("variant_bank", spec_.base.perception.padding, expanded_.shape,
                     BankPerceive<T>{kernel(k), expanded_, p_, k * expanded_.shape.c});
    } else if (spec_.goals == 0) {
      perceive<T>(run_.exec(), spec_.base.perception, expanded_, p_);
    } else {
      for (int n = 0; n < f.n; ++n)
        perceive<T>(run_.exec(), spec_.base.perception, sample(expanded_, n), stencil_rows(p_, n));
    }
    if (spec_.goals > 0)
      run_.each("variant_goals", in_.goal.shape.size(), CopyGoals<T>{in_.goal, p_, spec_.perceived()});
  }

  template <class U>
  static View<U> sample(View<U> v, int n) {
    return {v.plane(n, 0), {1, v.shape.c, v.shape.h, v.shape.w}};
  }
  template <class U>
  View<U> stencil_rows(View<U> p, int n) const {
    return {p.plane(n, 0), {1, spec_.perceived(), p.shape.h, p.shape.w}};
  }

  BankKernel<T> kernel(int k) const {
    BankKernel<T> kernel;
    kernel.radius = spec_.base.perception.scale;
    const int count = (2 * kernel.radius + 1) * (2 * kernel.radius + 1);
    for (int t = 0; t < kMaxBankTaps; ++t) kernel.fixed[t] = 0;
    if (spec_.bank == Bank::learned)
      kernel.learned = params_ + std::size_t(k) * count;
    else
      for (int t = 0; t < count; ++t) kernel.fixed[t] = T(taps_[std::size_t(k) * count + t]);
    return kernel;
  }

  void sub_adjoint(int m, const T* y_bar, View<T> x_bar, T* params_bar, bool perceived) {
    if (!perceived) perceive_at(m);
    const Shape o = coarse(m, spec_.outputs());
    const View<T> u_bar{run_.scratch("variant.outputs_bar", o.size()), o};
    run_.each("variant_outputs_bar", coarse(m, rule_.sub).size(), OutputsBar<T>{rule_, m, u_, y_bar, u_bar.data});
    const View<T> p_bar{run_.scratch("variant.features_bar", p_.shape.size()), p_.shape};
    run_.network_adjoint(variant_chain(spec_, layout_, m), p_, u_bar, p_bar, params_bar);

    View<T> pooled_bar = x_bar;
    if (rule_.scale[m] > 1) pooled_bar = zeroed("variant.pooled_bar", pooled_.shape);
    const View<T> expanded_bar = spec_.order > 1 ? zeroed("variant.monomials_bar", expanded_.shape) : pooled_bar;
    perception_adjoint(p_bar, expanded_bar, params_bar);
    if (spec_.order > 1)
      run_.each("variant_expand_bar", pooled_.shape.size(), ExpandAdjoint<T>{pooled_, expanded_bar, pooled_bar});
    if (rule_.scale[m] > 1)
      run_.each("variant_pool_bar", x_.shape.size(), PoolAdjoint<T>{pooled_bar, x_bar, rule_.scale[m]});
  }

  void perception_adjoint(View<T> p_bar, View<T> bar, T* params_bar) {
    const PerceptionSpec& p = spec_.base.perception;
    if (spec_.bank == Bank::stencils && spec_.goals == 0)
      return perceive_adjoint<T>(run_.exec(), p, expanded_, p_bar, bar);
    if (spec_.bank == Bank::stencils) {
      for (int n = 0; n < p_bar.shape.n; ++n)
        perceive_adjoint<T>(run_.exec(), p, sample(expanded_, n), stencil_rows(p_bar, n), sample(bar, n));
      return;
    }
    for (int k = 0; k < spec_.bank_kernels(); ++k)
      run_.lattice("variant_bank_bar", p.padding, bar.shape,
                   BankPerceiveAdjoint<T>{kernel(k), p_bar, bar, k * bar.shape.c});
    if (spec_.bank != Bank::learned) return;
    const std::size_t side = std::size_t(2 * p.scale + 1), length = expanded_.shape.size();
    run_.sums(spec_.bank_kernels() * side * side, length, BankTapBar<T>{expanded_, p_bar, p.padding, p.scale, length},
              AddTapBar<T>{params_bar});
  }

  View<T> zeroed(const char* name, Shape shape) {
    const View<T> v{run_.scratch(name, shape.size()), shape};
    zero_bytes(run_.exec(), v.data, shape.size() * sizeof(T));
    return v;
  }

  Run& run_;
  const VariantSpec& spec_;
  const Layout& layout_;
  const T* params_;
  const VariantInputs<T>& in_;
  View<const T> x_, pooled_, expanded_;
  View<T> p_;
  T* u_ = nullptr;
  UpdateRule<T> rule_{};
  std::vector<double> taps_;
};

}  // namespace mg::nca
