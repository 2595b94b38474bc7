#include <gtest/gtest.h>

#include <cmath>

#include "core/fft.hpp"
#include "core/stencil.hpp"
#include "pde/kvaerno3.hpp"
#include "pde/modal_solver.hpp"
#include "tests/pde/pde_solve.hpp"
#include "tests/pde/rhs_runner.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"

namespace mg::pde {
namespace {

using test::Vec;

/// y0' = A + y0^2 y1 - (B + 1) y0, y1' = B y0 - y0^2 y1 in every cell: parameters A, B. Runs on the host.
class BrusselatorOde final : public Rhs<double> {
 public:
  BrusselatorOde() { layout_.add("A", {1}).add("B", {1}); }
  std::string_view type() const override { return "brusselator_ode"; }
  int channels() const override { return 2; }
  const Layout& param_layout() const override { return layout_; }
  void initialise(std::uint64_t, std::span<double> p) const override { p[0] = 1, p[1] = 3; }
  LinearPart linear_part() const override {
    LinearPart part;
    part.terms = {{.power = 0, .constant = -1, .factor = -1, .p1 = 1}, {.to = 1, .from = 0, .power = 0, .p1 = 1}};
    return part;
  }
  void rhs(const RhsContext<double>& at, ConstView<double> x, double* slope,
           const Combinations<double>& sums) const override {
    each(x, [&](std::size_t i, std::size_t j, double u, double v) {
      put(slope, sums, i, at.params[0] + u * u * v - (at.params[1] + 1) * u);
      put(slope, sums, j, at.params[1] * u - u * u * v);
    });
  }
  void rhs_adjoint(const RhsContext<double>& at, ConstView<double> x, ConstView<double> bar, double* x_bar,
                   const Combinations<double>& sums, double* p_bar) const override {
    each(x, [&](std::size_t i, std::size_t j, double u, double v) {
      const double a = bar.data[i], b = bar.data[j];
      if (p_bar != nullptr) p_bar[0] += a, p_bar[1] += (b - a) * u;
      put(x_bar, sums, i, (2 * u * v - at.params[1] - 1) * a + (at.params[1] - 2 * u * v) * b);
      put(x_bar, sums, j, u * u * (a - b));
    });
  }
  void rhs_tangent(const RhsContext<double>& at, ConstView<double> x, ConstView<double> d, double* out) const override {
    each(x, [&](std::size_t i, std::size_t j, double u, double v) {
      const double e = 2 * u * v * d.data[i] + u * u * d.data[j];
      out[i] = e - (at.params[1] + 1) * d.data[i];
      out[j] = at.params[1] * d.data[i] - e;
    });
  }

 private:
  static void put(double* to, const Combinations<double>& sums, std::size_t i, double v) {
    if (to != nullptr) to[i] = v;
    sums.write(i, v);
  }
  static void each(ConstView<double> x, const auto& f) {
    const std::size_t cells = x.shape.plane();
    for (int n = 0; n < x.shape.n; ++n)
      for (std::size_t k = 0; k < cells; ++k) {
        const std::size_t i = std::size_t(n) * 2 * cells + k;
        f(i, i + cells, x.data[i], x.data[i + cells]);
      }
  }
  Layout layout_;
};

Stepping prescribed(const Vec& times) {
  Stepping s;
  s.rule = GridRule::prescribed;
  s.times = times;
  return s;
}
Stepping controlled(const nlohmann::json& p) {
  Stepping s;
  s.adaptive = true;
  s.dt = p.at("dt0");
  const auto& c = p.at("controller");
  s.control.rtol = c.at("rtol"), s.control.atol = c.at("atol");
  s.control.pcoeff = c.at("pcoeff"), s.control.icoeff = c.at("icoeff"), s.control.dcoeff = c.at("dcoeff");
  return s;
}
/// The iteration of a case whose root finder has one tolerance for both: "VeryChord rtol=atol=x".
NewtonControl root_finder(const nlohmann::json& p) {
  const auto text = p.at("root_finder").get<std::string>();
  NewtonControl newton;
  newton.chord_two_iterations = true;
  newton.rtol = newton.atol = std::stod(text.substr(text.rfind('=') + 1));
  newton.max_norm = true;
  return newton;
}

template <class Make>
void run_golden(const std::string& family, const Make& solver) {
  for (const auto& path : test::golden_files("pde", family)) {
    SCOPED_TRACE(path.stem().string());
    const auto g = test::load_golden(path);
    const Vec params{g.values("param.A")[0], g.values("param.B")[0]}, y0 = g.values("in.y0"), ts = g.values("in.ts");
    const Vec saves(ts.begin() + 1, ts.end()), grid_times = g.values("steps.t");
    if (!g.params().at("controller").is_string()) {
      const PdeSystem<double> free(std::make_unique<BrusselatorOde>(), solver(controlled(g.params()), g.params()));
      test::PdeSolve<double> solve{free, {1, 1}};
      const auto grid = solve.time_grid(params, y0, ts[0], saves);
      ASSERT_EQ(grid.steps.size() + 1, grid_times.size());
      Vec ends{ts[0]};
      for (const auto& step : grid.steps) ends.push_back(step.t + step.h);
      MG_EXPECT_CLOSE(ends, grid_times, 1e-7);
    }
    const PdeSystem<double> system(std::make_unique<BrusselatorOde>(), solver(prescribed(grid_times), g.params()));
    test::PdeSolve<double> solve{system, {1, 1}};
    const auto grid = solve.time_grid(params, y0, ts[0], saves);
    std::vector<Vec> states;
    const Vec got = solve.forward(params, y0, grid, &states);
    const std::size_t size = system.state_layout({1, 1}).size();
    Vec ys, bars(saves.size() * size);
    const Vec out = g.values("out.ys"), cot = g.values("cot.ys");
    for (std::size_t k = 0; k < saves.size(); ++k)
      for (std::size_t c = 0; c < 2; ++c) {
        ys.push_back(got[k * size + c]);
        bars[k * size + c] = cot[2 * (k + 1) + c];
      }
    MG_EXPECT_CLOSE(ys, Vec(out.begin() + 2, out.end()), 1e-10);
    auto [y_bar, p_bar] = solve.backward(params, states, grid, bars);
    y_bar.resize(2);
    y_bar[0] += cot[0], y_bar[1] += cot[1];
    MG_EXPECT_CLOSE(y_bar, g.values("vjp.y0"), 1e-10);
    MG_EXPECT_CLOSE(p_bar, (Vec{g.values("vjp.A")[0], g.values("vjp.B")[0]}), 1e-10);
  }
}

TEST(ImplicitGolden, Kvaerno3) {
  run_golden("ode_brusselator_kvaerno3_", [](const Stepping& s, const nlohmann::json& p) {
    return std::make_unique<Kvaerno3<double>>(s, s.adaptive ? root_finder(p) : NewtonControl{.tolerance = 1e-13});
  });
}
TEST(ImplicitGolden, Kencarp3) {
  run_golden("ode_brusselator_kencarp3_", [](const Stepping& s, const nlohmann::json&) {
    return std::make_unique<ModalSolver<double>>(ModalScheme::kencarp3, s);
  });
}

/// Gray-Scott with the root finder of the controller, on its own grid and on the stored one.
TEST(ImplicitGolden, Kvaerno3OfGrayScott) {
  for (const auto& path : test::golden_files("pde", "solve_gs_kvaerno3")) {
    const auto g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    const auto& p = g.params();
    NewtonControl newton;
    newton.chord_two_iterations = true;
    newton.rtol = p.at("rtol"), newton.atol = p.at("atol");
    const nlohmann::json model{{"type", p.at("model")}, {"padding", p.at("PADDING")}, {"dx", p.at("dx")}};
    const auto shape = g.shape("in.y0");
    const Grid lattice{int(shape[1]), int(shape[2])};
    const Vec y0 = g.values("in.y0"), ts = g.values("in.ts"), ends = g.values("steps.t"), cot = g.values("cot.ys");
    const auto solved = [&](const Stepping& stepping, const auto& look) {
      const PdeSystem<double> system(test::fixed_model<double>(model.dump()),
                                     std::make_unique<Kvaerno3<double>>(stepping, newton));
      Vec params;
      for (const Block& b : system.param_layout().blocks()) params.push_back(g.values("param." + b.name).at(0));
      test::PdeSolve<double> solve{system, lattice};
      look(system, solve, params);
    };
    Stepping free;
    free.adaptive = true;
    free.dt = p.at("dt");
    free.control.rtol = p.at("rtol"), free.control.atol = p.at("atol");
    solved(free, [&](const auto&, auto& solve, const Vec& params) {
      const TimeGrid grid = solve.time_grid(params, y0, ts.front(), ts);
      Vec got{ts.front()};
      for (const auto& step : grid.steps) got.push_back(step.t + step.h);
      MG_EXPECT_CLOSE(got, ends, 1e-9);
      EXPECT_EQ(double(grid.statistics.rejected), g.values("steps.count").at(2));
    });
    solved(prescribed(ends), [&](const auto& system, auto& solve, const Vec& params) {
      const TimeGrid grid = solve.time_grid(params, y0, ts.front(), ts);
      std::vector<Vec> states;
      const Vec whole = solve.forward(params, y0, grid, &states);
      const std::size_t size = system.state_layout(lattice).size();
      Vec ys, bars(whole.size());
      for (std::size_t k = 0; k < ts.size(); ++k)
        for (std::size_t i = 0; i < y0.size(); ++i) {
          ys.push_back(whole[k * size + i]);
          bars[k * size + i] = cot[k * y0.size() + i];
        }
      MG_EXPECT_CLOSE(ys, g.values("out.ys"), 1e-10);
      auto [y_bar, p_bar] = solve.backward(params, states, grid, bars);
      y_bar.resize(y0.size());
      MG_EXPECT_CLOSE(y_bar, g.values("vjp.y0"), 1e-8);
      for (const Block& b : system.param_layout().blocks())
        MG_EXPECT_CLOSE(Vec{p_bar[b.offset]}, g.values("vjp." + b.name), 1e-8);
    });
  }
}

TEST(Implicit, EstimatesTheFirstStepOfAnAdaptiveSolve) {
  for (const bool kvaerno : {false, true}) {
    Stepping s;
    s.adaptive = true;
    s.dt = 0;
    std::unique_ptr<Solver<double>> solver;
    if (kvaerno)
      solver = std::make_unique<Kvaerno3<double>>(s, NewtonControl{});
    else
      solver = std::make_unique<ModalSolver<double>>(ModalScheme::kencarp3, s);
    const PdeSystem<double> system(test::fixed_model<double>(R"({"type": "gray_scott"})"), std::move(solver));
    Vec params(system.param_layout().size()), start = test::random_vec(2 * 30, 5);
    system.initialise(0, params);
    for (double& v : start) v = 0.4 + 0.2 * v;
    test::PdeSolve<double> solve{system, {5, 6}};
    const TimeGrid grid = solve.time_grid(params, start, 0, {40});
    EXPECT_GT(grid.steps.front().h, 1e-3);
    EXPECT_LT(grid.steps.front().h, 10);
    EXPECT_LE(grid.statistics.rejected, 3);
  }
}

enum class Kind { etdrk2, etdrk4, kencarp3, kvaerno3 };
template <class T = double>
std::unique_ptr<Solver<T>> make_solver(Kind kind, double dt) {
  Stepping s;
  s.dt = dt;
  if (kind == Kind::kvaerno3) return std::make_unique<Kvaerno3<T>>(s, NewtonControl{});
  return std::make_unique<ModalSolver<T>>(ModalScheme(int(kind)), s);
}

Vec initial(const System<double>& system) {
  Vec params(system.param_layout().size());
  system.initialise(0, params);
  return params;
}
Vec smooth_start(std::size_t size, double mean, double amplitude, unsigned seed) {
  Vec x = test::random_vec(size, seed);
  for (double& v : x) v = mean + amplitude * v;
  return x;
}

constexpr const char* kModels[] = {
    R"({"type": "gray_scott", "dx": 0.7, "padding": "REFLECT"})", R"({"type": "cahn_hilliard", "padding": "CIRCULAR"})",
    R"({"type": "gray_scott", "padding": "ZEROS"})", R"({"type": "cahn_hilliard", "padding": "REPLICATE"})"};

TEST(Implicit, TaylorTestOfFrozenGrids) {
  for (const Kind kind : {Kind::etdrk2, Kind::etdrk4, Kind::kencarp3, Kind::kvaerno3})
    for (const char* model : kModels) {
      SCOPED_TRACE(std::string(model) + " solver " + std::to_string(int(kind)));
      const PdeSystem<double> system(test::fixed_model<double>(model), make_solver(kind, 0.8));
      const Grid grid{5, 6};
      const std::size_t fields = std::size_t(system.rhs().channels()) * 30;
      test::PdeSolve<double> solve{system, grid};
      const Vec params = initial(system), start = smooth_start(fields, 0.3, 0.2, 7);
      test::expect_solve_taylor(system, grid, 1, params, start, solve.time_grid(params, start, 0, {1.1, 2.4}));
    }
}

TEST(Implicit, OrdersAreThoseOfTheSchemes) {
  const int orders[] = {2, 4, 3, 3};
  for (const Kind kind : {Kind::etdrk2, Kind::etdrk4, Kind::kencarp3, Kind::kvaerno3}) {
    SCOPED_TRACE(int(kind));
    const Grid grid{6, 5};
    const auto solved = [&](double dt) {
      const PdeSystem<double> system(
          test::fixed_model<double>(R"({"type": "brusselator", "dx": 0.2, "params": {"B": 1.8}})"),
          make_solver(kind, dt));
      test::PdeSolve<double> solve{system, grid};
      const Vec params = initial(system), start = smooth_start(60, 1, 0.2, 5);
      Vec end = solve.forward(params, start, solve.time_grid(params, start, 0, {1}));
      end.resize(60);
      return end;
    };
    const Vec exact = solved(1 / 320.);
    const double coarse = test::relative_l2(solved(1 / 20.), exact), fine = test::relative_l2(solved(1 / 40.), exact);
    EXPECT_NEAR(std::log2(coarse / fine), orders[int(kind)], 0.35) << coarse << " " << fine;
  }
}

/// Ginzburg-Landau energy on the lattice: sum of (X^2 - 1)^2 / 4 - gamma X L X / 2.
double energy(const Vec& x, Grid grid) {
  const auto stencils = make_stencils<double>(Padding::circular);
  Vec lap(x.size());
  const Shape shape{1, 1, grid.h, grid.w};
  laplacian<double>({}, stencils, {x.data(), shape}, {lap.data(), shape});
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(x[i] * x[i] - 1, 2) / 4 - x[i] * lap[i] / 2;
  return sum;
}

TEST(Implicit, CahnHilliardLosesEnergyInStepsFarBeyondTheExplicitLimit) {
  const Grid grid{16, 16};
  const PdeSystem<double> system(test::fixed_model<double>(R"({"type": "cahn_hilliard", "padding": "CIRCULAR"})"),
                                 make_solver(Kind::kvaerno3, 5));
  test::PdeSolve<double> solve{system, grid};
  Vec x = smooth_start(256, 0, 0.2, 9);
  const Vec params = initial(system);
  double before = energy(x, grid), mass = 0;
  for (double v : x) mass += v;
  const auto times = solve.time_grid(params, x, 0, {50, 100, 150, 200, 250});
  const Vec saved = solve.forward(params, x, times);
  const std::size_t size = system.state_layout(grid).size();
  for (std::size_t k = 0; k < 5; ++k) {
    const Vec now(saved.begin() + std::ptrdiff_t(k * size), saved.begin() + std::ptrdiff_t(k * size + 256));
    const double after = energy(now, grid);
    EXPECT_LT(after, before);
    before = after;
    double sum = 0;
    for (double v : now) sum += v;
    EXPECT_NEAR(sum, mass, 1e-9);
  }
  EXPECT_LT(before, 55);  // from 78
}

TEST(Implicit, SolversThatCannotGoOnSayWhere) {
  const PdeSystem<double> stiff(test::fixed_model<double>(R"({"type": "cahn_hilliard"})"), [] {
    Stepping s;
    s.dt = 50;
    NewtonControl newton;
    newton.most_krylov = 2;
    return std::make_unique<Kvaerno3<double>>(s, newton);
  }());
  test::PdeSolve<double> solve{stiff, {12, 12}};
  const Vec params = initial(stiff), start = smooth_start(144, 0, 0.5, 3);
  const auto times = solve.time_grid(params, start, 0, {100});
  try {
    solve.forward(params, start, times);
    FAIL() << "two products were enough";
  } catch (const DivergedError& error) {
    EXPECT_NE(std::string(error.what()).find("t = 0"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("residual"), std::string::npos) << error.what();
  }
}

class ImplicitBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(ImplicitBackends);

TEST_P(ImplicitBackends, AgreeWithTheHost) {
  if (GetParam() == Backend::cuda && host_fft_library().empty()) GTEST_SKIP() << kNoHostFft;
  for (const Kind kind : {Kind::etdrk2, Kind::etdrk4, Kind::kencarp3, Kind::kvaerno3})
    for (const char* model : {kModels[0], kModels[1]}) {
      SCOPED_TRACE(std::string(model) + " solver " + std::to_string(int(kind)));
      const PdeSystem<double> system(test::fixed_model<double>(model), make_solver(kind, 0.5));
      const Grid grid{8, 9};
      test::PdeSolve<double> host{system, grid}, other{system, grid, 1, {GetParam()}};
      const Vec params = initial(system), start = smooth_start(std::size_t(system.rhs().channels()) * 72, 0.3, 0.2, 7);
      const auto times = host.time_grid(params, start, 0, {0.7});
      std::vector<Vec> a, b;
      const Vec want = host.forward(params, start, times, &a);
      MG_EXPECT_CLOSE(other.forward(params, start, times, &b), want, 1e-9);
      const Vec bar = test::random_vec(want.size(), 3);
      const auto [x_bar, p_bar] = host.backward(params, a, times, bar);
      const auto [x_bar2, p_bar2] = other.backward(params, a, times, bar);
      MG_EXPECT_CLOSE(x_bar2, x_bar, 1e-9);
      MG_EXPECT_CLOSE(p_bar2, p_bar, 1e-9);
    }
}

}  // namespace
}  // namespace mg::pde
