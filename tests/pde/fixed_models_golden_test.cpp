#include <gtest/gtest.h>

#include "tests/pde/rhs_runner.hpp"
#include "tests/support/golden.hpp"

namespace mg {
namespace {

/// The model of a file fixed_<model>_<padding>...: its parameters are what the file has under "param.".
std::string model_json(const test::Golden& golden, const std::string& type) {
  const auto& p = golden.params();
  nlohmann::json model = {{"type", type},
                          {"padding", p.at("PADDING")},
                          {"dx", p.at("dx")},
                          {"kernel_scale", p.at("KERNEL_SCALE")},
                          {"smoothing", p.at("SMOOTHING")},
                          {"compat", {{"scaled_kernels", "original"}}}};
  for (const auto& [name, tensor] : golden.file.tensors)
    if (name.starts_with("param.")) model["params"][name.substr(6)] = golden.values(name).at(0);
  return model.dump();
}

std::string model_of(const std::string& stem) {
  std::string name = stem.substr(std::string("fixed_").size());
  for (const std::string end : {"_circular", "_reflect", "_replicate", "_zeros"})
    if (const auto at = name.find(end); at != std::string::npos) name.resize(at);
  return name;
}

template <class T>
void check_file(const test::Golden& golden, double value_bound, double gradient_bound) {
  const auto rhs = test::fixed_model<T>(model_json(golden, model_of(golden.name)));
  const auto shape = golden.shape("in.X");
  const test::RhsRunner<T> run(*rhs, {1, int(shape[0]), int(shape[1]), int(shape[2])});
  const auto x = golden.values("in.X");
  MG_EXPECT_CLOSE(run.value(x), golden.values("out.F"), value_bound);
  const auto got = run.adjoint(x, golden.values("cot.F"));
  MG_EXPECT_CLOSE(got.x_bar, golden.values("vjp.X"), value_bound);
  for (const Block& block : rhs->param_layout().blocks()) {
    SCOPED_TRACE(block.name);
    MG_EXPECT_CLOSE(std::vector<double>{got.params_bar[block.offset]}, golden.values("vjp." + block.name),
                    gradient_bound);
  }
}

template <class T>
void check_all(double value_bound, double gradient_bound) {
  for (const std::string prefix :
       {"fixed_gray_scott_", "fixed_chhabra_", "fixed_hillen_painter_", "fixed_keller_segel_", "fixed_cahn_hilliard_"})
    for (const auto& path : test::golden_files("pde", prefix)) {
      SCOPED_TRACE(path.filename().string());
      check_file<T>(test::load_golden(path), value_bound, gradient_bound);
    }
}

TEST(FixedModelsGolden, Double) { check_all<double>(1e-10, 1e-10); }
TEST(FixedModelsGolden, Float) { check_all<float>(5e-7, 1e-4); }

}  // namespace
}  // namespace mg
