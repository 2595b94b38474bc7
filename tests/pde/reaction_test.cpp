#include <gtest/gtest.h>

#include "core/padding.hpp"
#include "pde/reaction_diffusion.hpp"
#include "tests/pde/rhs_runner.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"

namespace mg {
namespace {

using test::Vec;

std::string json(std::string_view type, std::string_view padding, int smoothing = 1) {
  return "{\"type\": \"" + std::string(type) + "\", \"padding\": \"" + std::string(padding) +
         "\", \"dx\": 0.7, \"smoothing\": " + std::to_string(smoothing) + "}";
}

/// Values away from 0, where some reactions divide.
Vec state(std::size_t n) {
  Vec x = test::random_vec(n, 11);
  for (double& v : x) v = 1 + 0.2 * v;
  return x;
}

TEST(Reaction, AdjointOfEveryModelAndPadding) {
  for (const auto& model : pde::reactions())
    for (const auto padding : kPaddingNames)
      for (const Shape shape :
           {Shape{2, model.fields, 5, 19}, Shape{1, model.fields, 2, 2}, Shape{1, model.fields, 3, 33}}) {
        SCOPED_TRACE(std::string(model.name) + " " + std::string(padding) + " " + std::to_string(shape.w));
        test::expect_rhs_adjoint(*test::fixed_model<double>(json(model.name, padding, shape.h == 3 ? 0 : 1)), shape,
                                 state(shape.size()));
      }
}

TEST(Reaction, OneCell) {
  for (const auto padding : {"ZEROS", "REPLICATE", "CIRCULAR"})
    test::expect_rhs_adjoint(*test::fixed_model<double>(json("gray_scott", padding)), {1, 2, 1, 1}, state(2));
  const auto mirror = test::fixed_model<double>(json("gray_scott", "REFLECT"));
  EXPECT_THROW((test::RhsRunner<double>(*mirror, {1, 2, 1, 1}).value(state(2))), std::invalid_argument);
}

TEST(Reaction, FixedPointAndConservation) {
  for (const auto padding : {"REPLICATE", "CIRCULAR", "REFLECT"}) {
    const auto rhs = test::fixed_model<double>(json("gray_scott", padding));
    const Shape shape{1, 2, 7, 20};
    Vec x(shape.size(), 0);
    std::fill_n(x.begin(), shape.plane(), 1.0);
    for (double v : test::RhsRunner<double>(*rhs, shape).value(x)) EXPECT_NEAR(v, 0, 1e-13);
  }
  const auto heat =
      test::fixed_model<double>(R"({"type": "fisher_kpp", "padding": "REPLICATE", "params": {"rate": 0}})");
  const Shape shape{1, 1, 9, 13};
  double sum = 0;
  for (double v : test::RhsRunner<double>(*heat, shape).value(test::random_vec(shape.size(), 3))) sum += v;
  EXPECT_NEAR(sum, 0, 1e-12);
}

TEST(Reaction, SumsOfTheSamePass) {
  const auto rhs = test::fixed_model<double>(json("brusselator", "ZEROS"));
  const Shape shape{2, 2, 4, 37};
  const Vec x = state(shape.size()), base = test::random_vec(shape.size(), 12);
  const auto got = test::RhsRunner<double>(*rhs, shape).value_with(x, base, 0.3);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(got.sum[i], base[i] + 0.3 * got.slope[i], 1e-14);
}

class ReactionBackends : public test::OnEachBackend {};

TEST_P(ReactionBackends, EqualHost) {
  for (const auto& model : pde::reactions())
    for (const auto padding : kPaddingNames) {
      SCOPED_TRACE(std::string(model.name) + " " + std::string(padding));
      const auto rhs = test::fixed_model<float>(json(model.name, padding));
      const Shape shape{2, model.fields, 9, 21};
      const test::RhsRunner<float> here(*rhs, shape), there(*rhs, shape, GetParam());
      const Vec x = state(shape.size()), bar = test::random_vec(shape.size(), 13);
      const auto want = here.value_with(x, bar, 0.5), got = there.value_with(x, bar, 0.5);
      MG_EXPECT_CLOSE(got.slope, want.slope, 1e-6);
      MG_EXPECT_CLOSE(got.sum, want.sum, 1e-6);
      const auto want_bar = here.adjoint(x, bar), got_bar = there.adjoint(x, bar);
      MG_EXPECT_CLOSE(got_bar.x_bar, want_bar.x_bar, 1e-6);
      MG_EXPECT_CLOSE(got_bar.params_bar, want_bar.params_bar, 1e-5);
      MG_EXPECT_CLOSE(there.tangent(x, bar), here.tangent(x, bar), 1e-6);
    }
}
MG_INSTANTIATE_BACKENDS(ReactionBackends);

}  // namespace
}  // namespace mg
