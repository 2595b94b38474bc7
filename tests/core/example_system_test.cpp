#include <gtest/gtest.h>

#include <cmath>

#include "tests/core/example_system.hpp"
#include "tests/support/config.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg {
namespace {

std::unique_ptr<System<double>> build(const std::string& json) {
  Registry<System<double>> registry;
  example::register_systems(registry);
  const Schema schema = Schema("test", "").variant("model", registry.variants(), std::nullopt, "model under test");
  return registry.create(test::configure(schema, R"({"model": )" + json + "}").at("model"));
}

struct Steps {
  std::unique_ptr<System<double>> system;
  Layout layout;
  int batch;
  StepIndex index{.h = 0.5};
  Workspace workspace{};

  std::size_t state_size() const { return std::size_t(batch) * layout.size(); }
  /// From (state, params) to the next state: the map whose adjoint is tested.
  std::vector<double> forward(const std::vector<double>& all) {
    std::vector<double> next(state_size());
    system->step({}, index, all.data() + state_size(), {}, {all.data(), &layout, batch}, {next.data(), &layout, batch},
                 workspace);
    return next;
  }
  std::vector<double> adjoint(const std::vector<double>& all, const std::vector<double>& next_bar) {
    std::vector<double> bars(all.size());
    system->step_adjoint({}, index, all.data() + state_size(), {}, {all.data(), &layout, batch},
                         {next_bar.data(), &layout, batch}, {bars.data(), &layout, batch}, bars.data() + state_size(),
                         workspace);
    return bars;
  }
};

Steps steps(const std::string& json, Grid grid, int batch) {
  auto system = build(json);
  Layout layout = system->state_layout(grid);
  return {std::move(system), std::move(layout), batch};
}

TEST(ExampleSystem, TaylorRateInStateAndParameters) {
  for (const char* padding : {"ZEROS", "REFLECT", "REPLICATE", "CIRCULAR"}) {
    SCOPED_TRACE(padding);
    Steps s = steps(std::string(R"({"type": "diffusion", "channels": 3, "padding": ")") + padding + "\"}", {5, 7}, 2);
    test::expect_taylor_rate([&](const auto& v) { return s.forward(v); },
                             [&](const auto& v, const auto& bar) { return s.adjoint(v, bar); },
                             test::random_vec(s.state_size() + 3, 1));
  }
}

TEST(ExampleSystem, StateAdjointIsExact) {
  Steps s = steps(R"("diffusion")", {3, 5}, 2);
  const std::vector<double> rate(4, 0.3);
  const auto with_rate = [&](std::vector<double> x) {
    x.insert(x.end(), rate.begin(), rate.end());
    return x;
  };
  test::expect_adjoint([&](const auto& x) { return s.forward(with_rate(x)); },
                       [&](const auto& y) {
                         auto bars = s.adjoint(with_rate(std::vector<double>(s.state_size())), y);
                         bars.resize(s.state_size());
                         return bars;
                       },
                       s.state_size(), s.state_size());
}

TEST(ExampleSystem, InitialRatesDependOnTheSeedOnly) {
  const auto system = build(R"("diffusion")");
  std::vector<double> a(4), b(4), c(4);
  system->initialise(7, a);
  system->initialise(7, b);
  system->initialise(8, c);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
}

}  // namespace
}  // namespace mg
