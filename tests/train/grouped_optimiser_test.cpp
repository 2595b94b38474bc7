#include "train/grouped_optimiser.hpp"

#include <gtest/gtest.h>

#include "tests/support/golden.hpp"
#include "tests/train/optimiser_cases.hpp"

namespace mg::train {
namespace {

using nlohmann::json;
using test::Golden;

json schedule(const json& p, double ratio = 1) {
  return {{"type", "exponential"},
          {"initial", p.at("learning_rate").get<double>() * ratio},
          {"steps", p.at("transition_steps")},
          {"rate", p.at("decay_rate")},
          {"float32", true}};
}
const json kNorm{{"type", "param_block_norm"}}, kFinite{{"type", "apply_if_finite"}};

json rule(const std::string& type, const json& lr, const json& transforms = json::array()) {
  return {{"type", type}, {"lr", lr}, {"transforms", transforms}};
}

/// The configuration of a chain by its name in the golden file. @return null for an unknown one
json chain(const Golden& g) {
  const auto& p = g.params();
  const auto name = p.at("chain").get<std::string>();
  const json lr = p.contains("learning_rate") ? schedule(p) : json(0.1);
  if (name == "adam" || name == "nadam" || name == "nadamw") return rule(name, lr);
  if (name == "blocknorm_nadam") return rule("nadam", lr, json::array({kNorm}));
  if (name == "blocknorm_sgd") return rule("sgd", lr, json::array({kNorm}));
  if (name == "blocknorm_finite_nadam") return rule("nadam", lr, json::array({kNorm, kFinite}));
  if (name == "agc1_finite_nadam")
    return rule("nadam", lr, json::array({json{{"type", "adaptive_clip"}, {"max", 1.0}}, kFinite}));
  if (name == "agc_sgd") return rule("sgd", lr, json::array({json{{"type", "adaptive_clip"}, {"max", 0.05}}}));
  if (name == "apply_if_finite(sgd(0.1),8)") return rule("sgd", 0.1, json::array({kFinite}));
  if (name == "nonneg_last_sgd")
    return {{"type", "grouped"},
            {"groups", {{{"params", {"func"}}, {"rule", rule("sgd", 0.3)}}}},
            {"non_negative", {"func"}}};
  return nullptr;
}

std::string term_prefix(const std::string& term) {
  return term.starts_with("reaction") ? "func.f_r" : term == "advection" ? "func.f_v" : "func.f_d";
}

/// multi_learnrate of the reference with its late binding: every group has the ratio of the last term. The term
/// "diffusion" has no group there and its raw gradient is added; here it must be frozen, and is not compared.
json multi_rate(const Golden& g) {
  const auto& p = g.params();
  const auto terms = p.at("TERMS").get<std::vector<std::string>>();
  const double ratio = p.at("rate_ratios").at(terms.back());
  json transforms = json::array();
  if (p.at("pre_process") == "scale_by_param_block_norm") transforms.push_back(kNorm);
  transforms.push_back(kFinite);
  json out{{"type", "grouped"}, {"groups", json::array()}};
  for (const auto& term : terms) {
    if (term == "diffusion")
      out["frozen"] = {term_prefix(term)};
    else
      out["groups"].push_back(
          {{"params", {term_prefix(term)}}, {"rule", rule(p.at("optimiser"), schedule(p, ratio), transforms)}});
  }
  return out;
}

json chemotaxis(const Golden& g) {
  const auto& p = g.params();
  return {{"type", "grouped"},
          {"groups",
           {{{"params", {"func.signal_diffusion"}}, {"rule", rule("nadam", schedule(p), json::array({kNorm}))}},
            {{"params", {"func"}}, {"rule", rule(p.at("optimiser"), schedule(p), json::array({kNorm}))}}}},
          {"bounded_gradient", {"func.signal_diffusion"}}};
}

/// The reference works out rates in single precision, and those of groups as a product of two such numbers, whose rounding
/// is not repeated here: steps of a group differ by 1e-7 of themselves.
void expect_trace(const Golden& g, const json& config) {
  const double bound = g.name.starts_with("opt_multi_learnrate") ? 2e-8 : 1e-11;
  const auto names = g.what.at("parameter_order").get<std::vector<std::string>>();
  Layout layout;
  std::vector<double> theta;
  for (const auto& name : names) {
    const auto shape = g.shape("param." + name);
    layout.add(name, {shape.begin(), shape.end()});
    const auto values = g.values("param." + name);
    theta.insert(theta.end(), values.begin(), values.end());
  }
  const auto optimiser = make_optimiser<double>(test::optimiser_config(config.dump()), layout, {});
  const auto frozen = config.value("frozen", std::vector<std::string>{});
  for (std::size_t step = 0; step < g.shape("grad." + names[0])[0]; ++step) {
    std::vector<double> gradient(layout.size()), got, want;
    const auto part = [&](const std::string& tensor, const Block& b) {
      const auto all = g.values(tensor);
      return std::vector<double>(all.begin() + std::ptrdiff_t(step * b.size),
                                 all.begin() + std::ptrdiff_t((step + 1) * b.size));
    };
    for (const Block& b : layout.blocks()) std::ranges::copy(part("grad." + b.name, b), gradient.begin() + b.offset);
    optimiser->step({}, theta.data(), gradient.data());
    for (const Block& b : layout.blocks()) {
      if (names_tensor(frozen, b.name)) continue;
      got.insert(got.end(), theta.begin() + b.offset, theta.begin() + b.offset + b.size);
      const auto expected = part("params." + b.name, b);
      want.insert(want.end(), expected.begin(), expected.end());
    }
    std::string where;
    bool nan = false;  // a bad gradient that was applied leaves NaN in both
    for (std::size_t i = 0; i < want.size(); ++i)
      if (!std::isfinite(want[i])) {
        nan = true;
        EXPECT_FALSE(std::isfinite(got[i]));
        got[i] = want[i] = 0;
      }
    EXPECT_LE(test::relative_l2(got, want, &where), bound) << "step " << step << ": " << where;
    if (nan) break;
  }
}

TEST(PdeOptimiserGolden, ChainsOfTheExperiments) {
  for (const auto& path : test::golden_files("pde", "opt_")) {
    const Golden g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    const json config = g.name.starts_with("opt_multi_learnrate")           ? multi_rate(g)
                        : g.name == "opt_non_negative_diffusion_chemotaxis" ? chemotaxis(g)
                                                                            : chain(g);
    if (config.is_null()) {
      ADD_FAILURE() << "no configuration is known for this chain";
      continue;
    }
    expect_trace(g, config);
  }
}

std::unique_ptr<Optimiser<double>> make(const json& config, const Layout& layout) {
  return make_optimiser<double>(test::optimiser_config(config.dump()), layout, {});
}
const Layout kLayout = Layout().add("reaction.weight", {4}).add("reaction.bias", {2}).add("diffusion", {2});

TEST(GroupedOptimiser, GivesEveryGroupItsRateAndLeavesFrozenOnesAlone) {
  const auto optimiser = make(
      {{"type", "grouped"},
       {"groups",
        {{{"params", {"*bias"}}, {"rule", rule("sgd", 1.0)}}, {{"params", {"reaction"}}, {"rule", rule("sgd", 0.5)}}}},
       {"frozen", {"diffusion"}}},
      kLayout);
  std::vector<double> theta(8, 1.0), gradient(8, 1.0);
  optimiser->step({}, theta.data(), gradient.data());
  EXPECT_EQ(theta, (std::vector<double>{0.5, 0.5, 0.5, 0.5, 0, 0, 1, 1}));
}

TEST(GroupedOptimiser, ProjectsAfterTheStepAndPrunesTheSmallestButNoBias) {
  const auto optimiser = make({{"type", "grouped"},
                               {"groups", {{{"params", {"*"}}, {"rule", rule("sgd", 1.0)}}}},
                               {"non_negative", {"diffusion"}},
                               {"prune", {{"target", 0.5}, {"warmup", 1}, {"iterations", 3}}}},
                              kLayout);
  std::vector<double> theta = {3, -1, 2, 1, 0.1, 0.1, 0.5, 2};
  const auto step = [&] {
    std::vector<double> gradient = {0, 0, 0, 0, 0, 0, 1, 1};
    optimiser->step({}, theta.data(), gradient.data());
  };
  step();
  EXPECT_EQ(theta, (std::vector<double>{3, -1, 2, 1, 0.1, 0.1, 0, 1}));
  step();  // sparsity 0: the first update of the ramp
  EXPECT_EQ(theta[3], 1);
  step();  // half of the weights; of the equal ones the first stays, but here both must go
  EXPECT_EQ((std::vector<double>{theta.begin(), theta.begin() + 6}), (std::vector<double>{3, 0, 2, 0, 0.1, 0.1}));
}

TEST(GroupedOptimiser, RestoredGoesOnBitForBit) {
  const json config{{"type", "grouped"},
                    {"groups",
                     {{{"params", {"reaction"}}, {"rule", rule("nadam", 0.1)}},
                      {{"params", {"diffusion"}}, {"rule", rule("adam", 0.2, json::array({kFinite}))}}}},
                    {"prune", {{"target", 0.3}, {"warmup", 1}, {"iterations", 6}}}};
  const auto a = make(config, kLayout), b = make(config, kLayout);
  std::vector<double> x = {3, -1, 2, 1, 0.1, 0.1, 0.5, 2}, y;
  const auto step = [](Optimiser<double>& o, std::vector<double>& theta, int k) {
    std::vector<double> g(8);
    for (int i = 0; i < 8; ++i) g[std::size_t(i)] = std::sin(1.0 + i + 3 * k);
    o.step({}, theta.data(), g.data());
  };
  for (int k = 0; k < 3; ++k) step(*a, x, k);
  y = x;
  b->restore(a->save());
  for (int k = 3; k < 7; ++k) step(*a, x, k), step(*b, y, k);
  EXPECT_EQ(x, y);
}

TEST(GroupedOptimiser, RefusesParametersWithoutAGroupAndPatternsWithoutParameters) {
  const auto with = [](const char* pattern) {
    return json{{"type", "grouped"}, {"groups", {{{"params", {pattern}}, {"rule", rule("sgd", 1.0)}}}}};
  };
  EXPECT_THROW(make(with("reaction"), kLayout), ConfigError);
  json unknown = with("*");
  unknown["frozen"] = {"advection"};
  EXPECT_THROW(make(unknown, kLayout), ConfigError);
}

}  // namespace
}  // namespace mg::train
