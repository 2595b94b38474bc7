#include <gtest/gtest.h>

#include <tuple>

#include "core/validate.hpp"
#include "pde/register.hpp"
#include "tests/pde/pde_solve.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/config.hpp"
#include "tests/support/golden.hpp"

namespace mg {
namespace {

class SolverBackends : public test::OnEachBackend {};

struct Solved {
  TimeGrid times;
  std::vector<float> saved, start_bar, params_bar;
};

/// Gray-Scott on 9 x 7 cells under `solver`, and a gradient through all saves, on the steps of `times` if given.
Solved solve(Backend backend, const std::string& solver, const TimeGrid* times) {
  Registry<System<float>> registry;
  pde::register_systems(registry);
  const Schema schema = Schema("test", "").variant("model", registry.variants(), std::nullopt, "model");
  const auto system = registry.create(
      test::configure(schema, R"({"model": {"type": "gray_scott", "dx": 0.7, "solver": )" + solver + "}}").at("model"));
  const Grid grid{9, 7};
  test::PdeSolve<float> run{*system, grid, 1, Exec{backend, nullptr}};
  std::vector<float> params(system->param_layout().size()), start, bars;
  system->initialise(0, params);
  for (const double x : test::random_vec(2 * 63, 3)) start.push_back(float(0.5 + 0.1 * x));
  Solved out;
  out.times = times != nullptr ? *times : run.time_grid(params, start, 0, {0, 3.1, 7});
  for (const double x : test::random_vec(3 * 2 * 63, 4)) bars.push_back(float(x));
  std::vector<std::vector<float>> states;
  out.saved = run.forward(params, start, out.times, &states);
  std::tie(out.start_bar, out.params_bar) = run.backward(params, states, out.times, bars);
  return out;
}

TEST_P(SolverBackends, AgreeWithTheHostAndWithThemselves) {
  for (const std::string solver :
       {R"({"type": "tsit5", "dt": 0, "adaptive": {}})", R"({"type": "heun", "dt": 0.5, "stability": "off"})",
        R"({"type": "rkc2", "dt": 1.7, "adaptive": {"norm": "max"}})"}) {
    SCOPED_TRACE(solver);
    const Solved host = solve(Backend::host, solver, nullptr), got = solve(GetParam(), solver, nullptr),
                 again = solve(GetParam(), solver, &got.times);
    ASSERT_EQ(got.times.steps.size(), host.times.steps.size());
    for (std::size_t k = 0; k < got.times.steps.size(); ++k) {  // an error estimate in float cancels to a few digits
      EXPECT_NEAR(got.times.steps[k].h, host.times.steps[k].h, 2e-2 * host.times.steps[k].h);
      EXPECT_EQ(got.times.steps[k].stages, host.times.steps[k].stages);
    }
    const Solved same_grid = solve(GetParam(), solver, &host.times);
    MG_EXPECT_CLOSE(same_grid.saved, host.saved, 1e-5);
    MG_EXPECT_CLOSE(same_grid.start_bar, host.start_bar, 1e-5);
    EXPECT_EQ(got.saved, again.saved);
    EXPECT_EQ(got.start_bar, again.start_bar);
    EXPECT_EQ(got.params_bar, again.params_bar);
  }
}

MG_INSTANTIATE_BACKENDS(SolverBackends);

}  // namespace
}  // namespace mg
