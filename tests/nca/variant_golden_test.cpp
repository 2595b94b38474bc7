// One step and a rollout of the reference's relatives of the NCA, values and adjoints.
#include <gtest/gtest.h>

#include "tests/nca/variant_case.hpp"
#include "tests/support/backends.hpp"

namespace mg::nca {
namespace {

using nlohmann::json;
using test::Field;
using test::Golden;

/// The specification of a case of `family`; keys that all families share go through golden_spec.
VariantSpec spec_of(const std::string& family, const Golden& g) {
  VariantSpec s;
  json shared = g.params();
  const auto take = [&](const char* key) {
    const json value = shared.at(key);
    shared.erase(key);
    return value;
  };
  if (family == "hnca") s.order = take("ORDER");
  if (family == "bnca") s.bounded = true, s.observed = take("OBSERVABLE_CHANNELS"), shared.erase("patched");
  if (family == "mnca") s.scales = take("SCALES").get<std::vector<int>>();
  const bool gated = family == "mnca" && take("GATED");
  if (family == "anca") s.update = Update::attention, s.heads = take("HEADS");
  if (family == "kanca") {
    s.update = Update::kan;
    s.basis = {Basis::gauss, take("BASIS_FUNCS"), take("BASIS_WIDTH"), take("bounds"), false};
  }
  s.base = test::golden_spec(shared, gated);
  return s;
}

/// What a tensor of ours is called in a golden case.
std::string golden_name(const VariantSpec& spec, std::string name) {
  const auto replace = [&](const std::string& from, const std::string& to) {
    const auto at = name.find(from);
    if (at != std::string::npos) name.replace(at, from.size(), to);
  };
  replace("scale", "sub");
  if (spec.update == Update::mlp) replace("hidden", "layer0"), replace("output", "layer1");
  return name;
}

template <class T>
struct Case {
  Case(const std::string& family, const Golden& golden, const Exec& exec)
      : g(golden), run(exec, spec_of(family, golden), {}), shape(test::shape_of(g.shape("x"))) {
    run.params = flat("", "");
    const std::size_t steps = g.shape("rollout.trajectory")[0] - 1;
    for (std::size_t k = 0; k < steps; ++k) fire.push_back(mask(k));
  }
  std::vector<T> flat(const std::string& prefix, const std::string& suffix) const {
    std::vector<T> all;
    for (const Block& block : run.layout.blocks())
      for (double v : g.values(prefix + golden_name(run.spec, block.name) + suffix)) all.push_back(T(v));
    EXPECT_EQ(all.size(), run.layout.size());
    return all;
  }
  /// The fire mask of step k; that of a coarse sub-model spread over its blocks.
  Field<T> mask(std::size_t k) const {
    if (run.spec.scales.size() == 1) {
      const auto m = g.values("masks");
      return {shape, {m.begin() + long(k * shape.size()), m.begin() + long((k + 1) * shape.size())}};
    }
    Field<T> out(shape);
    for (std::size_t i = 0; i < run.spec.scales.size(); ++i) {
      const int s = run.spec.scales[i], sub = run.spec.sub_channels(), h = shape.h / s, w = shape.w / s;
      const auto m = g.values("masks" + std::to_string(i));
      for (int c = 0; c < sub; ++c)
        for (int y = 0; y < shape.h; ++y)
          for (int x = 0; x < shape.w; ++x)
            out.view()(0, int(i) * sub + c, y, x) = T(m.at(((k * sub + c) * h + y / s) * w + x / s));
    }
    return out;
  }
  VariantInputs<T> inputs(std::size_t k) const {
    VariantInputs<T> in;
    in.fire_override = fire[k].view();
    return in;
  }
  Field<T> field(const std::string& name) const { return Field<T>(shape, g.values(name)); }

  Golden g;
  test::VariantRun<T> run;
  Shape shape;
  std::vector<Field<T>> fire;
};

template <class T>
void check_case(Case<T>& c, double value_bound, double adjoint_bound) {
  const Field<T> x0 = c.field("x");
  MG_EXPECT_CLOSE(c.run.step(c.inputs(0), x0).data, c.g.values("step.out"), value_bound);
  std::vector<T> params_bar(c.run.params.size());
  const Field<T> x_bar = c.run.adjoint(c.inputs(0), x0, c.field("step.out_bar"), params_bar);
  MG_EXPECT_CLOSE(x_bar.data, c.g.values("step.x_bar"), adjoint_bound);
  MG_EXPECT_CLOSE(params_bar, c.flat("step.", "_bar"), adjoint_bound);

  const std::size_t steps = c.fire.size(), size = c.shape.size();
  std::vector<Field<T>> x = {x0};
  std::vector<T> trajectory = x0.data;
  for (std::size_t k = 0; k < steps; ++k) {
    x.push_back(c.run.step(c.inputs(k), x.back()));
    trajectory.insert(trajectory.end(), x.back().data.begin(), x.back().data.end());
  }
  MG_EXPECT_CLOSE(trajectory, c.g.values("rollout.trajectory"), value_bound);
  const auto out_bar = test::cast<T>(c.g.values("rollout.out_bar"));
  std::fill(params_bar.begin(), params_bar.end(), T(0));
  Field<T> bar(c.shape);
  for (std::size_t k = steps; k-- > 0;) {
    for (std::size_t i = 0; i < size; ++i) bar.data[i] += out_bar[k * size + i];
    bar = c.run.adjoint(c.inputs(k), x[k], bar, params_bar);
  }
  MG_EXPECT_CLOSE(bar.data, c.g.values("rollout.x_bar"), adjoint_bound);
  MG_EXPECT_CLOSE(params_bar, c.flat("rollout.", "_bar"), adjoint_bound);
}

void check_family(const std::string& family, const Exec& exec = {}) {
  for (const auto& path : test::golden_files("nca", family + "_")) {
    SCOPED_TRACE(path.filename().string());
    const Golden golden = test::load_golden(path);
    Case<double> exact(family, golden, exec);
    check_case(exact, 1e-10, 1e-10);
    Case<float> single(family, golden, exec);
    check_case(single, 3e-6, 3e-5);
  }
}

TEST(VariantGolden, Bounded) { check_family("bnca"); }
TEST(VariantGolden, HigherOrder) { check_family("hnca"); }
TEST(VariantGolden, MultiScale) { check_family("mnca"); }
TEST(VariantGolden, Attention) { check_family("anca"); }
TEST(VariantGolden, KolmogorovArnold) { check_family("kanca"); }

class VariantReferenceDevice : public test::OnEachBackend {};
INSTANTIATE_TEST_SUITE_P(Device, VariantReferenceDevice, ::testing::Values(Backend::cuda), test::backend_name);
TEST_P(VariantReferenceDevice, AllFamilies) {
  for (const char* family : {"bnca", "hnca", "mnca", "anca", "kanca"}) check_family(family, {Backend::cuda});
}

}  // namespace
}  // namespace mg::nca
