#include "train/optimiser.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/support/backends.hpp"
#include "tests/support/gradcheck.hpp"
#include "tests/train/optimiser_cases.hpp"
#include "train/schedule.hpp"

namespace mg::train {
namespace {

template <class T>
struct Descent {
  Exec exec;
  Layout layout;
  std::unique_ptr<Optimiser<T>> optimiser;
  Buffer<T> params, gradient;

  Descent(Backend backend, const std::string& json, const Layout& l, const std::vector<double>& start)
      : exec{backend, nullptr},
        layout(l),
        optimiser(make_optimiser<T>(test::optimiser_config(json), layout, exec)),
        params(exec, start.size()),
        gradient(exec, start.size()) {
    params.upload(std::vector<T>(start.begin(), start.end()));
  }
  void step(const std::vector<double>& g) {
    gradient.upload(std::vector<T>(g.begin(), g.end()));
    optimiser->step(exec, params.data(), gradient.data());
  }
};

Layout one() { return Layout().add("theta", {1}); }
Layout three() { return Layout().add("a", {30, 20}).add("b", {7}).add("c", {5, 1000}); }

TEST(Optimiser, PublishedLines) {
  const std::string lr = R"("lr": {"type": "exponential", "initial": 1e-3, "steps": 10, "rate": 0.99})";
  const double gradients[] = {1, 2, -1, .5};
  const std::vector<std::pair<std::string, std::vector<double>>> lines = {
      {"adam", {.999000000, .998035788, .997616542, .997164424}},
      {"nadam", {.998526316, .997252927, .997215992, .996758291}},
      {"adamw", {.998999900}},
      {"nadamw", {.998526216}},
  };
  for (const auto& [type, want] : lines) {
    Descent<double> run(Backend::host, R"({"type": ")" + type + R"(", )" + lr + "}", one(), {1.0});
    for (std::size_t k = 0; k < want.size(); ++k) {
      run.step({gradients[k]});
      EXPECT_NEAR(run.params.to_vector()[0], want[k], 6e-10) << type << " step " << k;
    }
  }
}

TEST(Optimiser, TransformsScaleTheGradientInOrder) {
  // theta = (3, 4 | 0), g = (6, 8 | 2): norms 5 and 0, 10 and 2.
  const Layout layout = Layout().add("a", {2}).add("b", {1});
  const auto update = [&](const std::string& transforms) {
    Descent<double> run(Backend::host, R"({"type": "sgd", "lr": 1, "transforms": [)" + transforms + "]}", layout,
                        {3, 4, 0});
    run.step({6, 8, 2});
    const auto theta = run.params.to_vector();
    return std::vector<double>{3 - theta[0], 4 - theta[1], -theta[2]};
  };
  const auto near = [](const std::vector<double>& got, const std::vector<double>& want) {
    for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-7) << i;
  };
  near(update(""), {6, 8, 2});
  near(update(R"("param_block_norm")"), {30, 40, 2e-3});
  near(update(R"("tensor_normalise")"), {.6, .8, 1});
  near(update(R"({"type": "clip_global_norm", "max": 1})"),
       {6 / std::sqrt(104.0), 8 / std::sqrt(104.0), 2 / std::sqrt(104.0)});
  near(update(R"({"type": "clip_global_norm", "max": 11})"), {6, 8, 2});
  near(update(R"({"type": "clip_block_rms", "max": 1})"), {6 / std::sqrt(50.0), 8 / std::sqrt(50.0), 1});
  near(update(R"("tensor_normalise", "param_block_norm")"), {3, 4, 1e-3});
  near(update(R"("param_block_norm", "tensor_normalise")"), {.6, .8, 2e-3 / (2e-3 + 1e-8)});
  near(update(R"("tensor_normalise", {"type": "clip_global_norm", "max": 1})"),
       {.6 / std::sqrt(2.0), .8 / std::sqrt(2.0), 1 / std::sqrt(2.0)});
}

TEST(Optimiser, MomentumAndNesterov) {
  Descent<double> plain(Backend::host, R"({"type": "sgd", "lr": 0.1, "momentum": 0.9})", one(), {0});
  Descent<double> nesterov(Backend::host, R"({"type": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": true})", one(),
                           {0});
  double m = 0, theta = 0, theta_nesterov = 0;
  for (double g : {1.0, -2.0, 0.5}) {
    m = 0.9 * m + g;
    theta -= 0.1 * m;
    theta_nesterov -= 0.1 * (g + 0.9 * m);
    plain.step({g});
    nesterov.step({g});
    EXPECT_NEAR(plain.params.to_vector()[0], theta, 1e-15);
    EXPECT_NEAR(nesterov.params.to_vector()[0], theta_nesterov, 1e-15);
  }
}

TEST(Optimiser, NoiseOnTheGradientFadesAndFollowsItsSeed) {
  const Layout layout = Layout().add("theta", {4000});
  const auto deviation = [&](int seed, int updates, std::vector<double>* first = nullptr) {
    Descent<double> run(
        Backend::host,
        R"({"type": "noisy_sgd", "lr": 1, "eta": 0.04, "gamma": 1, "seed": )" + std::to_string(seed) + "}", layout,
        std::vector<double>(4000));
    std::vector<double> before;
    for (int k = 0; k < updates; ++k) {
      before = run.params.to_vector();
      run.step(std::vector<double>(4000));
    }
    const auto after = run.params.to_vector();
    if (first) *first = after;
    double squares = 0;
    for (std::size_t i = 0; i < after.size(); ++i) squares += (after[i] - before[i]) * (after[i] - before[i]);
    return std::sqrt(squares / 4000);
  };
  std::vector<double> a, b, c;
  EXPECT_NEAR(deviation(1, 1, &a), 0.2, 0.01);  // sqrt(eta / k^gamma)
  EXPECT_NEAR(deviation(1, 4), 0.1, 0.005);
  deviation(1, 1, &b);
  deviation(2, 1, &c);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
}

TEST(Optimiser, RatesScaleAndFollowTheUpdates) {
  Descent<double> run(Backend::host,
                      R"({"type": "sgd", "lr": {"type": "linear", "initial": 1, "last": 0, "steps": 4}})", one(), {0});
  EXPECT_EQ(run.optimiser->learning_rate(), 1);
  run.step({1});
  EXPECT_EQ(run.params.to_vector()[0], -1);
  EXPECT_EQ(run.optimiser->learning_rate(), 0.75);
  run.optimiser->scale_rate(0.5);
  EXPECT_EQ(run.optimiser->learning_rate(), 0.375);
  run.step({1});
  EXPECT_EQ(run.params.to_vector()[0], -1.375);
}

TEST(Optimiser, RestoreRefusesWhatDoesNotFit) {
  const Descent<double> adam(Backend::host, R"("adam")", three(), test::random_vec(three().size(), 1));
  Descent<double> sgd(Backend::host, R"("sgd")", three(), test::random_vec(three().size(), 1));
  EXPECT_THROW(sgd.optimiser->restore(adam.optimiser->save()), CheckpointError);
  auto state = adam.optimiser->save();
  state.arrays[1].second.pop_back();
  EXPECT_THROW(adam.optimiser->restore(state), CheckpointError);
  state = adam.optimiser->save();
  state.counters.pop_back();
  EXPECT_THROW(adam.optimiser->restore(state), CheckpointError);
}

TEST(Optimiser, BadConfigurationsNameTheKey) {
  const auto error = [](const std::string& json) {
    return test::config_error([&] { make_optimiser<float>(test::optimiser_config(json), one(), {}); });
  };
  EXPECT_NE(error(R"({"type": "adam", "b1": 1})").find("/optimiser/b1"), std::string::npos);
  EXPECT_NE(error(R"({"type": "adam", "lr": -1})").find("/optimiser/lr"), std::string::npos);
  EXPECT_NE(error(R"({"type": "nadm"})").find("nadam"), std::string::npos);
  EXPECT_NE(error(R"({"type": "sgd", "nesterov": true})").find("/optimiser/nesterov"), std::string::npos);
  EXPECT_NE(
      error(
          R"({"type": "sgd", "lr": {"type": "piecewise", "boundaries": [{"from": 5, "scale": 1}, {"from": 5, "scale": 1}]}})")
          .find("/optimiser/lr/boundaries/1/from"),
      std::string::npos);
  EXPECT_THROW(make_optimiser<float>(test::optimiser_config(R"("adam")"), Layout(), {}), std::invalid_argument);
}

TEST(Schedule, Shapes) {
  using Kind = Schedule::Kind;
  Schedule piecewise{.kind = Kind::piecewise, .initial = 2};
  piecewise.boundaries = 2;
  piecewise.boundary[0] = 10, piecewise.scale[0] = 0.1;
  piecewise.boundary[1] = 20, piecewise.scale[1] = 0.5;
  EXPECT_EQ(piecewise.at(9), 2);
  EXPECT_NEAR(piecewise.at(10), 0.2, 1e-16);
  EXPECT_NEAR(piecewise.at(1000), 0.1, 1e-16);
  const Schedule cosine{.kind = Kind::cosine, .initial = 1, .last = 0.2, .steps = 8};
  EXPECT_EQ(cosine.at(0), 1);
  EXPECT_NEAR(cosine.at(4), 0.6, 1e-15);
  EXPECT_NEAR(cosine.at(8), 0.2, 1e-15);
  EXPECT_NEAR(cosine.at(80), 0.2, 1e-15);
  const Schedule stairs{.kind = Kind::exponential, .initial = 1, .steps = 3, .rate = 0.5, .staircase = true};
  EXPECT_EQ(stairs.at(2), 1);
  EXPECT_EQ(stairs.at(3), 0.5);
  const Schedule warm{.kind = Kind::linear, .initial = 1, .last = 0, .steps = 4, .warmup = 5, .warmup_start = 0.5};
  EXPECT_EQ(warm.at(0), 0.5);
  EXPECT_NEAR(warm.at(4), 0.9, 1e-15);
  EXPECT_EQ(warm.at(5), 1);
  EXPECT_EQ(warm.at(6), 0.75);
}

class OptimiserBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(OptimiserBackends);

const char* const kChains[] = {
    R"({"type": "nadam", "lr": {"type": "cosine", "initial": 0.01, "steps": 5}, "transforms": ["param_block_norm", "apply_if_finite"]})",
    R"({"type": "adamw", "lr": {"type": "warmup", "steps": 2, "then": 0.01}, "transforms": ["tensor_normalise", "clip_global_norm"], "accumulate": 2})",
    R"({"type": "sgd", "lr": 0.1, "momentum": 0.9, "transforms": ["clip_block_rms"]})",
    R"({"type": "sgd"})",
    R"({"type": "lamb", "lr": 0.01, "weight_decay": 0.01, "transforms": ["apply_if_finite"]})",
    R"({"type": "adagrad", "lr": 0.05})",
    R"({"type": "noisy_sgd", "lr": 0.1, "momentum": 0.5, "seed": 7})",
    R"({"type": "adam", "lr": {"type": "exponential", "initial": 0.01, "steps": 5, "float32": true}})",
};

std::vector<double> gradient_of(int k) {
  auto g = test::random_vec(three().size(), unsigned(100 + k));
  if (k % 3 == 1) g[605] = k == 1 ? NAN : INFINITY;
  return g;
}

TEST_P(OptimiserBackends, AgreeWithTheHost) {
  for (const char* chain : kChains) {
    SCOPED_TRACE(chain);
    const auto start = test::random_vec(three().size(), 1);
    Descent<float> host(Backend::host, chain, three(), start), other(GetParam(), chain, three(), start);
    const bool finite = std::string(chain).find("finite") == std::string::npos;
    for (int k = 0; k < 6; ++k) {
      const auto g = finite ? test::random_vec(three().size(), unsigned(k)) : gradient_of(k);
      host.step(g);
      other.step(g);
    }
    EXPECT_NEAR(other.optimiser->learning_rate(), host.optimiser->learning_rate(), 1e-12);
    const auto got = other.params.to_vector(), want = host.params.to_vector();
    for (std::size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], want[i], 1e-6 + 1e-5 * std::abs(want[i])) << "element " << i;
  }
}

TEST_P(OptimiserBackends, SavedAndRestoredGoesOnBitForBit) {
  for (const char* chain : kChains) {
    SCOPED_TRACE(chain);
    const auto start = test::random_vec(three().size(), 1);
    Descent<float> whole(GetParam(), chain, three(), start), second(GetParam(), chain, three(), start);
    for (int k = 0; k < 3; ++k) whole.step(gradient_of(k));
    second.optimiser->restore(whole.optimiser->save());
    second.params.upload(whole.params.to_vector());
    for (int k = 3; k < 7; ++k) {
      whole.step(test::random_vec(three().size(), unsigned(k)));
      second.step(test::random_vec(three().size(), unsigned(k)));
    }
    const auto a = whole.params.to_vector(), b = second.params.to_vector();
    EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
    const auto sa = whole.optimiser->save(), sb = second.optimiser->save();
    EXPECT_EQ(sa.counters, sb.counters);
    for (std::size_t k = 0; k < sa.arrays.size(); ++k)
      EXPECT_EQ(std::memcmp(sa.arrays[k].second.data(), sb.arrays[k].second.data(),
                            sa.arrays[k].second.size() * sizeof(float)),
                0);
  }
}

TEST_P(OptimiserBackends, ABadGradientLeavesEverythingAsItWas) {
  Descent<double> run(GetParam(),
                      R"({"type": "nadam", "transforms": [{"type": "apply_if_finite", "max_consecutive": 2}]})",
                      three(), test::random_vec(three().size(), 1));
  run.step(gradient_of(0));
  const auto before = run.optimiser->save();
  const auto params = run.params.to_vector();
  run.step(gradient_of(1));
  run.step(gradient_of(4));
  EXPECT_EQ(run.params.to_vector(), params);
  EXPECT_EQ(run.optimiser->save().arrays, before.arrays);
  run.step(gradient_of(1));  // the third in a row passes
  EXPECT_TRUE(std::isnan(run.params.to_vector()[605]));
  EXPECT_FALSE(std::isnan(run.params.to_vector()[604]));
}

}  // namespace
}  // namespace mg::train
