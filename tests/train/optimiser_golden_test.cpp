#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

#include "tests/support/environment.hpp"
#include "tests/support/golden.hpp"
#include "tests/train/optimiser_cases.hpp"
#include "train/schedule.hpp"

namespace mg::train {
namespace {

using test::Golden;

const std::string kDecay = R"({"type": "exponential", "initial": 1e-2, "steps": 10, "rate": 0.99, "float32": true})";
const std::string kFast = R"({"type": "exponential", "initial": 2e-2, "steps": 4, "rate": 0.5, "float32": true})";

std::string rule(const std::string& type, const std::string& lr, const std::string& transforms = "",
                 const std::string& more = "") {
  return R"({"type": ")" + type + R"(", "lr": )" + lr + R"(, "transforms": [)" + transforms + "]" + more + "}";
}

/// The chains of the golden file that a configuration can ask for.
std::map<std::string, std::string> chains() {
  const std::string norm = R"({"type": "param_block_norm"})", finite = R"({"type": "apply_if_finite"})";
  const std::string finite2 = R"({"type": "apply_if_finite", "max_consecutive": 2})";
  return {
      {"adam", rule("adam", "1e-2")},
      {"adam_decay", rule("adam", kDecay)},
      {"adamw", rule("adamw", "1e-2")},
      {"adamw_decay", rule("adamw", kDecay)},
      {"nadam", rule("nadam", "1e-2")},
      {"nadam_decay", rule("nadam", kFast)},
      {"nadamw", rule("nadamw", "1e-2")},
      {"nadamw_decay", rule("nadamw", kDecay)},
      {"sgd", rule("sgd", "1e-1")},
      {"sgd_decay", rule("sgd", kFast)},
      {"blocknorm_nadam", rule("nadam", kDecay, norm)},
      {"blocknorm_nadamw", rule("nadamw", kDecay, norm)},
      {"blocknorm_adam", rule("adam", kDecay, norm)},
      {"blocknorm_adamw", rule("adamw", kDecay, norm)},
      {"blocknorm_sgd", rule("sgd", "1e-1", norm)},
      {"lamb", rule("lamb", "1e-2")},
      {"adagrad", rule("adagrad", "1e-1")},
      {"blocknorm_lamb", rule("lamb", kDecay, norm)},
      {"block_rms_clip_sgd", rule("sgd", "1e-2", R"({"type": "clip_block_rms"})")},
      {"multi_steps_nadam", rule("nadam", "1e-2", "", R"(, "accumulate": 3)")},
      {"if_finite_nadam", rule("nadam", "1e-2", finite)},
      {"if_finite_nadam_2", rule("nadam", "1e-2", finite2)},
  };
}
/// Chains of rules that no configuration can ask for.
const std::set<std::string> kOtherRules = {
    "nonnegative_blocknorm_nadam", "nadam_nonnegative", "masked_pair", "adaptive_clip_nadam", "adaptive_clip_sgd",
};

/// Runs one chain; the parameters after each step, tensors one after another, NaN as 1e30.
template <class T>
std::vector<double> run(const Golden& golden, const std::vector<std::string>& tensors, const std::string& json,
                        bool with_bad_steps) {
  Layout layout;
  std::vector<T> start;
  for (const std::string& name : tensors) {
    const auto shape = golden.shape("start." + name);
    layout.add(name, {shape.begin(), shape.end()});
    for (double v : golden.values("start." + name)) start.push_back(T(v));
  }
  const auto bad = golden.values("bad_steps");
  Buffer<T> params({}, start.size()), gradient({}, start.size());
  params.upload(start);
  const auto optimiser = make_optimiser<T>(test::optimiser_config(json), layout, {});
  std::vector<double> rows;
  for (std::size_t k = 0; k < bad.size(); ++k) {
    std::vector<T> g;
    for (const std::string& name : tensors) {
      const auto all = golden.values("gradient." + name);
      const std::size_t size = layout.at(name).size;
      for (std::size_t i = 0; i < size; ++i) g.push_back(T(all[k * size + i]));
    }
    if (with_bad_steps && bad[k] != 0) g[0] = T(NAN);
    gradient.upload(g);
    optimiser->step({}, params.data(), gradient.data());
    for (T v : params.to_vector()) rows.push_back(std::isfinite(v) ? double(v) : 1e30);
  }
  return rows;
}

template <class T>
void check(double tolerance, double tolerance_multi_steps) {
  for (const auto& path : test::golden_files("nca", "optimisers")) {
    const Golden golden = test::load_golden(path);
    std::vector<std::string> tensors;
    std::set<std::string> names;
    for (const auto& [key, tensor] : golden.file.tensors) {
      const std::string head = key.substr(0, key.find('.'));
      if (head == "start")
        tensors.push_back(key.substr(6));
      else if (head != "gradient" && head != "schedule" && head != "bad_steps")
        names.insert(head);
    }
    const auto known = chains();
    for (const std::string& name : names) {
      SCOPED_TRACE(name);
      if (kOtherRules.contains(name)) continue;
      ASSERT_TRUE(known.contains(name)) << "a chain that this test does not understand";
      const auto got = run<T>(golden, tensors, known.at(name), name.starts_with("if_finite"));
      std::vector<double> want;
      const std::size_t steps = golden.values("bad_steps").size();
      for (std::size_t k = 0; k < steps; ++k)
        for (const std::string& t : tensors) {
          const auto all = golden.values(name + "." + t);
          want.insert(want.end(), all.begin() + k * all.size() / steps, all.begin() + (k + 1) * all.size() / steps);
        }
      MG_EXPECT_CLOSE(got, want, name.starts_with("multi_steps") ? tolerance_multi_steps : tolerance);
    }
    for (const auto& [name, json] : known) EXPECT_TRUE(names.contains(name)) << name << " is not in the file";
  }
}

// The reference accumulates several gradients in float32 whatever the parameters.
TEST(OptimiserGolden, TwelveStepsInDouble) { check<double>(1e-12, 1e-7); }
TEST(OptimiserGolden, TwelveStepsInFloat) { check<float>(9e-6, 9e-6); }

TEST(ScheduleGolden, ExponentialInDouble) {
  for (const auto& path : test::golden_files("nca", "optimisers")) {
    const Golden golden = test::load_golden(path);
    Schedule decay{.kind = Schedule::Kind::exponential, .initial = 1e-2, .steps = 10, .rate = 0.99};
    Schedule fast{.kind = Schedule::Kind::exponential, .initial = 2e-2, .steps = 4, .rate = 0.5};
    for (const auto& [schedule, name] : {std::pair{decay, "schedule.decay"}, std::pair{fast, "schedule.fast"}}) {
      const auto want = golden.values(name);
      std::vector<double> got;
      for (std::size_t k = 0; k < want.size(); ++k) got.push_back(schedule.at((long long)(k)));
      MG_EXPECT_CLOSE(got, want, 1e-7);
    }
  }
}

TEST(ScheduleGolden, ExponentialInFloat32IsTheReferencesToTheBit) {
  const auto path = test::golden_dir() / "schedules.json";
  std::ifstream in(path);
  ASSERT_TRUE(in) << path;
  const auto file = nlohmann::json::parse(in);
  ASSERT_FALSE(file.at("schedules").empty());
  for (const auto& entry : file.at("schedules")) {
    Schedule s{.kind = Schedule::Kind::exponential,
               .initial = entry.at("init").get<double>(),
               .steps = entry.at("transition_steps").get<double>(),
               .rate = entry.at("decay_rate").get<double>(),
               .float32 = true};
    long long k = 0;
    for (const auto& want : entry.at("values")) {
      EXPECT_EQ(s.at(k), want.get<double>()) << s.initial << " at " << k;
      ++k;
    }
  }
}

}  // namespace
}  // namespace mg::train
