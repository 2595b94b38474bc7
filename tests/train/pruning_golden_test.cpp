// Magnitude pruning against jaxpruner, as the reference would call it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "tests/support/golden.hpp"
#include "train/grouped_optimiser.hpp"

namespace mg::train {
namespace {

TEST(PruningGolden, KeepsTheSameElements) {
  for (const auto& path : test::golden_files("nca", "pruning")) {
    const test::Golden g = test::load_golden(path);
    int seen = 0;
    for (const double sparsity : g.params().at("sparsities"))
      for (const auto& [tensor, unused] : g.file.tensors) {
        if (!tensor.starts_with("in.") || tensor == "in.vector") continue;  // a vector is never pruned
        const std::string name = tensor.substr(3),
                          out = "s" + std::to_string(int(std::lround(100 * sparsity))) + "." + name;
        SCOPED_TRACE(out);
        auto values = g.values(tensor);
        prune_smallest(values.data(), values.size(), sparsity);
        EXPECT_EQ(values, g.values(out));
        ++seen;
      }
    EXPECT_GE(seen, 12);
    for (const auto& [tensor, unused] : g.file.tensors) {
      int warmup = 0, iterations = 0, target = 0;
      if (std::sscanf(tensor.c_str(), "schedule.warmup%d_iters%d_target%d", &warmup, &iterations, &target) != 3)
        continue;
      SCOPED_TRACE(tensor);
      const Pruning pruning{target / 100.0, warmup, iterations, true};
      const auto want = g.values(tensor);
      for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(pruning.sparsity(std::int64_t(i)), want[i], 1e-15);
    }
  }
}

}  // namespace
}  // namespace mg::train
