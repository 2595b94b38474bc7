// The step and its adjoint in double: dot products where it is linear, Taylor remainders where it is not, refusals.
#include <gtest/gtest.h>

#include "nca/nca_system.hpp"
#include "tests/nca/nca_random.hpp"

namespace mg::nca {
namespace {

using test::RandomCase;
using test::Vec;

/// State and parameters of a step as one vector.
struct Joined {
  explicit Joined(RandomCase<double>& rc) : c(rc) {}
  Vec value() const {
    Vec all = c.x.data;
    all.insert(all.end(), c.params.begin(), c.params.end());
    return all;
  }
  Vec step(const Vec& all) {
    Vec next(c.shape.size());
    nca_step<double>({}, c.spec, all.data() + c.shape.size(), c.inputs(), {all.data(), c.shape}, {next.data(), c.shape},
                     c.workspace);
    return next;
  }
  Vec adjoint(const Vec& all, const Vec& next_bar) {
    Vec bar(all.size());
    nca_step_adjoint<double>({}, c.spec, all.data() + c.shape.size(), c.inputs(), {all.data(), c.shape},
                             {next_bar.data(), c.shape}, {bar.data(), c.shape}, bar.data() + c.shape.size(),
                             c.workspace);
    return bar;
  }
  RandomCase<double>& c;
};

/// Thresholds of the alive test would spoil the rate: the tangent is small against their distance.
void expect_taylor(const NcaSpec& spec, Shape shape, unsigned seed) {
  shape.c = spec.channels;
  RandomCase<double> c(spec, shape, seed);
  Joined j(c);
  const double scale = 0.02;
  const Vec at = j.value();
  const auto point = [&](const Vec& offset) {
    Vec v = at;
    for (std::size_t i = 0; i < v.size(); ++i) v[i] += scale * offset[i];
    return v;
  };
  test::expect_taylor_rate([&](const Vec& d) { return j.step(point(d)); },
                           [&](const Vec& d, const Vec& bar) {
                             Vec g = j.adjoint(point(d), bar);
                             for (double& v : g) v *= scale;
                             return g;
                           },
                           Vec(at.size()));
}

TEST(NcaStep, AdjointPassesTheTaylorTest) {
  for (auto [name, spec] : test::assorted_specs()) {
    SCOPED_TRACE(name);
    if (spec.activation == Activation::relu || spec.activation == Activation::leaky_relu ||
        spec.activation == Activation::relu6)
      spec.activation = Activation::tanh;  // a kink has no rate; goldens cover these
    expect_taylor(spec, {2, 0, 5, 6}, 21);
  }
  NcaSpec wide;
  wide.channels = 3;
  wide.activation = Activation::gelu;
  wide.perception.diff = wide.perception.grad = true;
  expect_taylor(wide, {1, 0, 4, 5}, 22);
  wide.perception.scale = 2;
  expect_taylor(wide, {1, 0, 6, 5}, 23);
}

TEST(NcaStep, DotProductOfTheLinearModel) {
  for (const Padding padding : {Padding::zeros, Padding::reflect, Padding::replicate, Padding::circular})
    for (const Boundary boundary : {Boundary::none, Boundary::soft, Boundary::hard})
      for (Shape shape : {Shape{1, 4, 1, 1}, Shape{2, 4, 3, 5}, Shape{1, 4, 7, 2}}) {
        if (padding == Padding::reflect && shape.h < 2) continue;
        NcaSpec spec;
        spec.channels = 4;
        spec.activation = Activation::linear;
        spec.output_bias = false;
        spec.perception.grad = spec.perception.av = true;
        spec.perception.padding = padding;
        spec.boundary = boundary;
        RandomCase<double> c(spec, shape);
        const auto with_params = [&](const Vec& x) {
          Vec all = x;
          all.insert(all.end(), c.params.begin(), c.params.end());
          return all;
        };
        Joined k(c);
        const Vec constant = k.step(with_params(Vec(shape.size())));
        test::expect_adjoint(
            [&](const Vec& x) {
              Vec y = k.step(with_params(x));
              for (std::size_t i = 0; i < y.size(); ++i) y[i] -= constant[i];
              return y;
            },
            [&](const Vec& bar) {
              Vec g = k.adjoint(with_params(Vec(shape.size())), bar);
              g.resize(shape.size());
              return g;
            },
            shape.size(), shape.size());
      }
}

/// At the initial values the model is the identity, the hidden weights get no gradient and the output weights do.
template <class T>
void check_initial(bool gated) {
  NcaSpec spec;
  spec.gated = gated;
  spec.hidden_bias = true;
  const NcaSystem<T> system(spec);
  std::vector<T> params(system.param_layout().size()), again(params.size()), params_bar(params.size());
  system.initialise(5, params);
  system.initialise(5, again);
  EXPECT_EQ(params, again);
  const Layout layout = system.state_layout({6, 7});
  const Shape shape{2, spec.channels, 6, 7};
  const auto x = RandomCase<T>::template scaled<T>(shape.size(), 3, 1),
             bar = RandomCase<T>::template scaled<T>(shape.size(), 4, 1);
  std::vector<T> next(x.size()), x_bar(x.size());
  Workspace workspace;
  const StepIndex index{1, 0, 0, 0, 0, 1};
  system.step({}, index, params.data(), {}, {x.data(), &layout, 2}, {next.data(), &layout, 2}, workspace);
  EXPECT_EQ(x, next);
  system.step_adjoint({}, index, params.data(), {}, {x.data(), &layout, 2}, {bar.data(), &layout, 2},
                      {x_bar.data(), &layout, 2}, params_bar.data(), workspace);
  EXPECT_EQ(bar, x_bar);
  const double limit = 1 / std::sqrt(double(spec.features()));
  for (const Block& block : system.param_layout().blocks()) {
    double largest = 0, gradient = 0;
    for (std::size_t i = block.offset; i < block.offset + block.size; ++i) {
      largest = std::max(largest, std::abs(double(params[i])));
      gradient = std::max(gradient, std::abs(double(params_bar[i])));
    }
    const bool hidden = block.name.starts_with("hidden.");
    EXPECT_EQ(gradient == 0, hidden) << block.name;
    EXPECT_LE(largest, hidden ? limit : 0.0);
    if (hidden) {
      EXPECT_GT(largest, 0.9 * limit);
    }
  }
}

TEST(NcaStep, InitialModelIsTheIdentity) {
  for (bool gated : {false, true}) {
    check_initial<double>(gated);
    check_initial<float>(gated);
  }
}

TEST(NcaStep, RefusesWhatDoesNotFit) {
  NcaSpec spec;
  spec.channels = 4;
  const auto run = [&](Shape x, Shape next) {
    std::vector<double> a(x.size()), b(next.size()), p(nca_param_layout(spec).size());
    Workspace workspace;
    nca_step<double>({}, spec, p.data(), {}, {a.data(), x}, {b.data(), next}, workspace);
  };
  EXPECT_NO_THROW(run({1, 4, 3, 3}, {1, 4, 3, 3}));
  EXPECT_THROW(run({1, 5, 3, 3}, {1, 5, 3, 3}), std::invalid_argument);
  EXPECT_THROW(run({1, 4, 3, 3}, {1, 4, 3, 4}), std::invalid_argument);
  spec.boundary = Boundary::soft;
  EXPECT_THROW(run({1, 4, 3, 3}, {1, 4, 3, 3}), std::invalid_argument) << "no mask";
  spec.boundary_channels = 4;
  EXPECT_THROW(check(spec), std::invalid_argument);
  spec = {};
  spec.fire_rate = 0;
  EXPECT_THROW(check(spec), std::invalid_argument);
  spec = {};
  spec.alive = true;
  spec.alive_channel = 16;
  EXPECT_THROW(check(spec), std::invalid_argument);
  spec = {};
  spec.perception.padding = Padding::reflect;
  spec.channels = 4;
  EXPECT_THROW(run({1, 4, 1, 3}, {1, 4, 1, 3}), std::invalid_argument);
}

}  // namespace
}  // namespace mg::nca
