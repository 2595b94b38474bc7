#include "pde/fluids.hpp"

#include <gtest/gtest.h>

#include "core/fft.hpp"
#include "core/stencil.hpp"
#include "pde/explicit_rk.hpp"
#include "pde/splitting_flow.hpp"
#include "tests/pde/pde_solve.hpp"
#include "tests/pde/rhs_runner.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"

namespace mg::pde {
namespace {

using test::Vec;
using Splitting = SplittingFlow<double>;

int index_of(const std::string& padding) {
  for (int i = 0; i < 4; ++i)
    if (kPaddingNames[i] == padding) return i;
  throw std::invalid_argument("padding " + padding);
}
Vec joined(const test::Golden& g, std::initializer_list<const char*> names) {
  Vec all;
  for (const char* name : names) {
    const Vec v = g.values(name);
    all.insert(all.end(), v.begin(), v.end());
  }
  return all;
}
Vec part(const Vec& v, std::size_t from, std::size_t size) {
  return Vec(v.begin() + std::ptrdiff_t(from), v.begin() + std::ptrdiff_t(from + size));
}
/// Sums of the per-cell gradient of the force over the cells of every channel.
Vec channel_sums(const Vec& v, std::size_t cells) {
  Vec sums(v.size() / cells);
  for (std::size_t i = 0; i < v.size(); ++i) sums[i / cells] += v[i];
  return sums;
}
FlowSpec flow_of(const test::Golden& g, int smoothing) {
  const auto& p = g.params();
  FlowSpec spec;
  const auto shape = g.shape("in.V");
  spec.copies = int(shape[1]);
  spec.padding = Padding(index_of(p.at("PADDING")));
  spec.dx = p.contains("dx") ? p.at("dx").get<double>() : p.at("d").at("dx").get<double>();
  spec.smoothing = p.value("SMOOTHING", smoothing);
  spec.rho = p.at("rho");
  spec.nu = p.at("nu");
  spec.force_field = g.file.contains("param.forcing");
  return spec;
}
Shape shape_of(const test::Golden& g, int channels) {
  const auto s = g.shape("in.V");
  return {1, channels * int(s[1]), int(s[2]), int(s[3])};
}

TEST(FluidsGolden, GeneralisedPressure) {
  for (const auto& path : test::golden_files("pde", "ns_gen_pressure_")) {
    SCOPED_TRACE(path.stem().string());
    const auto g = test::load_golden(path);
    const auto& p = g.params();
    const FlowSpec spec = flow_of(g, 1);
    auto rhs = make_pressure_flow<double>(spec, p.at("M"), p.at("D"), 1);
    const Shape shape = shape_of(g, 4);
    const Vec x = joined(g, {"in.V", "in.P", "in.S"});
    const std::size_t size = x.size(), cells = shape.plane();
    if (p.contains("SOLVER")) {
      ASSERT_EQ(p.at("SOLVER"), "heun");
      Stepping stepping;
      stepping.dt = p.at("dt");
      stepping.rule = GridRule::diffrax_072;
      Vec params(rhs->param_layout().size());
      rhs->initialise(0, params);
      const PdeSystem<double> system(std::move(rhs), std::make_unique<ExplicitRk<double>>(heun(), stepping));
      test::PdeSolve<double> solve{system, {shape.h, shape.w}};
      const Vec times = g.values("in.ts"), late(times.begin() + 1, times.end());
      const auto grid = solve.time_grid(params, x, times[0], late);
      std::vector<Vec> states;
      const Vec got = solve.forward(params, x, grid, &states);
      Vec bars;
      const std::size_t v = size / 2, q = size / 4;
      const Vec V = g.values("out.V"), P = g.values("out.P"), S = g.values("out.S");
      const Vec cV = g.values("cot.V"), cP = g.values("cot.P"), cS = g.values("cot.S");
      for (std::size_t k = 1; k < times.size(); ++k) {
        const Vec state = part(got, (k - 1) * size, size);
        MG_EXPECT_CLOSE(part(state, 0, v), part(V, k * v, v), 1e-10);
        MG_EXPECT_CLOSE(part(state, v, q), part(P, k * q, q), 1e-10);
        MG_EXPECT_CLOSE(part(state, v + q, q), part(S, k * q, q), 1e-10);
        for (const auto& o : {part(cV, k * v, v), part(cP, k * q, q), part(cS, k * q, q)})
          bars.insert(bars.end(), o.begin(), o.end());
      }
      auto [x_bar, p_bar] = solve.backward(params, states, grid, bars);
      Vec first = part(cV, 0, v);  // the first save is the start itself
      for (const auto& o : {part(cP, 0, q), part(cS, 0, q)}) first.insert(first.end(), o.begin(), o.end());
      for (std::size_t i = 0; i < size; ++i) x_bar[i] += first[i];
      MG_EXPECT_CLOSE(x_bar, joined(g, {"vjp.V", "vjp.P", "vjp.S"}), 1e-10);
      MG_EXPECT_CLOSE((Vec{p_bar[0], p_bar[1], p_bar[p_bar.size() - 2], p_bar.back()}),
                      joined(g, {"vjp.rho", "vjp.nu", "vjp.M", "vjp.D"}), 1e-10);
      continue;
    }
    test::RhsRunner<double> run(*rhs, shape);
    run.set_conditions(g.values("param.forcing"));
    MG_EXPECT_CLOSE(run.value(x), joined(g, {"out.dV", "out.dP", "out.dS"}), 1e-10);
    const auto adjoint = run.adjoint(x, joined(g, {"cot.dV", "cot.dP", "cot.dS"}));
    MG_EXPECT_CLOSE(adjoint.x_bar, joined(g, {"vjp.V", "vjp.P", "vjp.S"}), 1e-10);
    Vec want = joined(g, {"vjp.rho", "vjp.nu"});
    for (double s : channel_sums(g.values("vjp.forcing"), cells)) want.push_back(s);
    for (const char* name : {"vjp.M", "vjp.D"}) want.push_back(g.values(name)[0]);
    MG_EXPECT_CLOSE(adjoint.params_bar, want, 1e-10);
  }
}

TEST(FluidsGolden, Relaxation) {
  for (const auto& path : test::golden_files("pde", "ns_relaxation_")) {
    SCOPED_TRACE(path.stem().string());
    const auto g = test::load_golden(path);
    const auto rhs = make_relaxation_flow<double>(flow_of(g, 0), {.sweeps = g.params().at("sweeps")},
                                                  1 / g.params().at("dt").get<double>());
    const Shape shape = shape_of(g, 2);
    test::RhsRunner<double> run(*rhs, shape);
    run.set_conditions(g.values("param.forcing"));
    const Vec x = g.values("in.V");
    MG_EXPECT_CLOSE(run.value(x), g.values("out.F"), 1e-10);
    const auto adjoint = run.adjoint(x, g.values("cot.F"));
    MG_EXPECT_CLOSE(adjoint.x_bar, g.values("vjp.V"), 1e-10);
    EXPECT_EQ(adjoint.params_bar[0], 0);
    Vec want = g.values("vjp.nu");
    for (double s : channel_sums(g.values("vjp.forcing"), shape.plane())) want.push_back(s);
    MG_EXPECT_CLOSE(part(adjoint.params_bar, 1, want.size()), want, 1e-10);
  }
}

/// The splitting of a golden case, its state and force on the host.
struct SplittingCase {
  Splitting::Spec spec;
  Layout layout, conditions;
  Vec params, forcing, fields;
  Workspace workspace;
  std::unique_ptr<Splitting> system;

  SplittingCase(const test::Golden& g, int sweeps) {
    spec.flow = flow_of(g, 0);
    spec.projection.sweeps = sweeps;
    spec.dt = g.params().at("d").at("dt");
    spec.beta = g.params().at("d").at("beta");
    spec.solve_start = !g.file.contains("in.P");
    system = std::make_unique<Splitting>(spec);
    const Shape s = shape_of(g, 3);
    layout = system->state_layout({s.h, s.w});
    conditions = system->condition_layout({s.h, s.w});
    params.resize(system->param_layout().size());
    system->initialise(0, params);
    forcing = g.values("param.forcing");
    fields = spec.solve_start ? g.values("in.V") : joined(g, {"in.V", "in.P"});
    fields.resize(layout.size());
  }
  ConstStateView<double> view(const Vec& v) const { return {v.data(), &layout, 1}; }
  StateView<double> view(Vec& v) const { return {v.data(), &layout, 1}; }
  ConstStateView<double> force() const { return {forcing.data(), &conditions, 1}; }
};

TEST(FluidsGolden, Splitting) {
  for (const auto& path : test::golden_files("pde", "ns_splitting_")) {
    SCOPED_TRACE(path.stem().string());
    const auto g = test::load_golden(path);
    SplittingCase c(g, g.params().value("sweeps", 1000));
    const std::size_t v = c.fields.size() / 3 * 2, q = v / 2;
    Vec next(c.fields.size());
    if (!g.params().contains("steps")) {
      c.system->step({}, {.h = c.spec.dt}, c.params.data(), c.force(), c.view(c.fields), c.view(next), c.workspace);
      MG_EXPECT_CLOSE(next, joined(g, {"out.V", "out.P"}), 1e-10);
      const Vec bar = joined(g, {"cot.V", "cot.P"});
      Vec state_bar(c.fields.size()), params_bar(c.params.size());
      c.system->step_adjoint({}, {.h = c.spec.dt}, c.params.data(), c.force(), c.view(c.fields), c.view(bar),
                             c.view(state_bar), params_bar.data(), c.workspace);
      MG_EXPECT_CLOSE(state_bar, joined(g, {"vjp.V", "vjp.P"}), 1e-10);
      Vec want = joined(g, {"vjp.rho", "vjp.nu"});
      for (double s : channel_sums(g.values("vjp.forcing"), q / std::size_t(c.spec.flow.copies))) want.push_back(s);
      MG_EXPECT_CLOSE(params_bar, want, 1e-9);
      continue;
    }
    const int steps = g.params().at("steps");
    const Vec V = g.values("out.V"), P = g.values("out.P"), W = g.values("out.vorticity");
    if (c.spec.solve_start) {
      Vec p(q);
      c.system->start_pressure({}, c.spec.dt, c.params.data(), c.force(), c.view(c.fields), p.data(), c.workspace);
      MG_EXPECT_CLOSE(p, g.values("out.P0"), 1e-10);
    }
    const auto stencils = make_stencils<double>(c.spec.flow.padding, 1, 0, c.spec.flow.dx);
    for (int k = 0; k < steps; ++k) {
      c.system->step({}, {.step = k, .h = c.spec.dt}, c.params.data(), c.force(), c.view(c.fields), c.view(next),
                     c.workspace);
      c.fields = next;
      MG_EXPECT_CLOSE(part(next, 0, v), part(V, std::size_t(k) * v, v), 1e-10);
      MG_EXPECT_CLOSE(part(next, v, q), part(P, std::size_t(k) * q, q), 1e-10);
      Shape shape = shape_of(g, 2);
      Vec vorticity(q);
      curl<double>({}, stencils, {next.data(), shape}, {vorticity.data(), {1, shape.c / 2, shape.h, shape.w}});
      MG_EXPECT_CLOSE(vorticity, part(W, std::size_t(k) * q, q), 1e-10);
    }
  }
}

TEST(Fluids, AdjointAndTangentAgree) {
  for (const Padding padding : {Padding::zeros, Padding::reflect, Padding::replicate, Padding::circular})
    for (const bool exact : {false, true}) {
      SCOPED_TRACE(std::string(kPaddingNames[int(padding)]) + (exact ? " exact" : " jacobi"));
      FlowSpec spec;
      spec.copies = 2, spec.padding = padding, spec.dx = 0.9, spec.force0 = 0.1, spec.smoothing = exact ? 1 : 0;
      const Shape shape{2, 8, 5, 6}, velocity{2, 4, 5, 6};
      if (!exact)
        test::expect_rhs_adjoint(*make_pressure_flow<double>(spec, 1.1, 0.7), shape,
                                 test::random_vec(shape.size(), 11));
      test::expect_rhs_adjoint(*make_relaxation_flow<double>(spec, {exact, 7}), velocity,
                               test::random_vec(velocity.size(), 12));
    }
}

TEST(Fluids, SplittingPassesTheTaylorTest) {
  for (const Padding padding : {Padding::zeros, Padding::reflect, Padding::replicate, Padding::circular})
    for (const bool exact : {false, true}) {
      SCOPED_TRACE(std::string(kPaddingNames[int(padding)]) + (exact ? " exact" : " jacobi"));
      Splitting::Spec spec;
      spec.flow.padding = padding, spec.flow.smoothing = 0, spec.flow.copies = 2;
      spec.projection = {exact, 9};
      spec.solve_start = padding == Padding::circular, spec.start_sweeps = 11;
      const Splitting system(spec);
      const Grid grid{5, 4};
      Vec params(system.param_layout().size());
      system.initialise(0, params);
      const Vec start = test::random_vec(system.state_layout(grid).size() * 2, 4);
      test::PdeSolve<double> solve{system, grid, 2};
      test::expect_solve_taylor(system, grid, 2, params, start, solve.time_grid(params, start, 0, {0.1, 0.3}));
    }
}

/// After a step with the exact projection, div u' is what the null modes of the gradient hold of div u*: nothing.
TEST(Fluids, ExactProjectionLeavesNoDivergence) {
  for (const Padding padding : {Padding::zeros, Padding::reflect, Padding::replicate, Padding::circular})
    for (const int smoothing : {0, 1}) {
      if (padding == Padding::zeros && smoothing == 1) continue;
      SCOPED_TRACE(std::string(kPaddingNames[int(padding)]) + " smoothing " + std::to_string(smoothing));
      Splitting::Spec spec;
      spec.flow.padding = padding, spec.flow.smoothing = smoothing, spec.flow.dx = 0.8;
      spec.projection.exact = true;
      const Splitting system(spec);
      const Shape shape{1, 1, 8, 9};
      const Layout layout = system.state_layout({shape.h, shape.w});
      Vec params(4), x = test::random_vec(layout.size(), 3), next(x.size());
      system.initialise(0, params);
      Workspace workspace;
      system.step({}, {.h = 0.1}, params.data(), {}, {x.data(), &layout, 1}, {next.data(), &layout, 1}, workspace);
      const auto flow = fluids::flow_at<double>(spec.flow, params.data(), shape);
      const auto divergence = [&](const Vec& fields) {
        Vec b(shape.plane());
        fluids::run_cells({}, padding, shape,
                          fluids::Divergence<double>{flow, {true}, {fields.data(), 3, 0}, {b.data(), 1, 0}, 1.});
        double largest = 0;
        for (double d : b) largest = std::max(largest, std::abs(d));
        return largest;
      };
      EXPECT_GT(divergence(x), 0.1);
      EXPECT_LT(divergence(next), 1e-13);
    }
}

class FluidsBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(FluidsBackends);

TEST_P(FluidsBackends, AgreeWithTheHost) {
  for (const Padding padding : {Padding::zeros, Padding::reflect, Padding::replicate, Padding::circular})
    for (const bool exact : {false, true}) {
      if (exact && host_fft_library().empty()) continue;
      FlowSpec spec;
      spec.copies = 2, spec.padding = padding;
      const Shape shape{2, 8, 4, 5}, velocity{2, 4, 4, 5};
      const auto same = [&](const Rhs<double>& rhs, Shape s) {
        const Vec x = test::random_vec(s.size(), 1), bar = test::random_vec(s.size(), 2);
        const test::RhsRunner<double> host(rhs, s), other(rhs, s, GetParam());
        MG_EXPECT_CLOSE(other.value(x), host.value(x), 1e-12);
        MG_EXPECT_CLOSE(other.tangent(x, bar), host.tangent(x, bar), 1e-12);
        MG_EXPECT_CLOSE(other.adjoint(x, bar).x_bar, host.adjoint(x, bar).x_bar, 1e-12);
        MG_EXPECT_CLOSE(other.adjoint(x, bar).params_bar, host.adjoint(x, bar).params_bar, 1e-12);
      };
      if (!exact) same(*make_pressure_flow<double>(spec, 1.1, 0.7), shape);
      same(*make_relaxation_flow<double>(spec, {exact, 4}), velocity);
    }
}

}  // namespace
}  // namespace mg::pde
