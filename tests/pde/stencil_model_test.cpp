#include <gtest/gtest.h>

#include <numeric>

#include "pde/reaction_diffusion.hpp"
#include "pde/stencil_model.hpp"
#include "tests/pde/rhs_runner.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"

namespace mg {
namespace {

using test::Vec;

Vec state(std::size_t n) {
  Vec x = test::random_vec(n, 11);
  for (double& v : x) v = 0.6 + 0.2 * v;
  return x;
}

std::string json(std::string_view type, std::string_view padding, const std::string& rest = "") {
  return "{\"type\": \"" + std::string(type) + "\", \"padding\": \"" + std::string(padding) + "\", \"dx\": 0.8" + rest +
         "}";
}

/// A valued side of each kind, two of them trainable.
const std::string kBoundary = R"(, "boundary": [
  {"sides": ["top"], "kind": "dirichlet", "value": 0.7, "trainable": true},
  {"sides": ["left"], "kind": "neumann", "value": 0.2},
  {"sides": ["right", "bottom"], "kind": "robin", "a": 0.5, "b": 1.5, "value": -0.3, "trainable": true}])";

Vec obstacle(Shape shape) {
  Vec mask(shape.cells(), 0);
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = i % 7 == 3 ? 1 : 0;
  return mask;
}

TEST(StencilModel, AdjointOfEveryModelAndPadding) {
  for (const auto& model : pde::stencil_models())
    for (const auto padding : kPaddingNames)
      for (const int smoothing : {0, 1}) {
        SCOPED_TRACE(std::string(model.name) + " " + std::string(padding));
        const int fields = int(model.fields.size()) - model.intermediates;
        const Shape shape = smoothing ? Shape{2, fields, 5, 7} : Shape{1, fields, 3, 2};
        test::expect_rhs_adjoint(
            *test::fixed_model<double>(json(model.name, padding, ", \"smoothing\": " + std::to_string(smoothing))),
            shape, state(shape.size()));
      }
  const Shape shape{1, 2, 4, 5};
  test::expect_rhs_adjoint(
      *test::fixed_model<double>(json("hillen_painter", "CIRCULAR", ", \"diffusion\": \"linear\"")), shape,
      state(shape.size()));
}

/// Every fixed model with its number of fields.
std::vector<std::pair<std::string, int>> all_models() {
  std::vector<std::pair<std::string, int>> all;
  for (const auto& m : pde::reactions()) all.emplace_back(m.name, m.fields);
  for (const auto& m : pde::stencil_models()) all.emplace_back(m.name, int(m.fields.size()) - m.intermediates);
  return all;
}

TEST(Boundary, AdjointOfEveryModel) {
  for (const auto& [model, fields] : all_models())
    for (const auto padding : {"ZEROS", "REFLECT"}) {
      SCOPED_TRACE(model);
      const Shape shape{2, fields, 4, 5};
      test::expect_rhs_adjoint(*test::fixed_model<double>(json(model, padding, kBoundary)), shape, state(shape.size()));
    }
}

TEST(Obstacles, AdjointOfEveryModel) {
  for (const auto& [model, fields] : all_models())
    for (const std::string kind : {"no_flux", "hold"}) {
      SCOPED_TRACE(model + " " + kind);
      const Shape shape{2, fields, 4, 5};
      const auto rhs = test::fixed_model<double>(
          json(model, kind == "hold" ? "REPLICATE" : "CIRCULAR", ", \"obstacles\": \"" + kind + "\""));
      test::expect_rhs_adjoint(*rhs, shape, state(shape.size()), obstacle(shape));
      test::RhsRunner<double> run(*rhs, shape);
      run.set_conditions(obstacle(shape));
      const Vec slope = run.value(state(shape.size()));
      for (int n = 0; n < 2; ++n)
        for (std::size_t i = 0; i < shape.plane(); ++i)
          if (obstacle(shape)[n * shape.plane() + i] > 0) {
            EXPECT_EQ(slope[n * shape.size() / 2 + i], 0);
          }
    }
}

// Nothing flows into the obstacles: diffusion alone conserves what is outside of them.
TEST(Obstacles, NoFluxConserves) {
  for (const auto padding : {"CIRCULAR", "REPLICATE"}) {
    const auto rhs =
        test::fixed_model<double>(json("fisher_kpp", padding, R"(, "obstacles": "no_flux", "params": {"rate": 0})"));
    const Shape shape{1, 1, 6, 9};
    test::RhsRunner<double> run(*rhs, shape);
    run.set_conditions(obstacle(shape));
    const Vec slope = run.value(state(shape.size()));
    EXPECT_NEAR(std::accumulate(slope.begin(), slope.end(), 0.0), 0, 1e-13);
  }
}

// D u'' = 0 with u = g on the left wall and b du/dn + a u = g on the right one is a straight line.
TEST(Boundary, SteadyStateIsALine) {
  const auto rhs = test::fixed_model<double>(R"({"type": "fisher_kpp", "padding": "REPLICATE", "dx": 0.25,
    "params": {"rate": 0}, "boundary": [{"sides": ["left"], "value": 2},
    {"sides": ["right"], "kind": "robin", "a": 2, "b": 3, "value": 5}]})");
  const Shape shape{1, 1, 4, 12};
  const double length = 12 * 0.25, slope = (5 - 2 * 2) / (3 + 2 * length);
  Vec x(shape.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 2 + slope * 0.25 * (double(i % 12) + 0.5);
  for (double v : test::RhsRunner<double>(*rhs, shape).value(x)) EXPECT_NEAR(v, 0, 1e-11);
}

TEST(Boundary, ErrorsNameTheirPlace) {
  const auto fails = [](const std::string& model) {
    return test::config_error([&] { test::fixed_model<double>(model); });
  };
  EXPECT_NE(fails(json("gray_scott", "ZEROS", R"(, "boundary": [{"sides": ["top"]}, {"sides": ["top"]}])"))
                .find("/model/boundary/1/sides"),
            std::string::npos);
  EXPECT_NE(fails(json("gray_scott", "ZEROS", ", \"kernel_scale\": 2")).find("/model/kernel_scale"), std::string::npos);
  EXPECT_NE(fails(json("gray_scott", "ZEROS", R"(, "params": {"DA": -1})")).find("/model/params/DA"),
            std::string::npos);
}

class StencilModelBackends : public test::OnEachBackend {};

TEST_P(StencilModelBackends, EqualHost) {
  for (const auto& [model, fields] : all_models())
    for (const std::string& rest : {kBoundary, std::string(R"(, "obstacles": "no_flux")")}) {
      SCOPED_TRACE(model);
      const auto rhs = test::fixed_model<float>(json(model, "REPLICATE", rest));
      const Shape shape{2, fields, 5, 9};
      test::RhsRunner<float> here(*rhs, shape), there(*rhs, shape, GetParam());
      if (rest != kBoundary) here.set_conditions(obstacle(shape)), there.set_conditions(obstacle(shape));
      const Vec x = state(shape.size()), bar = test::random_vec(shape.size(), 13);
      const auto want = here.value_with(x, bar, 0.5), got = there.value_with(x, bar, 0.5);
      MG_EXPECT_CLOSE(got.slope, want.slope, 1e-5);
      MG_EXPECT_CLOSE(got.sum, want.sum, 1e-5);
      const auto want_bar = here.adjoint(x, bar), got_bar = there.adjoint(x, bar);
      MG_EXPECT_CLOSE(got_bar.x_bar, want_bar.x_bar, 1e-5);
      MG_EXPECT_CLOSE(got_bar.params_bar, want_bar.params_bar, 1e-5);
      MG_EXPECT_CLOSE(there.tangent(x, bar), here.tangent(x, bar), 1e-5);
    }
}
MG_INSTANTIATE_BACKENDS(StencilModelBackends);

}  // namespace
}  // namespace mg
