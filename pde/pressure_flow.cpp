#include "pde/projection.hpp"

namespace mg::pde {

using namespace fluids;

namespace {

template <class T>
class PressureFlowRhs final : public Rhs<T> {
 public:
  PressureFlowRhs(const FlowSpec& spec, double mach, double diffusion, double sigma)
      : spec_(spec), mach_(mach), diffusion_(diffusion), sigma_(sigma), layout_(flow_params(spec, true)) {}

  std::string_view type() const override { return "navier_stokes_pressure"; }
  int channels() const override { return 4 * spec_.copies; }
  Layout condition_layout(Grid grid) const override { return flow_conditions(spec_, grid); }
  const Layout& param_layout() const override { return layout_; }
  void initialise(std::uint64_t, std::span<T> params) const override {
    initialise_flow<T>(spec_, params);
    params[std::size_t(mach_at(spec_.copies))] = T(mach_);
    params[std::size_t(diffusion_at(spec_.copies))] = T(diffusion_);
  }
  double flop_per_cell() const override { return 150. * spec_.copies; }

  void rhs(const RhsContext<T>& at, ConstView<T> x, T* slope, const Combinations<T>& sums) const override {
    run_cells(at.exec, spec_.padding, copies(x.shape),
              PressureFlow<T>{flow_at<T>(spec_, at.params, x.shape), all(x.data), forcing_of<T>(spec_, at.conditions),
                              all(slope), T(sigma_), sums});
  }
  void rhs_adjoint(const RhsContext<T>& at, ConstView<T> x, ConstView<T> slope_bar, T* x_bar,
                   const Combinations<T>& sums, T* params_bar) const override {
    const auto flow = flow_at<T>(spec_, at.params, x.shape);
    const auto xs = all(x.data), bars = all(slope_bar.data);
    run_cells(at.exec, spec_.padding, copies(x.shape),
              PressureFlowAdjoint<T>{flow, xs, bars, all(x_bar), T(sigma_), sums});
    if (params_bar == nullptr) return;
    Channels<const T> p = xs;
    p.first = 2 * spec_.copies;
    const MomentumParams<T> momentum{flow, xs, p, bars, T(1), T(1), spec_.padding, x.shape.n};
    add_flow_params<T>(at.exec, PressureFlowParams<T>{momentum, xs, bars, T(sigma_)}, spec_.copies, layout_.size(),
                       params_bar, *at.workspace);
  }
  void rhs_tangent(const RhsContext<T>& at, ConstView<T> x, ConstView<T> x_dot, T* slope_dot) const override {
    run_cells(at.exec, spec_.padding, copies(x.shape),
              PressureFlowTangent<T>{flow_at<T>(spec_, at.params, x.shape), all(x.data), all(x_dot.data),
                                     all(slope_dot), T(sigma_)});
  }

 private:
  template <class U>
  Channels<U> all(U* data) const {
    return {data, channels(), 0};
  }
  Shape copies(Shape s) const { return {s.n, spec_.copies, s.h, s.w}; }
  FlowSpec spec_;
  double mach_, diffusion_, sigma_;
  Layout layout_;
};

/// u' = q - grad phi / rho with the arrays of one evaluation.
template <class T>
class RelaxationFlowRhs final : public Rhs<T> {
 public:
  RelaxationFlowRhs(const FlowSpec& spec, const ProjectionSpec& projection, double source_scale)
      : spec_(spec), source_(T(source_scale)), projection_(spec, projection), layout_(flow_params(spec, false)) {}

  std::string_view type() const override { return "navier_stokes_relaxation"; }
  int channels() const override { return 2 * spec_.copies; }
  Layout condition_layout(Grid grid) const override { return flow_conditions(spec_, grid); }
  const Layout& param_layout() const override { return layout_; }
  void initialise(std::uint64_t, std::span<T> params) const override { initialise_flow<T>(spec_, params); }

  void rhs(const RhsContext<T>& at, ConstView<T> x, T* slope, const Combinations<T>& sums) const override {
    const auto flow = flow_at<T>(spec_, at.params, x.shape);
    const Arrays a = arrays(at, x.shape);
    run_cells(at.exec, spec_.padding, a.copies,
              Momentum<T>{flow, all(x.data), {}, forcing_of<T>(spec_, at.conditions), all(a.q), T(0), T(1), T(0)});
    project(at, flow, a, slope, sums);
  }
  void rhs_tangent(const RhsContext<T>& at, ConstView<T> x, ConstView<T> x_dot, T* slope_dot) const override {
    const auto flow = flow_at<T>(spec_, at.params, x.shape);
    const Arrays a = arrays(at, x.shape);
    run_cells(at.exec, spec_.padding, a.copies, MomentumTangent<T>{flow, all(x.data), all(x_dot.data), all(a.q)});
    project(at, flow, a, slope_dot, {});
  }
  void rhs_adjoint(const RhsContext<T>& at, ConstView<T> x, ConstView<T> slope_bar, T* x_bar,
                   const Combinations<T>& sums, T* params_bar) const override {
    const auto flow = flow_at<T>(spec_, at.params, x.shape);
    const Arrays a = arrays(at, x.shape);
    const auto bars = all(slope_bar.data);
    run_cells(at.exec, spec_.padding, a.copies,
              SubtractGradientAdjoint<T>{flow, bars, {}, {a.phi, spec_.copies, 0}, T(1)});
    T* const start_bar = at.workspace->template get<T>(at.exec, "fluids.start_bar", a.copies.size());
    projection_.solve_adjoint(at.exec, {a.phi, a.copies}, projection_.spec().sweeps, a.b, start_bar, *at.workspace);
    Combination<T> sum;  // the sweeps start from b itself
    sum.out = a.b;
    sum.base = a.b;
    sum.add(T(1), start_bar);
    write_combinations<T>(at.exec, Combinations<T>(sum), nullptr, a.copies.size());
    run_cells(at.exec, spec_.padding, a.copies,
              DivergenceAdjoint<T>{flow, projection_.walls(), {a.b, spec_.copies, 0}, bars, all(a.q), source_});
    T* const to = x_bar != nullptr ? x_bar : at.workspace->template get<T>(at.exec, "fluids.x_bar", x.shape.size());
    const Channels<const T> q_bar = all<const T>(a.q);
    run_cells(at.exec, spec_.padding, a.copies,
              MomentumAdjoint<T>{flow, all(x.data), q_bar, all(to), {}, T(0), T(1), T(0), sums});
    if (params_bar != nullptr)
      add_flow_params<T>(at.exec, MomentumParams<T>{flow, all(x.data), {}, q_bar, T(1), T(0), spec_.padding, x.shape.n},
                         spec_.copies, layout_.size(), params_bar, *at.workspace);
  }

 private:
  struct Arrays {
    Shape copies;
    T *q, *b, *phi;  // (n, 2 copies, h, w), (n, copies, h, w) twice
  };
  Arrays arrays(const RhsContext<T>& at, Shape s) const {
    const Shape one{s.n, spec_.copies, s.h, s.w};
    T* const memory = at.workspace->template get<T>(at.exec, "fluids.relaxation", 4 * one.size());
    return {one, memory, memory + 2 * one.size(), memory + 3 * one.size()};
  }
  void project(const RhsContext<T>& at, const Flow<T>& flow, const Arrays& a, T* out,
               const Combinations<T>& sums) const {
    run_cells(at.exec, spec_.padding, a.copies,
              Divergence<T>{flow, projection_.walls(), all<const T>(a.q), {a.b, spec_.copies, 0}, source_});
    projection_.solve(at.exec, {a.b, a.copies}, a.b, projection_.spec().sweeps, a.phi, *at.workspace);
    run_cells(
        at.exec, spec_.padding, a.copies,
        SubtractGradient<T>{flow, all<const T>(a.q), {a.phi, spec_.copies, 0}, {}, all(out), {}, T(1), T(0), sums});
  }
  template <class U>
  Channels<U> all(U* data) const {
    return {data, channels(), 0};
  }
  FlowSpec spec_;
  T source_;
  Projection<T> projection_;
  Layout layout_;
};

}  // namespace

template <class T>
std::unique_ptr<Rhs<T>> make_pressure_flow(const FlowSpec& spec, double mach, double diffusion, double sigma) {
  return std::make_unique<PressureFlowRhs<T>>(spec, mach, diffusion, sigma);
}
template <class T>
std::unique_ptr<Rhs<T>> make_relaxation_flow(const FlowSpec& spec, const ProjectionSpec& projection,
                                             double source_scale) {
  return std::make_unique<RelaxationFlowRhs<T>>(spec, projection, source_scale);
}

template <class T>
void register_fluids(Registry<Rhs<T>>& registry) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Schema pressure("navier_stokes_pressure",
                  "Navier-Stokes flow with artificial compressibility and a tracer; fields: velocity along axis 1, "
                  "along axis 0, pressure, tracer.");
  flow_keys(pressure, 1)
      .number("M", 1.0, {0, kInfinity, true, true}, "Mach number")
      .number("D", 1.0, {0, kInfinity}, "diffusion of the tracer")
      .object("compat",
              Schema("compat", "Compatibility with the reference implementation.")
                  .boolean("ns_pressure_sign", false, "pressure waves that grow instead of decaying"),
              "compatibility");
  registry.add("navier_stokes_pressure", pressure, [](const Config& config) {
    const bool grows = config.at("compat").get<bool>("ns_pressure_sign");
    return make_pressure_flow<T>(flow_spec(config), config.get<double>("M"), config.get<double>("D"), grows ? 1 : -1);
  });
  Schema relaxation("navier_stokes_relaxation",
                    "Navier-Stokes flow whose pressure is solved for in every evaluation; fields: velocity along axis "
                    "1, along axis 0.");
  projection_keys(flow_keys(relaxation, 0))
      .object("compat",
              Schema("compat", "Compatibility with the reference implementation.")
                  .number("ns_relax_divide_dt", 0.0, {0, kInfinity},
                          "divide the source of the pressure by this time step; 0 = the source as it should be"),
              "compatibility");
  registry.add("navier_stokes_relaxation", relaxation, [](const Config& config) {
    const double dt = config.at("compat").get<double>("ns_relax_divide_dt");
    return make_relaxation_flow<T>(flow_spec(config), projection_spec(config), dt > 0 ? 1 / dt : 1);
  });
}

#define MG_INSTANTIATE(T)                                                                                \
  template std::unique_ptr<Rhs<T>> make_pressure_flow(const FlowSpec&, double, double, double);          \
  template std::unique_ptr<Rhs<T>> make_relaxation_flow(const FlowSpec&, const ProjectionSpec&, double); \
  template void register_fluids(Registry<Rhs<T>>&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::pde
