// Adjoint, tangent, sums and start of the learned right-hand sides, without the reference.
#include <gtest/gtest.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "tests/pde/neural_case.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg::pde {
namespace {

using nlohmann::json;
using test::Vec;

Vec params_of(const NeuralSpec& spec, unsigned seed) {
  Vec p = test::random_vec(neural_param_layout(spec).size(), seed);
  for (double& v : p) v *= 0.25;
  return p;
}

/// <J x_dot, g> = <x_dot, J^T g> to rounding.
void expect_transposed(const Exec& exec, const NeuralSpec& spec, Shape shape) {
  test::NeuralOn<double> on(exec, spec, shape, params_of(spec, 5));
  const Vec x = test::random_vec(shape.size(), 1), x_dot = test::random_vec(shape.size(), 2),
            g = test::random_vec(shape.size(), 3);
  const double lhs = test::dot(on.tangent(x, x_dot), g), rhs = test::dot(x_dot, on.adjoint(x, g, nullptr));
  EXPECT_NEAR(lhs, rhs, 1e-12 * std::sqrt(double(shape.size())) * (std::abs(lhs) + std::abs(rhs) + 1));
}

/// The Taylor rate of slope and parameters together, in units of 0.1 so that its steps are small for polynomials of
/// order 3 and several layers.
void expect_rate(const Exec& exec, const NeuralSpec& spec, Shape shape) {
  const std::size_t n = shape.size(), m = neural_param_layout(spec).size();
  const auto split = [&](Vec v) {
    for (double& k : v) k *= 0.1;
    return std::pair{Vec(v.begin(), v.begin() + n), Vec(v.begin() + n, v.end())};
  };
  Vec at = test::random_vec(n, 6);
  for (double& v : at) v *= 0.5;
  const Vec p = params_of(spec, 7);
  at.insert(at.end(), p.begin(), p.end());
  for (double& v : at) v *= 10;
  test::expect_taylor_rate(
      [&](const Vec& v) {
        const auto [x, params] = split(v);
        return test::NeuralOn<double>(exec, spec, shape, params).slope(x);
      },
      [&](const Vec& v, const Vec& bar) {
        const auto [x, params] = split(v);
        Vec params_bar(m), all = test::NeuralOn<double>(exec, spec, shape, params).adjoint(x, bar, &params_bar);
        all.insert(all.end(), params_bar.begin(), params_bar.end());
        for (double& v2 : all) v2 *= 0.1;
        return all;
      },
      at);
}

/// Every term, padding and order, with nonlinearities that have no kink.
std::vector<std::pair<std::string, NeuralSpec>> smooth_models() {
  std::vector<std::pair<std::string, NeuralSpec>> all;
  const char* reactions[] = {"reaction_pure", "reaction_split"};
  const char* diffusions[] = {"diffusion_linear", "diffusion_nonlinear", "diffusion"};
  int i = 0;
  for (const auto padding : kPaddingNames)
    for (int order = 1; order <= 3; ++order, ++i) {
      NeuralSpec rda = test::rda_of(json{{"channels", 2 + i % 2},
                                         {"padding", padding},
                                         {"dx", 0.8},
                                         {"smoothing", i % 3 == 0 ? 0 : 1},
                                         {"terms", {reactions[i % 2], "advection", diffusions[(i + order) % 3]}},
                                         {"order", order},
                                         {"layers", i % 3},
                                         {"bias", i % 5 != 0}});
      for (NeuralNet& net : rda.nets)
        if (net.outer == NetActivation::relu6) net.outer = NetActivation::softplus;
      if (i % 2 == 0 && rda.linear < rda.linear_end) rda.linear_map = neural::LinearMap::softplus;
      all.emplace_back("rda " + std::string(padding) + " order " + std::to_string(order), rda);
    }
  for (const auto padding : kPaddingNames) {
    NeuralSpec rdc = test::rdc_of(json{{"cell_channels", 1 + i % 2},
                                       {"signal_channels", 1 + i % 3},
                                       {"padding", padding},
                                       {"activation", i % 2 == 0 ? "tanh" : "celu"},
                                       {"outer_activation", "sigmoid"},
                                       {"signal_diffusion", i % 2 == 0 ? "none" : "softplus"}});
    for (NeuralNet& net : rdc.nets)
      if (net.outer == NetActivation::relu) net.outer = NetActivation::softplus;
    all.emplace_back("rdc " + std::string(padding), rdc);
    ++i;
  }
  return all;
}

class NeuralRhsTest : public test::OnEachBackend {
 protected:
  Exec exec{GetParam()};
};
MG_INSTANTIATE_BACKENDS(NeuralRhsTest);

TEST_P(NeuralRhsTest, TangentAndAdjointAreTransposed) {
  for (const auto& [name, spec] : smooth_models()) {
    SCOPED_TRACE(name);
    expect_transposed(exec, spec, {2, spec.channels, 5, 7});
    expect_transposed(exec, spec, {1, spec.channels, 2, 19});
    if (spec.padding != Padding::reflect) expect_transposed(exec, spec, {1, spec.channels, 1, 1});
  }
}

TEST_P(NeuralRhsTest, TaylorRateIsTwo) {
  for (const auto& [name, spec] : smooth_models()) {
    SCOPED_TRACE(name);
    expect_rate(exec, spec, {1, spec.channels, 3, 4});
  }
}

TEST_P(NeuralRhsTest, WritesSumsInTheSamePass) {
  const NeuralSpec spec = test::rda_of(json{{"channels", 3}, {"terms", {"reaction_split", "advection", "diffusion"}}});
  const Shape shape{2, 3, 4, 21};
  test::NeuralOn<double> on(exec, spec, shape, params_of(spec, 1));
  const Vec x = test::random_vec(shape.size(), 2), g = test::random_vec(shape.size(), 3);
  const auto base = on.upload(g), field = on.upload(x);
  for (const bool adjoint : {false, true}) {
    Buffer<double> first(exec, shape.size()), second(exec, shape.size());
    Combination<double> a, b;
    a.out = first.data(), a.base = base.data(), a.r_weight = 0.5;
    b.out = second.data(), b.r_weight = -2;
    b.add(3, base.data());
    const Combinations<double> sums(a, b);
    if (adjoint)
      on.rhs.rhs_adjoint(on.context(), on.view(field), on.view(base), nullptr, sums, nullptr);
    else
      on.rhs.rhs(on.context(), on.view(field), nullptr, sums);
    const auto r = adjoint ? on.adjoint(x, g, nullptr) : on.slope(x);
    Vec want1(r.size()), want2(r.size());
    for (std::size_t i = 0; i < r.size(); ++i) want1[i] = g[i] + 0.5 * r[i], want2[i] = 3 * g[i] - 2 * r[i];
    MG_EXPECT_CLOSE(first.to_vector(), want1, 1e-15);
    MG_EXPECT_CLOSE(second.to_vector(), want2, 1e-15);
  }
}

/// Device and host give the same numbers in single precision, kinks included.
class NeuralTwinDevice : public test::OnEachBackend {};
INSTANTIATE_TEST_SUITE_P(Device, NeuralTwinDevice, ::testing::Values(Backend::cuda), test::backend_name);
TEST_P(NeuralTwinDevice, AgreesWithTheHost) {
  for (const auto& [name, spec] : smooth_models()) {
    SCOPED_TRACE(name);
    const Shape shape{2, spec.channels, 6, 9};
    const Vec p = params_of(spec, 4);
    Vec x = test::random_vec(shape.size(), 8);
    for (double& v : x) v *= 0.5;
    const Vec g = test::random_vec(shape.size(), 9);
    test::NeuralOn<float> host({}, spec, shape, p), device({GetParam()}, spec, shape, p);
    MG_EXPECT_CLOSE(device.slope(x), host.slope(x), 1e-5);
    MG_EXPECT_CLOSE(device.tangent(x, g), host.tangent(x, g), 1e-5);
    std::vector<float> host_bar, device_bar;
    const auto want = host.adjoint(x, g, &host_bar);
    MG_EXPECT_CLOSE(device.adjoint(x, g, &device_bar), want, 1e-5);
    MG_EXPECT_CLOSE(device_bar, host_bar, 1e-5);
  }
}

/// A lattice of many units and groups, where the order of the sums matters.
TEST(NeuralRhsThreads, DoNotChangeTheBits) {
  const NeuralSpec spec = test::rda_of(json{{"channels", 3}, {"terms", {"reaction_split", "advection", "diffusion"}}});
  const Shape shape{1, 3, 70, 67};
  test::NeuralOn<float> on({}, spec, shape, params_of(spec, 1));
  const Vec x = test::random_vec(shape.size(), 2), g = test::random_vec(shape.size(), 3);
  std::vector<float> params_bar, alone_bar;
  const auto x_bar = on.adjoint(x, g, &params_bar);
#ifdef _OPENMP
  const int threads = omp_get_max_threads();
  omp_set_num_threads(threads == 1 ? 3 : 1);
#endif
  EXPECT_EQ(on.adjoint(x, g, &alone_bar), x_bar);
  EXPECT_EQ(alone_bar, params_bar);
#ifdef _OPENMP
  omp_set_num_threads(threads);
#endif
}

TEST(NeuralRhsFields, AreChecked) {
  const NeuralSpec spec = test::rda_of(json{{"channels", 2}, {"padding", "REFLECT"}});
  test::NeuralOn<double> on({}, spec, {1, 2, 1, 5}, params_of(spec, 1));
  EXPECT_THROW(on.slope(Vec(10)), std::invalid_argument);
  test::NeuralOn<double> three({}, spec, {1, 3, 2, 5}, params_of(spec, 1));
  EXPECT_THROW(three.slope(Vec(30)), std::invalid_argument);
}

TEST(NeuralRhsFields, KeepNaN) {
  for (const char* activation : {"tanh", "relu", "relu6"}) {
    const NeuralSpec spec =
        test::rda_of(json{{"channels", 1}, {"activation", activation}, {"stability", 0}, {"terms", {"reaction_pure"}}});
    for (const int w : {1, 40}) {
      test::NeuralOn<float> on({}, spec, {1, 1, 1, w}, params_of(spec, 1));
      Vec x(w);
      x[0] = std::numeric_limits<double>::quiet_NaN();
      EXPECT_TRUE(std::isnan(on.slope(x)[0])) << activation;
    }
  }
}

double weight_norm(const NeuralSpec& spec, const std::string& name, const Vec& p) {
  const Block b = neural_param_layout(spec).at(name);
  double sum = 0;
  for (std::size_t i = b.offset; i < b.offset + b.size; ++i) sum += p[i] * p[i];
  return sum;
}
json with_init(const char* init) {
  return {{"channels", 4},
          {"terms", {"reaction_pure", "diffusion_linear"}},
          {"init", {{"reaction", init}}},
          {"zero_init", {{"reaction", false}}},
          {"order", 2}};
}

TEST(NeuralStart, OrthogonalRowsAreOrthogonal) {
  json config = with_init("orthogonal");
  config["order"] = 1;
  config["init_scale"] = {{"reaction", 0.3}};
  const NeuralSpec spec = test::rda_of(config);
  Vec p(neural_param_layout(spec).size());
  neural_initialise(spec, 11, p);
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {
      double product = 0;
      for (int k = 0; k < 4; ++k) product += p[4 * i + k] * p[4 * j + k];
      EXPECT_NEAR(product, i == j ? 0.09 : 0, 1e-15);
    }
}

TEST(NeuralStart, DiagonalAndPermutedAreNearlyUnitMatrices) {
  for (const char* init : {"diagonal", "permuted"}) {
    const NeuralSpec spec = test::rda_of(with_init(init));  // weights 4 x 14, scale 0.5
    Vec p(neural_param_layout(spec).size());
    neural_initialise(spec, 12, p);
    for (int i = 0; i < 4; ++i) {
      int large = 0;
      for (int j = 0; j < 14; ++j)
        if (p[14 * i + j] > 0.3) {
          ++large;
          EXPECT_TRUE(j == i || std::string(init) == "permuted");
        }
      EXPECT_EQ(large, 1);
    }
  }
}

TEST(NeuralStart, DependsOnTheSeedAlone) {
  const NeuralSpec spec = test::rda_of(with_init("normal"));
  Vec a(neural_param_layout(spec).size()), b = a, c = a;
  neural_initialise(spec, 1, a), neural_initialise(spec, 1, b), neural_initialise(spec, 2, c);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  double square = 0;
  for (int i = 0; i < 4 * 14; ++i) square += a[i] * a[i];
  EXPECT_NEAR(square / (4 * 14), 0.25, 0.12);  // variance of scale 0.5
}

TEST(NeuralStart, ZeroInitAndTies) {
  const NeuralSpec spec = test::rda_of(json{{"channels", 3},
                                            {"terms", {"reaction_split", "advection", "diffusion"}},
                                            {"zero_init", {{"reaction", true}, {"advection", false}}}});
  Vec p(neural_param_layout(spec).size());
  neural_initialise(spec, 5, p);
  EXPECT_EQ(weight_norm(spec, "reaction.decay.1.weight", p), 0);
  EXPECT_EQ(weight_norm(spec, "reaction.decay.1.bias", p), 0);
  EXPECT_GT(weight_norm(spec, "reaction.decay.0.weight", p), 0);
  EXPECT_EQ(dead_starts(spec), (std::vector<std::string>{"reaction.production", "reaction.decay"}));
  const Block w = neural_param_layout(spec).at("advection.1.weight");
  for (std::size_t i = 0; i < w.size / 2; ++i) EXPECT_EQ(p[w.offset + i], p[w.offset + w.size / 2 + i]);
}

TEST(NeuralStart, EdgeOfRelu6RevivesIt) {
  json config{{"channels", 2}, {"terms", {"reaction_split"}}};
  for (const double edge : {0.0, 0.5}) {
    config["compat"] = {{"relu6_zero_grad", edge}};
    const NeuralSpec spec = test::rda_of(config);
    Vec p(neural_param_layout(spec).size());
    neural_initialise(spec, 5, p);
    const Shape shape{1, 2, 3, 3};
    test::NeuralOn<double> on({}, spec, shape, p);
    std::vector<double> params_bar;
    on.adjoint(test::random_vec(shape.size(), 1), test::random_vec(shape.size(), 2), &params_bar);
    EXPECT_EQ(weight_norm(spec, "reaction.production.1.weight", params_bar) > 0, edge > 0);
  }
}

TEST(NeuralConfig, RefusesUnknownTerms) {
  const auto error = [](json terms, json compat = json::object()) {
    return test::config_error([&] { test::rda_of(json{{"terms", terms}, {"compat", compat}}); });
  };
  EXPECT_NE(error({"reaction_pur"}).find("did you mean \"reaction_pure\""), std::string::npos);
  EXPECT_NE(error({"reaction", "advection"}).find("unknown term \"reaction\""), std::string::npos);
  EXPECT_NE(error({"reaction_pure", "reaction_split"}).find("exclude each other"), std::string::npos);
  EXPECT_NE(error({"advection", "advection"}).find("twice"), std::string::npos);
  const json ignore{{"unknown_terms", "ignore"}}, alias{{"reaction_alias", true}};
  EXPECT_NE(error({"reaction"}, ignore).find("no term is left"), std::string::npos);
  EXPECT_EQ(test::rda_of(json{{"terms", {"reaction", "advection"}}, {"compat", ignore}}).nets.size(), 1U);
  const NeuralSpec spec = test::rda_of(json{{"terms", {"reaction", "advection"}}, {"compat", alias}});
  EXPECT_EQ(spec.nets[0].name, "reaction.production");
}

/// The printed parameter count of notebooks of the reference: reaction_split, advection, diffusion_nonlinear.
TEST(NeuralConfig, CountsParameters) {
  EXPECT_EQ(feature_count(2, 2), 5);
  EXPECT_EQ(feature_count(3, 3), 19);
  const NeuralSpec spec = test::rda_of(json{{"channels", 4}, {"terms", {"reaction_pure", "diffusion_linear"}}});
  EXPECT_EQ(neural_param_layout(spec).size(), 2U * (16 + 4) + 4);
  EXPECT_THROW(feature_count(1000, 8), std::invalid_argument);
}

}  // namespace
}  // namespace mg::pde
