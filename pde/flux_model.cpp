#include "pde/flux_model.hpp"

#include <stdexcept>

#include "core/error.hpp"
#include "pde/cells_run.hpp"

namespace mg::pde {
namespace {

template <class T, class Op>
void run(const RhsContext<T>& at, Shape shape, const Op& op, T* params_bar = nullptr) {
  if (at.exec.backend != Backend::host) throw DeviceError("the conservative form runs on the host only");
  host::run_cells(shape.n, shape.h, shape.w, op, params_bar, *at.workspace);
}

template <class T, class M>
class FluxModel final : public Rhs<T> {
 public:
  FluxModel(std::string_view name, std::span<const Parameter> parameters, const GridSpec& grid, Limiter limiter,
            std::vector<double> values, bool linear)
      : name_(name),
        values_(std::move(values)),
        layout_(named(parameters)),
        medium_(grid, M::kFields, 0, layout_),
        limiter_(limiter),
        model_{linear} {
    if (grid.scale > 1) throw std::invalid_argument(name_ + ": the conservative form has stencils of scale 1 only");
    for (const BoundarySpec& b : grid.boundary)
      if (b.trainable) throw std::invalid_argument(name_ + ": boundary values of the conservative form are constants");
  }
  std::string_view type() const override { return name_; }
  int channels() const override { return M::kFields; }
  Layout condition_layout(Grid grid) const override { return medium_.condition_layout(grid); }
  const Layout& param_layout() const override { return layout_; }
  void initialise(std::uint64_t, std::span<T> params) const override {
    for (std::size_t k = 0; k < values_.size(); ++k) params[k] = T(values_[k]);
  }
  void rhs(const RhsContext<T>& at, ConstView<T> x, T* slope, const Combinations<T>& sums) const override {
    auto s = pass(at, x);
    s.out = slope, s.sums = sums;
    run(at, x.shape, FluxValue<T, M>{s});
  }
  void rhs_adjoint(const RhsContext<T>& at, ConstView<T> x, ConstView<T> slope_bar, T* x_bar,
                   const Combinations<T>& sums, T* params_bar) const override {
    auto s = pass(at, x);
    s.out_bar = slope_bar.data, s.out = x_bar, s.sums = sums;
    run(at, x.shape, FluxAdjoint<T, M>{s}, params_bar);
  }
  void rhs_tangent(const RhsContext<T>& at, ConstView<T> x, ConstView<T> x_dot, T* slope_dot) const override {
    auto s = pass(at, x);
    s.x_dot = x_dot.data, s.out = slope_dot;
    run(at, x.shape, FluxTangent<T, M>{s});
  }

 private:
  static Layout named(std::span<const Parameter> parameters) {
    Layout layout;
    for (const Parameter& p : parameters) layout.add(std::string(p.name), {1});
    return layout;
  }
  FluxPass<T, M> pass(const RhsContext<T>& at, ConstView<T> x) const {
    medium_.require(name_, x.shape, M::kFields);
    FluxPass<T, M> s;
    s.model = model_;
    s.around = medium_.around(x.shape);
    s.p = at.params, s.dx = T(medium_.spec().dx), s.limiter = limiter_, s.x = x.data;
    s.open = medium_.open(at, x.shape);
    s.no_flux = medium_.spec().obstacles == Obstacles::no_flux;
    return s;
  }

  std::string name_;
  std::vector<double> values_;
  Layout layout_;
  Medium<T> medium_;
  Limiter limiter_;
  M model_;
};

}  // namespace

template <class T>
std::unique_ptr<Rhs<T>> make_flux_model(FluxModelKind kind, std::string_view name,
                                        std::span<const Parameter> parameters, const GridSpec& grid, Limiter limiter,
                                        std::vector<double> values, bool linear) {
  switch (kind) {
    case FluxModelKind::keller_segel:
      return std::make_unique<FluxModel<T, flux::KellerSegel>>(name, parameters, grid, limiter, values, linear);
    case FluxModelKind::hillen_painter:
      return std::make_unique<FluxModel<T, flux::HillenPainter>>(name, parameters, grid, limiter, values, linear);
    case FluxModelKind::advection_diffusion:
      break;
  }
  return std::make_unique<FluxModel<T, flux::AdvectionDiffusion>>(name, parameters, grid, limiter, values, linear);
}

template std::unique_ptr<Rhs<float>> make_flux_model(FluxModelKind, std::string_view, std::span<const Parameter>,
                                                     const GridSpec&, Limiter, std::vector<double>, bool);
template std::unique_ptr<Rhs<double>> make_flux_model(FluxModelKind, std::string_view, std::span<const Parameter>,
                                                      const GridSpec&, Limiter, std::vector<double>, bool);

}  // namespace mg::pde
