#include "pde/stencil_model.hpp"

#include "pde/cells_run.hpp"
#include "pde/model_cell.hpp"

namespace mg::pde {

const std::vector<StencilModelInfo>& stencil_models() {
  static const std::vector<StencilModelInfo> all = {
      {"hillen_painter",
       {"c", "s"},
       0,
       {{"logistic_growth_rate", 0.1, true, "growth rate of the cells"},
        {"gamma", 10, false, "density at which cells stop to move"},
        {"alpha", 0.5, true, "saturation of the sensing"},
        {"chi", 5, true, "chemotactic sensitivity"},
        {"phi", 0.8, true, "saturation of the secretion"},
        {"D", 0.1, false, "diffusion of the cells"}}},
      {"keller_segel",
       {"n", "s"},
       0,
       {{"c", 3, true, "chemotactic sensitivity"},
        {"alpha", 0.01, true, "decay of the signal"},
        {"D", 1, false, "diffusion of the signal"},
        {"epsilon", 0.01, true, "cubic loss of cells"}}},
      {"cahn_hilliard",
       {"u", "mu"},
       1,
       {{"gamma", 1, false, "square of the interface width"}, {"D", 0.1, false, "mobility"}}},
      {"swift_hohenberg",
       {"u", "v"},
       1,
       {{"r", 0.1, true, "distance from the onset"},
        {"k", 1, true, "square of the critical wave number"},
        {"g", 0, true, "quadratic term"}}},
      {"kuramoto_sivashinsky",
       {"u", "v"},
       1,
       {{"alpha", 1, true, "second order, unstable"},
        {"beta", 1, false, "fourth order, damping"},
        {"lambda", 1, true, "nonlinearity"}}}};
  return all;
}

namespace {

template <class T, class Op>
void run(const RhsContext<T>& at, int n, int h, int w, const Op& op, T* params_bar = nullptr) {
  MG_DISPATCH(at.exec, run_cells, n, h, w, op, params_bar, *at.workspace);
}

/// F = Second(x, First(x)), or Second(x) without a First.
template <class T, class First, class Second>
class StencilModel final : public Rhs<T> {
  static constexpr int kFields = First::kIn > 0 ? First::kIn : Second::kIn;
  static constexpr int kPlanes = Second::kIn;

 public:
  StencilModel(const StencilModelInfo& info, const GridSpec& grid, std::vector<double> values, const Second& second)
      : info_(info),
        values_(std::move(values)),
        layout_(named(info)),
        medium_(grid, kFields, kPlanes - kFields, layout_),
        second_(second) {}

  std::string_view type() const override { return info_.name; }
  int channels() const override { return kFields; }
  Layout condition_layout(Grid grid) const override { return medium_.condition_layout(grid); }
  const Layout& param_layout() const override { return layout_; }
  void initialise(std::uint64_t, std::span<T> params) const override {
    for (std::size_t k = 0; k < values_.size(); ++k) params[k] = T(values_[k]);
    medium_.initialise(params);
  }

  void rhs(const RhsContext<T>& at, ConstView<T> x, T* slope, const Combinations<T>& sums) const override {
    medium_.require(type(), x.shape, kFields);
    auto pass = start(at, x);
    pass.out = slope, pass.sums = sums;
    run(at, pass.n, pass.h, pass.w, StageValue<T, Second>{pass});
  }

  void rhs_adjoint(const RhsContext<T>& at, ConstView<T> x, ConstView<T> slope_bar, T* x_bar,
                   const Combinations<T>& sums, T* params_bar) const override {
    medium_.require(type(), x.shape, kFields);
    auto pass = start(at, x);
    pass.out_bar = slope_bar.data;
    pass.z_bar = extended(at, "pde.z_bar", x.shape, kPlanes);
    pull_back(at, pass, params_bar);
    const Shape shape = x.shape;
    if constexpr (First::kOut > 0) {
      T* mid_bar = at.workspace->template get<T>(at.exec, "pde.mid_bar", shape.n * shape.plane() * First::kOut);
      medium_.fold(at, {shape.n, First::kOut, shape.h, shape.w}, kFields, kPlanes, pass.z_bar, mid_bar, {});
      StagePass<T, First> first;
      medium_.setup(at, shape, first);
      first.planes = kPlanes, first.z = pass.z, first.z_bar = pass.z_bar, first.add = true, first.out_bar = mid_bar;
      pull_back(at, first, params_bar);
    }
    medium_.fold(at, shape, 0, kPlanes, pass.z_bar, x_bar, sums);
    medium_.side_bars(at, shape, kPlanes, pass.z_bar, nullptr, params_bar);
  }

  void rhs_tangent(const RhsContext<T>& at, ConstView<T> x, ConstView<T> x_dot, T* slope_dot) const override {
    medium_.require(type(), x.shape, kFields);
    auto pass = start(at, x);
    const Shape shape = x.shape;
    T* z_dot = extended(at, "pde.z_dot", shape, kPlanes);
    medium_.fill(at, x_dot, 0, kPlanes, z_dot, true);
    if constexpr (First::kOut > 0) {
      const Shape mid{shape.n, First::kOut, shape.h, shape.w};
      StagePass<T, First> first;
      medium_.setup(at, shape, first);
      first.planes = kPlanes, first.z = pass.z, first.z_dot = z_dot;
      first.out = at.workspace->template get<T>(at.exec, "pde.mid", mid.size());
      run(at, shape.n, shape.h, shape.w, StageTangent<T, First>{first});
      medium_.fill(at, {first.out, mid}, kFields, kPlanes, z_dot, true);
    }
    pass.z_dot = z_dot, pass.out = slope_dot;
    if constexpr (Second::kExtra > 0) {
      pass.e_dot = extended(at, "pde.e_dot", shape, Second::kExtra);
      run(at, shape.n, shape.h + 2, shape.w + 2, StageExtraTangent<T, Second>{pass});
    }
    run(at, shape.n, shape.h, shape.w, StageTangent<T, Second>{pass});
  }

  /// Of cahn_hilliard 2 D L - D gamma L^2, the Jacobian in the phases +-1: the part that damps every mode.
  LinearPart linear_part() const override {
    const GridSpec& grid = medium_.spec();
    LinearPart part{grid.padding, grid.smoothing, grid.dx};
    const auto parameter = [&](std::string_view name) { return int(layout_.at(name).offset); };
    if (info_.name == "cahn_hilliard") {
      part.terms = {{.factor = 2, .p1 = parameter("D")},
                    {.power = 2, .factor = -1, .p1 = parameter("D"), .p2 = parameter("gamma")}};
    } else if (info_.name == "swift_hohenberg") {  // r - (k + L)^2
      part.terms = {{.power = 0, .p1 = 0},
                    {.power = 0, .factor = -1, .p1 = 1, .p2 = 1},
                    {.factor = -2, .p1 = 1},
                    {.power = 2, .constant = -1, .factor = 0}};
    } else if (info_.name == "kuramoto_sivashinsky") {
      part.terms = {{.factor = -1, .p1 = 0}, {.power = 2, .factor = -1, .p1 = 1}};
    } else if (info_.name == "keller_segel") {
      part.terms = {{.constant = 1, .factor = 0}, {.to = 1, .from = 1, .p1 = parameter("D")}};
    } else if (info_.name == "hillen_painter") {
      part.terms = {{.to = 1, .from = 1, .constant = 1, .factor = 0}};
    }
    return part;
  }

 private:
  static Layout named(const StencilModelInfo& info) {
    Layout layout;
    for (const Parameter& p : info.parameters) layout.add(std::string(p.name), {1});
    return layout;
  }
  static T* extended(const RhsContext<T>& at, const char* name, Shape shape, int planes) {
    return at.workspace->template get<T>(at.exec, name, std::size_t(shape.n) * planes * (shape.h + 2) * (shape.w + 2));
  }
  /// Everything that the last stage reads.
  StagePass<T, Second> start(const RhsContext<T>& at, ConstView<T> x) const {
    const Shape shape = x.shape;
    T* z = extended(at, "pde.z", shape, kPlanes);
    medium_.fill(at, x, 0, kPlanes, z);
    if constexpr (First::kOut > 0) {
      const Shape mid{shape.n, First::kOut, shape.h, shape.w};
      StagePass<T, First> first;
      medium_.setup(at, shape, first);
      first.planes = kPlanes, first.z = z;
      first.out = at.workspace->template get<T>(at.exec, "pde.mid", mid.size());
      run(at, shape.n, shape.h, shape.w, StageValue<T, First>{first});
      medium_.fill(at, {first.out, mid}, kFields, kPlanes, z);
    }
    StagePass<T, Second> pass;
    medium_.setup(at, shape, pass);
    pass.stage = second_, pass.planes = kPlanes, pass.z = z;
    if constexpr (Second::kExtra > 0) {
      pass.e = extended(at, "pde.e", shape, Second::kExtra);
      run(at, shape.n, shape.h + 2, shape.w + 2, StageExtra<T, Second>{pass});
    }
    return pass;
  }
  template <class St>
  static void pull_back(const RhsContext<T>& at, StagePass<T, St>& pass, T* params_bar) {
    pass.bars = at.workspace->template get<T>(at.exec, "pde.bars",
                                              std::size_t(pass.n) * 4 * pass.kFeatures * (pass.h + 4) * (pass.w + 4));
    run(at, pass.n, pass.h + 4, pass.w + 4, StageBars<T, St>{pass}, params_bar);
    run(at, pass.n, pass.h + 2, pass.w + 2, StageGather<T, St>{pass}, params_bar);
  }

  const StencilModelInfo& info_;
  std::vector<double> values_;
  Layout layout_;
  Medium<T> medium_;
  Second second_;
};

}  // namespace

template <class T>
std::unique_ptr<Rhs<T>> make_stencil_model(int model, const GridSpec& grid, std::vector<double> values,
                                           bool linear_diffusion) {
  using namespace stage;
  const StencilModelInfo& info = stencil_models()[std::size_t(model)];
  switch (model) {
    case 0:
      return std::make_unique<StencilModel<T, None, HillenPainter>>(info, grid, values,
                                                                    HillenPainter{linear_diffusion});
    case 1:
      return std::make_unique<StencilModel<T, None, KellerSegel>>(info, grid, values, KellerSegel{});
    case 2:
      return std::make_unique<StencilModel<T, ChemicalPotential, CahnHilliard>>(info, grid, values, CahnHilliard{});
    case 3:
      return std::make_unique<StencilModel<T, HelmholtzOfSwiftHohenberg, SwiftHohenberg>>(info, grid, values,
                                                                                          SwiftHohenberg{});
    default:
      return std::make_unique<StencilModel<T, Laplacian, KuramotoSivashinsky>>(info, grid, values,
                                                                               KuramotoSivashinsky{});
  }
}

template std::unique_ptr<Rhs<float>> make_stencil_model(int, const GridSpec&, std::vector<double>, bool);
template std::unique_ptr<Rhs<double>> make_stencil_model(int, const GridSpec&, std::vector<double>, bool);

}  // namespace mg::pde
