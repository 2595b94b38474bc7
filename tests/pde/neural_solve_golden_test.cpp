// Trajectories of the reference's learned equations and their gradients.
#include <gtest/gtest.h>

#include "pde/register.hpp"
#include "tests/pde/neural_case.hpp"
#include "tests/pde/pde_solve.hpp"

namespace mg::pde {
namespace {

TEST(NeuralSolveGolden, TrajectoriesAndGradients) {
  Registry<System<double>> systems;
  register_systems(systems);
  Schema schema("test", "");
  schema.variant("model", systems.variants(), std::nullopt, "");
  for (const auto& path : test::golden_files("pde", "solve_rda_")) {
    SCOPED_TRACE(path.filename().string());
    const test::Golden g = test::load_golden(path);
    nlohmann::json model = test::rda_json(g.params().at("model"));
    const NeuralSpec spec = test::rda_of(model);
    model["type"] = "rda";
    model["solver"] = {
        {"type", g.params().at("SOLVER")},
        {"time_grid", "prescribed"},
        {"times", g.values("steps.t")}};  // the adaptive grids too: their gradient is that of a frozen grid
    const auto system = systems.create(test::configure(schema, nlohmann::json{{"model", model}}.dump()).at("model"));
    const auto ts = g.values("in.ts"), y0 = g.values("in.y0");
    const auto d = g.shape("in.y0");
    std::vector<double> params, want_bar;
    for (const Block& block : system->param_layout().blocks()) {
      const std::string name = test::reference_name("rda", block.name);
      for (const double v : g.values("param." + name)) params.push_back(v);
      for (const double v : g.values("vjp." + name)) want_bar.push_back(v);
    }
    test::PdeSolve<double> solve{*system, {int(d[1]), int(d[2])}};
    // The save at the start is the state itself.
    const std::vector<double> later(ts.begin() + 1, ts.end());
    const auto n = std::ptrdiff_t(y0.size());
    const auto after_start = [&](const std::vector<double>& all) {
      return std::vector<double>(all.begin() + n, all.end());
    };
    const TimeGrid times = solve.time_grid(params, y0, ts[0], later);
    std::vector<std::vector<double>> states;
    MG_EXPECT_CLOSE(solve.forward(params, y0, times, &states), after_start(g.values("out.ys")), 1e-10);
    const auto cot = g.values("cot.ys");
    auto [y0_bar, params_bar] = solve.backward(params, states, times, after_start(cot));
    for (std::ptrdiff_t i = 0; i < n; ++i) y0_bar[std::size_t(i)] += cot[std::size_t(i)];
    MG_EXPECT_CLOSE(y0_bar, g.values("vjp.y0"), 1e-10);
    MG_EXPECT_CLOSE(params_bar, want_bar, 1e-10);
  }
}

}  // namespace
}  // namespace mg::pde
