// One step and a rollout of the reference's NCA and gated NCA, values and adjoints; its boundary objects.
#include <gtest/gtest.h>

#include "nca/nca_spec.hpp"
#include "tests/nca/nca_on_backend.hpp"
#include "tests/support/backends.hpp"

namespace mg::nca {
namespace {

using test::Field;
using test::Golden;

template <class T>
struct Case {
  Case(const Golden& golden, bool gated, const Exec& e)
      : exec(e), g(golden), spec(test::golden_spec(g.params(), gated)) {
    shape = test::shape_of(g.shape("x"));
    if (spec.boundary != Boundary::none) {
      const std::string name = spec.boundary == Boundary::soft ? "boundary.soft_mask" : "boundary.hard_mask";
      mask = Field<T>(test::shape_of(g.shape(name)), g.values(name));
      spec.boundary_channels = mask.shape.c;
    }
    const auto masks = g.values("masks");
    for (std::size_t k = 0; k < g.shape("masks")[0]; ++k)
      fire.emplace_back(shape,
                        std::vector<double>(masks.begin() + k * shape.size(), masks.begin() + (k + 1) * shape.size()));
    params = flat("", "");
  }
  /// layer0.weight, layer1.weight, layer1.bias of a case in the order of the flat buffer.
  std::vector<T> flat(const std::string& prefix, const std::string& suffix) const {
    std::vector<T> all;
    for (const char* name : {"layer0.weight", "layer1.weight", "layer1.bias"})
      for (double v : g.values(prefix + name + suffix)) all.push_back(T(v));
    EXPECT_EQ(all.size(), nca_param_layout(spec).size());
    return all;
  }
  NcaInputs<T> inputs(std::size_t k) const {
    NcaInputs<T> in;
    if (!mask.data.empty()) in.boundary = mask.view();
    in.fire_override = fire[k].view();
    return in;
  }
  Field<T> step(std::size_t k, const Field<T>& x) { return test::step_on(exec, spec, params, inputs(k), x, workspace); }
  Field<T> adjoint(std::size_t k, const Field<T>& x, const Field<T>& next_bar, std::vector<T>& params_bar) {
    return test::adjoint_on(exec, spec, params, inputs(k), x, next_bar, params_bar, workspace);
  }
  Field<T> field(const std::string& name) const { return Field<T>(shape, g.values(name)); }

  Exec exec;
  Golden g;
  NcaSpec spec;
  Shape shape;
  Field<T> mask;
  std::vector<Field<T>> fire;
  std::vector<T> params;
  Workspace workspace;
};

template <class T>
void check_step(Case<T>& c, double value_bound, double adjoint_bound) {
  const Field<T> x = c.field("x");
  MG_EXPECT_CLOSE(c.step(0, x).data, c.g.values("step.out"), value_bound);
  std::vector<T> params_bar(c.params.size());
  const Field<T> x_bar = c.adjoint(0, x, c.field("step.out_bar"), params_bar);
  MG_EXPECT_CLOSE(x_bar.data, c.g.values("step.x_bar"), adjoint_bound);
  MG_EXPECT_CLOSE(params_bar, c.flat("step.", "_bar"), adjoint_bound);
}

template <class T>
void check_rollout(Case<T>& c, double value_bound, double adjoint_bound) {
  const std::size_t steps = c.fire.size(), size = c.shape.size();
  std::vector<Field<T>> x = {c.field("x")};
  std::vector<T> trajectory = x[0].data;
  for (std::size_t k = 0; k < steps; ++k) {
    x.push_back(c.step(k, x.back()));
    trajectory.insert(trajectory.end(), x.back().data.begin(), x.back().data.end());
  }
  MG_EXPECT_CLOSE(trajectory, c.g.values("rollout.trajectory"), value_bound);
  const auto out_bar = test::cast<T>(c.g.values("rollout.out_bar"));
  std::vector<T> params_bar(c.params.size());
  Field<T> bar(c.shape);
  for (std::size_t k = steps; k-- > 0;) {
    for (std::size_t i = 0; i < size; ++i) bar.data[i] += out_bar[k * size + i];
    bar = c.adjoint(k, x[k], bar, params_bar);
  }
  MG_EXPECT_CLOSE(bar.data, c.g.values("rollout.x_bar"), adjoint_bound);
  MG_EXPECT_CLOSE(params_bar, c.flat("rollout.", "_bar"), adjoint_bound);
}

void check_family(const std::string& prefix, bool gated, const Exec& exec = {}) {
  for (const auto& path : test::golden_files("nca", prefix)) {
    SCOPED_TRACE(path.filename().string());
    const Golden golden = test::load_golden(path);
    Case<double> exact(golden, gated, exec);
    check_step(exact, 1e-10, 1e-10);
    check_rollout(exact, 1e-10, 1e-10);
    Case<float> single(golden, gated, exec);
    check_step(single, 1e-6, 3e-6);
    check_rollout(single, 3e-6, 1e-5);
  }
}

TEST(NcaGolden, PlainModels) { check_family("nca_", false); }
TEST(NcaGolden, GatedModels) { check_family("gnca_", true); }

class NcaReferenceDevice : public test::OnEachBackend {};
INSTANTIATE_TEST_SUITE_P(Device, NcaReferenceDevice, ::testing::Values(Backend::cuda), test::backend_name);
TEST_P(NcaReferenceDevice, PlainModels) { check_family("nca_", false, {Backend::cuda}); }
TEST_P(NcaReferenceDevice, GatedModels) { check_family("gnca_", true, {Backend::cuda}); }

/// A model without parameters' effect leaves only the boundary.
void check_boundary(const Golden& g, const std::string& name, const std::string& x_name, Boundary kind,
                    const Field<double>& mask) {
  SCOPED_TRACE(name);
  const auto d = g.shape(x_name);
  Shape shape = d.size() == 4 ? Shape{int(d[0]), int(d[1]), int(d[2]), int(d[3])} : test::shape_of(d);
  NcaSpec spec;
  spec.channels = shape.c;
  spec.boundary = kind;
  spec.boundary_channels = mask.shape.c;
  Field<double> masks({shape.n, mask.shape.c, shape.h, shape.w});
  for (std::size_t i = 0; i < masks.data.size(); ++i) masks.data[i] = mask.data[i % mask.data.size()];
  std::vector<double> params(nca_param_layout(spec).size());
  NcaInputs<double> in;
  in.boundary = std::as_const(masks).view();
  const Field<double> x(shape, g.values(x_name));
  Field<double> next(shape), x_bar(shape);
  Workspace workspace;
  nca_step<double>({}, spec, params.data(), in, x.view(), next.view(), workspace);
  MG_EXPECT_CLOSE(next.data, g.values(name + ".out"), 1e-15);
  if (!g.file.contains(name + ".out_bar")) return;
  const Field<double> out_bar(shape, g.values(name + ".out_bar"));
  nca_step_adjoint<double>({}, spec, params.data(), in, x.view(), out_bar.view(), x_bar.view(), params.data(),
                           workspace);
  MG_EXPECT_CLOSE(x_bar.data, g.values(name + ".x_bar"), 1e-15);
}

TEST(NcaGolden, Boundaries) {
  for (const auto& path : test::golden_files("common", "boundary")) {
    const Golden g = test::load_golden(path);
    int found = 0;
    for (const auto& [tensor, unused] : g.file.tensors) {
      const auto dot = tensor.find(".mask");
      if (dot == std::string::npos) continue;
      const std::string name = tensor.substr(0, dot);
      const Field<double> mask(test::shape_of(g.shape(tensor)), g.values(tensor));
      const bool soft = name.starts_with("soft");
      ASSERT_TRUE(soft || name.starts_with("hard")) << name;
      check_boundary(g, name, "x", soft ? Boundary::soft : Boundary::hard, mask);
      ++found;
    }
    EXPECT_GE(found, 4);
    check_boundary(g, "hard_batch", "hard_batch.x", Boundary::hard,
                   Field<double>(test::shape_of(g.shape("hard_real.mask")), g.values("hard_real.mask")));
    Field<double> limited(test::shape_of(g.shape("trainable.raw_mask")), g.values("trainable.raw_mask"));
    for (double& v : limited.data) v = sigmoid(v);
    check_boundary(g, "trainable", "x", Boundary::soft, limited);
  }
}

}  // namespace
}  // namespace mg::nca
