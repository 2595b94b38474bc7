// What every registered automaton must do, whatever it is: the list is the registry's own.
#include <gtest/gtest.h>

#include <map>
#include <span>

#include "nca/register.hpp"
#include "nca/variant_system.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/config.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"
#include "tests/train/loss_support.hpp"
#include "train/image_objective.hpp"
#include "train/model_file.hpp"
#include "train/rollout.hpp"

namespace mg {
namespace {

using nlohmann::json;
using test::Vec;

template <class T>
const Registry<System<T>>& registry() {
  static const auto all = [] {
    Registry<System<T>> r;
    nca::register_systems(r);
    return r;
  }();
  return all;
}

/// Configurations of a type beside its default one.
std::vector<json> options_of(const std::string& type) {
  static const std::map<std::string, std::vector<json>> all = {
      {"nca", {{{"alive", {{"channel", 0}}}}}},
      {"bnca", {{{"observable", 2}, {"boundary", "hard"}}}},
      {"hnca", {{{"order", 3}, {"kernels", {"ID", "GRAD"}}, {"boundary", "soft"}}}},
      {"mnca", {{{"scales", {2, 1}}, {"gated", true}, {"kernels", {"ID", "GRAD", "LAP"}}, {"fire_mask", "cell"}}}},
      {"anca", {{{"heads", 2}, {"padding", "REPLICATE"}, {"hidden_bias", true}}}},
      {"kanca",
       {{{"basis", "mean"}},
        {{"basis", "polynomial"}, {"basis_functions", 4}, {"clamp_last", true}},
        {{"basis", "legendre"}, {"basis_functions", 6}},
        {{"basis", "legendre"}, {"basis_functions", 7}, {"clamp_last", true}},
        {{"basis", "chebyshev"}, {"basis_functions", 5}, {"hidden", 5}},
        {{"basis", "fourier"}, {"basis_functions", 6}}}},
      {"cnca",
       {{{"kernels", {"ID", "DIFF", "AV", "LAP"}}, {"wavelets", 3}, {"kernel_scale", 2}, {"padding", "ZEROS"}}}},
      {"legacy_nca", {{{"kernels", {"ID", "DIFF", "AV", "LAP"}}, {"padding", "REFLECT"}, {"gated", true}}}},
      {"lnca", {{{"learned_kernels", 3}, {"goals", 2}, {"gated", true}, {"rate", 0.5}, {"padding", "REPLICATE"}}}}};
  std::vector<json> out = {json::object()};
  if (const auto it = all.find(type); it != all.end()) out.insert(out.end(), it->second.begin(), it->second.end());
  return out;
}

Config model_config(const std::string& type, json options) {
  options["type"] = type;
  options["channels"] = type == "anca" ? 3 : 4;
  if (type == "anca" && !options.contains("heads")) options["heads"] = 1;
  const Schema* schema = nullptr;
  const auto variants = registry<double>().variants();
  for (const auto& [name, s] : variants)
    if (name == type) schema = &s;
  if (schema->find("activation") != nullptr) options["activation"] = "tanh";
  Schema root("test", "");
  root.variant("model", variants, std::nullopt, "");
  return test::configure(root, json{{"model", options}}.dump()).at("model");
}

constexpr Grid kGrid{4, 6};
constexpr int kBatch = 2;
const StepIndex kIndex{.seed = 11, .iteration = 4, .step = 2, .sample0 = 3};

/// A model with parameters, conditions and a start between the bounds that some clip at.
template <class T>
struct Scene {
  explicit Scene(const Config& c, const Exec& e = {})
      : exec(e),
        config(c),
        system(registry<T>().create(c)),
        state(system->state_layout(kGrid)),
        condition(system->condition_layout(kGrid)) {
    params = test::random_vec(system->param_layout().size(), 5);
    for (double& v : params) v *= c.type() == "kanca" ? 0.01 : 0.3;  // powers explode
    start = test::random_vec(state.size() * kBatch, 6);
    for (double& v : start) v = 0.5 + 0.1 * v;
    masks = test::random_vec(condition.size() * kBatch, 7);
    for (double& v : masks) v = 0.5 + 0.05 * v;
    conditions = test::to_backend<T>(exec, masks);
  }
  ConstStateView<T> condition_view() const { return {conditions.data(), &condition, kBatch}; }

  Vec step(const Vec& p, const Vec& x, StepIndex index = kIndex, int batch = kBatch, int first = 0) {
    const auto pd = test::to_backend<T>(exec, p), xd = test::to_backend<T>(exec, x);
    const Buffer<T> next(exec, x.size());
    const std::size_t per = condition.size();
    const auto cond = test::to_backend<T>(exec, Vec(masks.begin() + long(per * std::size_t(first)),
                                                    masks.begin() + long(per * std::size_t(first + batch))));
    system->step(exec, index, pd.data(), {cond.data(), &condition, batch}, {xd.data(), &state, batch},
                 {next.data(), &state, batch}, workspace);
    return test::from_backend(next);
  }
  /// Parameters' part, then the state's.
  Vec adjoint(const Vec& p, const Vec& x, const Vec& next_bar) {
    const auto pd = test::to_backend<T>(exec, p), xd = test::to_backend<T>(exec, x),
               bar = test::to_backend<T>(exec, next_bar);
    Buffer<T> params_bar(exec, p.size());
    params_bar.zero();
    const Buffer<T> x_bar(exec, x.size());
    system->step_adjoint(exec, kIndex, pd.data(), condition_view(), {xd.data(), &state, kBatch},
                         {bar.data(), &state, kBatch}, {x_bar.data(), &state, kBatch}, params_bar.data(), workspace);
    Vec out = test::from_backend(params_bar);
    const Vec cells = test::from_backend(x_bar);
    out.insert(out.end(), cells.begin(), cells.end());
    return out;
  }

  Exec exec;
  Config config;
  std::unique_ptr<System<T>> system;
  Layout state, condition;
  Vec params, start, masks;
  Buffer<T> conditions;
  Workspace workspace;
};

/// Calls body(configuration) for every registered type and each of its options.
template <class Body>
void for_every_model(const Body& body) {
  int seen = 0;
  for (const auto& [type, schema] : registry<double>().variants())
    for (const json& options : options_of(type)) {
      SCOPED_TRACE(type + " " + options.dump());
      body(model_config(type, options));
      ++seen;
      if (::testing::Test::HasFatalFailure()) return;
    }
  EXPECT_GE(seen, 20);
}

TEST(NcaModels, StartAsTheIdentityAndDependOnTheSeed) {
  for_every_model([](const Config& c) {
    Scene<double> s(c);
    EXPECT_EQ(s.system->type(), c.type());
    EXPECT_EQ(s.state.size(), std::size_t(c.get<int>("channels") * kGrid.h * kGrid.w));
    EXPECT_GT(s.system->flop_per_cell(), 0);
    Vec a(s.params.size()), b = a, again = a;
    s.system->initialise(1, a);
    s.system->initialise(1, again);
    s.system->initialise(2, b);
    EXPECT_EQ(a, again);
    EXPECT_NE(a, b);
    if (nca::objective_spec(c).boundary == nca::Boundary::none && c.type() != "nca") {
      EXPECT_EQ(s.step(a, s.start), s.start);
    }
    EXPECT_NE(s.step(s.params, s.start), s.start);
  });
}

TEST(NcaModels, AdjointsPassTheTaylorTest) {
  for_every_model([](const Config& c) {
    constexpr double kScale = 0.003;  // bells and powers bend quickly
    Scene<double> s(c);
    const std::size_t n = s.params.size();
    Vec point = s.params;
    point.insert(point.end(), s.start.begin(), s.start.end());
    for (double& v : point) v /= kScale;
    const auto split = [&](Vec v) {
      for (double& x : v) x *= kScale;
      return std::pair{Vec(v.begin(), v.begin() + long(n)), Vec(v.begin() + long(n), v.end())};
    };
    test::expect_taylor_rate(
        [&](const Vec& v) {
          const auto [p, x] = split(v);
          return s.step(p, x);
        },
        [&](const Vec& v, const Vec& bar) {
          const auto [p, x] = split(v);
          Vec out = s.adjoint(p, x, bar);
          for (double& o : out) o *= kScale;
          return out;
        },
        point);
  });
}

/// With the state held, the output layer acts linearly: the step minus the start, as a map of its weights, has the adjoint.
TEST(NcaModels, TheAdjointIsLinearInTheCotangent) {
  for_every_model([](const Config& c) {
    Scene<double> s(c);
    const Vec a = test::random_vec(s.start.size(), 8), b = test::random_vec(s.start.size(), 9);
    Vec both = a;
    for (std::size_t i = 0; i < a.size(); ++i) both[i] = a[i] - 2 * b[i];
    const Vec at_a = s.adjoint(s.params, s.start, a), at_b = s.adjoint(s.params, s.start, b);
    Vec want = at_a;
    for (std::size_t i = 0; i < want.size(); ++i) want[i] = at_a[i] - 2 * at_b[i];
    MG_EXPECT_CLOSE(s.adjoint(s.params, s.start, both), want, 1e-12);
  });
}

class NcaModelsBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(NcaModelsBackends);

TEST_P(NcaModelsBackends, StepsAndAdjointsAgreeWithDoubleAndRepeat) {
  for_every_model([&](const Config& c) {
    Scene<float> s(c, {GetParam()});
    Scene<double> exact(c);
    const Vec bar = test::random_vec(s.start.size(), 10);
    const Vec next = s.step(s.params, s.start), gradient = s.adjoint(s.params, s.start, bar);
    MG_EXPECT_CLOSE(next, exact.step(s.params, s.start), 1e-6);
    MG_EXPECT_CLOSE(gradient, exact.adjoint(s.params, s.start, bar), 2e-5);
    EXPECT_EQ(next, s.step(s.params, s.start));
    EXPECT_EQ(gradient, s.adjoint(s.params, s.start, bar));
    Vec halves;
    for (int n = 0; n < kBatch; ++n) {
      StepIndex index = kIndex;
      index.sample0 += n;
      // A block-major state of one block: samples lie one after another.
      const Vec one(s.start.begin() + long(s.state.size() * std::size_t(n)),
                    s.start.begin() + long(s.state.size() * std::size_t(n + 1)));
      const Vec out = s.step(s.params, one, index, 1, n);
      halves.insert(halves.end(), out.begin(), out.end());
    }
    EXPECT_EQ(halves, next);
  });
}

struct Outcome {
  Vec totals, params_bar, start_bar, last;
};
template <class T>
Outcome roll(Scene<T>& s, const train::MemoryPlan& plan) {
  constexpr int kObserved = 2;
  const nca::NcaSpec spec = nca::objective_spec(s.config);
  train::ImageModel model{spec.channels, kObserved, spec.perception, train::ImageModel::Boundary::none, 0};
  train::ImageObjectiveOptions options;
  options.boundary_reg = 0;
  train::ImageObjective<T> objective(model, options);
  const auto target =
      test::to_backend<T>(s.exec, test::random_vec(std::size_t(kBatch * kObserved * kGrid.h * kGrid.w), 12));
  objective.bind(s.exec, {s.condition_view(), {target.data(), {kBatch, kObserved, kGrid.h, kGrid.w}}, 0.5, 2});
  const auto p = test::to_backend<T>(s.exec, s.params), x = test::to_backend<T>(s.exec, s.start);
  Buffer<T> params_bar(s.exec, s.params.size()), start_bar(s.exec, s.start.size()), totals(s.exec, 3);
  params_bar.zero();
  train::Rollout<T> rollout(s.exec, *s.system, s.state, kBatch);
  rollout.forward(p.data(), s.condition_view(), {x.data(), &s.state, kBatch}, kIndex, plan, &objective);
  Vec last(s.start.size());
  Buffer<T> copy(s.exec, last.size());
  copy_bytes(s.exec, copy.data(), s.exec.backend, rollout.final_state().data, s.exec.backend, last.size() * sizeof(T));
  rollout.backward(p.data(), s.condition_view(), objective, params_bar.data(), {start_bar.data(), &s.state, kBatch});
  objective.totals(s.exec, totals.data());
  return {test::from_backend(totals), test::from_backend(params_bar), test::from_backend(start_bar),
          test::from_backend(copy)};
}

TEST(NcaModels, AllMemoryPlansGiveTheSameBits) {
  for_every_model([](const Config& c) {
    Scene<float> s(c);
    const auto plan = [](const char* kind, int slots) { return train::plan_rollout(5, 1, 0, kind, slots); };
    const Outcome want = roll(s, plan("store_all", 0));
    EXPECT_GT(test::dot(want.params_bar, want.params_bar), 0);
    for (const auto& p : {plan("sqrt", 0), plan("revolve", 1), plan("revolve", 3)}) {
      const Outcome got = roll(s, p);
      EXPECT_EQ(got.totals, want.totals);
      EXPECT_EQ(got.params_bar, want.params_bar);
      EXPECT_EQ(got.start_bar, want.start_bar);
    }
    // Going on from a state that was kept: the step index alone says which numbers are drawn.
    Vec x = s.start;
    for (int k = 0; k < 5; ++k) {
      StepIndex index = kIndex;
      index.step += k, index.t += k;
      x = s.step(s.params, x, index);
    }
    EXPECT_EQ(x, want.last);
  });
}

TEST(NcaModels, FilesKeepEveryTensor) {
  for_every_model([](const Config& c) {
    Scene<double> s(c);
    const Layout& layout = s.system->param_layout();
    const std::string bytes = safetensors_bytes(train::model_file(layout, s.params, c.json().dump()));
    TensorFile file = parse_safetensors(bytes, "model");
    EXPECT_EQ(train::model_params<double>(file, layout, "model"), s.params);
    Schema root("test", "");
    root.variant("model", registry<double>().variants(), std::nullopt, "");
    const Config again = test::configure(root, "{\"model\": " + file.metadata.at("model") + "}").at("model");
    EXPECT_EQ(registry<double>().create(again)->param_layout().size(), layout.size());
    file.tensors.erase(file.tensors.begin());
    EXPECT_THROW(train::model_params<double>(file, layout, "model"), CheckpointError);
  });
}

TEST(NcaModels, ContradictionsAreRefused) {
  const auto error = [](const char* type, json options) {
    return test::config_error([&] { registry<double>().create(model_config(type, std::move(options))); });
  };
  const auto expect = [&](const std::string& text, const char* part) { EXPECT_NE(text.find(part), text.npos) << text; };
  expect(error("mnca", {{"scales", {1, 2, 4}}}), "4 channels cannot be shared among 3 scales");
  expect(error("kanca", {{"basis", "wavelet"}}), "basis");
  expect(error("kanca", {{"basis", "legendre"}, {"basis_functions", 9}, {"clamp_last", true}}), "end at 7");
  expect(error("anca", {{"heads", 7}}), "7 heads");
  expect(error("bnca", {{"observable", 9}}), "9 observed channels of 4");
  expect(error("hnca", {{"order", 99}}), "order");
  Scene<double> s(model_config("mnca", {{"scales", {1, 3}}}));
  EXPECT_THROW(s.step(s.params, s.start), std::invalid_argument);
  nca::VariantSpec exploding;
  exploding.base.channels = 200, exploding.order = 6;
  EXPECT_THROW(nca::check(exploding), std::invalid_argument);
}

}  // namespace
}  // namespace mg
