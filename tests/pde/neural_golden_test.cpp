// Right-hand sides of the reference's learned equations: values, terms and adjoints.
#include <gtest/gtest.h>

#include "tests/pde/neural_case.hpp"
#include "tests/support/backends.hpp"

namespace mg::pde {
namespace {

using test::Golden;

/// Parameters, or their cotangents, of a case in the order of the flat buffer.
std::vector<double> flat(const Golden& g, const NeuralSpec& spec, const std::string& prefix) {
  std::vector<double> all;
  for (const Layout layout = neural_param_layout(spec); const Block& block : layout.blocks()) {
    const auto values = g.values(prefix + test::reference_name(spec.type, block.name));
    EXPECT_EQ(values.size(), block.size) << block.name;
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

NeuralSpec spec_of(const Golden& g, bool rda) {
  return rda ? test::rda_of(test::rda_json(g.params())) : test::rdc_of(test::rdc_json(g.params()));
}

/// 1e-10 in double; in single precision what the reference's own is off by at worst, or a few times that of the tensor.
template <class T>
double bound(const Golden& g, const std::string& tensor) {
  if (sizeof(T) == 8) return 1e-10;
  const double worst = tensor == "out.F" ? 5e-6 : 3e-5;
  const auto known = g.what.find("f32_rel");
  return known == g.what.end() ? worst : std::max(worst, 8 * known->at(tensor).get<double>());
}

template <class T>
void check_case(const Golden& g, const NeuralSpec& spec, const Exec& exec) {
  const auto d = g.shape("in.X");
  const Shape shape{1, int(d[0]), int(d[1]), int(d[2])};
  test::NeuralOn<T> on(exec, spec, shape, flat(g, spec, "param."));
  MG_EXPECT_CLOSE(on.slope(g.values("in.X")), g.values("out.F"), bound<T>(g, "out.F"));
  std::vector<T> params_bar;
  MG_EXPECT_CLOSE(on.adjoint(g.values("in.X"), g.values("cot.F"), &params_bar), g.values("vjp.X"),
                  bound<T>(g, "vjp.X"));
  const auto want = flat(g, spec, "vjp.");
  for (const Layout layout = neural_param_layout(spec); const Block& block : layout.blocks()) {
    SCOPED_TRACE(block.name);
    const auto part = [&](const auto& all) {
      return std::vector<double>(all.begin() + block.offset, all.begin() + block.offset + block.size);
    };
    MG_EXPECT_CLOSE(part(params_bar), part(want), bound<T>(g, "vjp." + test::reference_name(spec.type, block.name)));
  }
}

void check_family(const std::string& prefix, bool rda, const Exec& exec = {}) {
  for (const auto& path : test::golden_files("pde", prefix)) {
    SCOPED_TRACE(path.filename().string());
    const Golden g = test::load_golden(path);
    const NeuralSpec spec = spec_of(g, rda);
    check_case<double>(g, spec, exec);
    check_case<float>(g, spec, exec);
  }
}

TEST(NeuralGolden, ReactionDiffusionAdvection) { check_family("rda_", true); }
TEST(NeuralGolden, ReactionDiffusionChemotaxis) { check_family("rdc_", false); }

class NeuralReferenceDevice : public test::OnEachBackend {};
INSTANTIATE_TEST_SUITE_P(Device, NeuralReferenceDevice, ::testing::Values(Backend::cuda), test::backend_name);
TEST_P(NeuralReferenceDevice, ReactionDiffusionAdvection) { check_family("rda_", true, {Backend::cuda}); }
TEST_P(NeuralReferenceDevice, ReactionDiffusionChemotaxis) { check_family("rdc_", false, {Backend::cuda}); }

/// What the reference leaves at zero or equal at the start, ours does too.
TEST(NeuralGolden, InitialStructure) {
  for (const auto& path : test::golden_files("pde", "rda_init_")) {
    SCOPED_TRACE(path.filename().string());
    const Golden g = test::load_golden(path);
    const NeuralSpec spec = spec_of(g, true);
    const auto theirs = flat(g, spec, "param.");
    std::vector<double> ours(theirs.size());
    neural_initialise(spec, 3, ours);
    for (const Layout layout = neural_param_layout(spec); const Block& block : layout.blocks()) {
      double sum_ours = 0, sum_theirs = 0;
      for (std::size_t i = block.offset; i < block.offset + block.size; ++i)
        sum_ours += ours[i] * ours[i], sum_theirs += theirs[i] * theirs[i];
      EXPECT_EQ(sum_ours == 0, sum_theirs == 0) << block.name;
      if (sum_theirs == 0) continue;
      const double ratio = sum_ours / sum_theirs;  // of a few numbers: a factor 100 in the scale would be 10^4
      EXPECT_GT(ratio, 1e-2) << block.name;
      EXPECT_LT(ratio, 1e2) << block.name;
    }
    for (const NeuralNet& net : spec.nets)
      if (net.tied) {
        const Block w = neural_param_layout(spec).at(net.name + "." + std::to_string(net.layers) + ".weight");
        for (std::size_t i = w.offset; i < w.offset + w.size / 2; ++i) {
          EXPECT_EQ(theirs[i], theirs[i + w.size / 2]);
          EXPECT_EQ(ours[i], ours[i + w.size / 2]);
        }
      }
  }
}

}  // namespace
}  // namespace mg::pde
