#include "pde/reaction_diffusion.hpp"
#include "pde/stencil_model.hpp"

namespace mg::pde {
namespace {

/// Index of a model of one field among reactions().
int reaction_named(std::string_view name) {
  for (int k = 0;; ++k)
    if (reactions()[std::size_t(k)].name == name) return k;
}

/// cahn_hilliard with stencils of any scale, for compatibility only. With the reaction-diffusion models of one field,
/// potential(u) = gamma L u + u - u^3 = -mu (Allen-Cahn) and flux(v) = D L v (Fisher-KPP without growth),
///   F(u) = -flux(potential(u)).
template <class T>
class ScaledCahnHilliard final : public Rhs<T> {
 public:
  ScaledCahnHilliard(const GridSpec& grid, std::vector<double> values)
      : values_(std::move(values)),
        potential_(reaction_named("allen_cahn"), grid, {1, 1, 0}),
        flux_(reaction_named("fisher_kpp"), grid, {1, 0}) {
    layout_.add("gamma", {1});
    layout_.add("D", {1});
  }
  std::string_view type() const override { return "cahn_hilliard"; }
  int channels() const override { return 1; }
  const Layout& param_layout() const override { return layout_; }
  void initialise(std::uint64_t, std::span<T> params) const override {
    for (std::size_t k = 0; k < values_.size(); ++k) params[k] = T(values_[k]);
  }

  void rhs(const RhsContext<T>& at, ConstView<T> x, T* slope, const Combinations<T>& sums) const override {
    const Parts own = parts(at);
    T* v = scratch(at, "pde.scaled.v", x.shape);
    potential_.rhs(with(at, own.potential), x, v, {});
    T* y = scratch(at, "pde.scaled.y", x.shape);
    flux_.rhs(with(at, own.flux), {v, x.shape}, y, {});
    finish(at, y, slope, sums, x.shape.size());
  }
  void rhs_adjoint(const RhsContext<T>& at, ConstView<T> x, ConstView<T> slope_bar, T* x_bar,
                   const Combinations<T>& sums, T* params_bar) const override {
    const Parts own = parts(at);
    T* v = scratch(at, "pde.scaled.v", x.shape);
    potential_.rhs(with(at, own.potential), x, v, {});
    T* bars = at.workspace->template get<T>(at.exec, "pde.scaled.bars", 5);
    zero_bytes(at.exec, bars, 5 * sizeof(T));
    T* v_bar = scratch(at, "pde.scaled.v_bar", x.shape);
    flux_.rhs_adjoint(with(at, own.flux), {v, x.shape}, slope_bar, v_bar, {}, bars + 3);
    T* y = scratch(at, "pde.scaled.y", x.shape);
    potential_.rhs_adjoint(with(at, own.potential), x, {v_bar, x.shape}, y, {}, bars);
    finish(at, y, x_bar, sums, x.shape.size());
    if (params_bar == nullptr) return;
    for (int k = 0; k < 2; ++k) {
      Combination<T> add;
      add.out = params_bar + k, add.base = params_bar + k, add.r_weight = -1;
      write_combinations<T>(at.exec, Combinations<T>(add), bars + 3 * k, 1);
    }
  }
  void rhs_tangent(const RhsContext<T>& at, ConstView<T> x, ConstView<T> x_dot, T* slope_dot) const override {
    const Parts own = parts(at);
    T* v_dot = scratch(at, "pde.scaled.v", x.shape);
    potential_.rhs_tangent(with(at, own.potential), x, x_dot, v_dot);
    T* y = scratch(at, "pde.scaled.y", x.shape);
    flux_.rhs(with(at, own.flux), {v_dot, x.shape}, y, {});  // linear
    finish(at, y, slope_dot, {}, x.shape.size());
  }

 private:
  struct Parts {
    const T *potential, *flux;  // [3] gamma, 1, 0; [2] D, 0
  };
  Parts parts(const RhsContext<T>& at) const {
    T* all = at.workspace->template get<T>(at.exec, "pde.scaled.params", 5);
    static constexpr T kFixed[5] = {0, 1, 0, 0, 0};
    copy_bytes(at.exec, all, at.exec.backend, kFixed, Backend::host, sizeof kFixed);
    copy_bytes(at.exec, all, at.exec.backend, at.params, at.exec.backend, sizeof(T));
    copy_bytes(at.exec, all + 3, at.exec.backend, at.params + 1, at.exec.backend, sizeof(T));
    return {all, all + 3};
  }
  static RhsContext<T> with(RhsContext<T> at, const T* params) {
    at.params = params;
    return at;
  }
  static T* scratch(const RhsContext<T>& at, const char* name, Shape shape) {
    return at.workspace->template get<T>(at.exec, name, shape.size());
  }
  /// r = -y as the result and in the sums.
  static void finish(const RhsContext<T>& at, const T* y, T* r, Combinations<T> sums, std::size_t size) {
    for (int k = 0; k < sums.count; ++k) sums.sum[k].r_weight = -sums.sum[k].r_weight;
    write_combinations<T>(at.exec, sums, y, size);
    Combination<T> negative;
    negative.out = r, negative.r_weight = -1;
    if (r != nullptr) write_combinations<T>(at.exec, Combinations<T>(negative), y, size);
  }

  std::vector<double> values_;
  ReactionDiffusion<T> potential_, flux_;
  Layout layout_;
};

}  // namespace

template <class T>
std::unique_ptr<Rhs<T>> make_scaled_cahn_hilliard(const GridSpec& grid, std::vector<double> values) {
  return std::make_unique<ScaledCahnHilliard<T>>(grid, std::move(values));
}
template std::unique_ptr<Rhs<float>> make_scaled_cahn_hilliard(const GridSpec&, std::vector<double>);
template std::unique_ptr<Rhs<double>> make_scaled_cahn_hilliard(const GridSpec&, std::vector<double>);

}  // namespace mg::pde
