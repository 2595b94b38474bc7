#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "tests/core/stencil_cases.hpp"
#include "tests/support/golden.hpp"

namespace mg {
namespace {

using test::Golden;

Padding padding_named(const std::string& name) {
  const auto it = std::find(std::begin(kPaddingNames), std::end(kPaddingNames), name);
  EXPECT_NE(it, std::end(kPaddingNames)) << name;
  return Padding(it - std::begin(kPaddingNames));
}

template <class T>
void check_file(const Golden& golden, double tolerance) {
  const auto& p = golden.params();
  const auto set = make_stencils<T>(padding_named(p.at("PADDING").template get<std::string>()),
                                    p.at("KERNEL_SCALE").template get<int>(), p.at("SMOOTHING").template get<int>(),
                                    p.at("dx").template get<double>(), true);
  MG_EXPECT_CLOSE(set.grad0, golden.values("kernel.grad0"), tolerance);
  MG_EXPECT_CLOSE(set.grad1, golden.values("kernel.grad1"), tolerance);
  MG_EXPECT_CLOSE(set.lap, golden.values("kernel.lap"), tolerance);
  MG_EXPECT_CLOSE(set.average, golden.values("kernel.average"), tolerance);
  for (const auto& op : test::stencil_cases<T>())
    for (char g = '0'; golden.file.contains(std::string{'g', g, '.', 'X'}); ++g) {
      const std::string grid{'g', g, '.'}, base = grid + op.name + ".";
      SCOPED_TRACE(base);
      const auto shape = golden.shape(grid + "X");
      const test::StencilRunner<T> run(Backend::host, op, set, {1, int(shape[0]), int(shape[1]), int(shape[2])});
      std::vector<double> in, bars;
      for (const std::string& name : op.inputs) {
        const auto values = golden.values(grid + name), bar = golden.values(base + name + "_bar");
        in.insert(in.end(), values.begin(), values.end());
        bars.insert(bars.end(), bar.begin(), bar.end());
      }
      MG_EXPECT_CLOSE(run.forward(in), golden.values(base + "out"), tolerance);
      MG_EXPECT_CLOSE(run.adjoint(in, golden.values(base + "out_bar")), bars, tolerance);
    }
}

TEST(StencilGolden, EveryMethodDouble) {
  for (const auto& path : test::golden_files("common", "ops_")) {
    SCOPED_TRACE(path.filename().string());
    check_file<double>(test::load_golden(path), 1e-10);
  }
}

TEST(StencilGolden, EveryMethodFloat) {
  for (const auto& path : test::golden_files("common", "ops_")) {
    SCOPED_TRACE(path.filename().string());
    check_file<float>(test::load_golden(path), 7e-7);
  }
}

}  // namespace
}  // namespace mg
