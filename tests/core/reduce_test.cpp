#include "core/reduce.hpp"

#include <gtest/gtest.h>
#if defined(_OPENMP)
#include <omp.h>
#endif

#include <cmath>

#include "tests/support/backends.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg {
namespace {

template <class T>
std::vector<T> run(Backend backend, Reduction reduction, const std::vector<T>& data, std::size_t segments) {
  const Exec exec{backend, nullptr};
  Buffer<T> in(exec, data.size()), out(exec, segments);
  in.upload(data);
  Workspace workspace;
  reduce(exec, reduction, in.data(), segments, data.size() / segments, out.data(), workspace);
  return out.to_vector();
}

class ReduceBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(ReduceBackends);

TEST_P(ReduceBackends, AgreeWithPlainLoopsAndWithTheHostToTheBit) {
  for (std::size_t length : {std::size_t(0), std::size_t(1), std::size_t(127), std::size_t(129), kReduceChunk,
                             kReduceChunk + 1, 3 * kReduceChunk - 7})
    for (std::size_t segments : {1, 3}) {
      SCOPED_TRACE(std::to_string(segments) + " x " + std::to_string(length));
      const auto data = test::random_vec(segments * length, 1);
      const auto sum = run(GetParam(), Reduction::sum, data, segments);
      const auto squares = run(GetParam(), Reduction::sum_squares, data, segments);
      const auto max = run(GetParam(), Reduction::max, data, segments);
      const auto max_abs = run(GetParam(), Reduction::max_abs, data, segments);
      EXPECT_EQ(sum, run(Backend::host, Reduction::sum, data, segments));
      for (std::size_t s = 0; s < segments; ++s) {
        double want_sum = 0, want_squares = 0, want_max = -INFINITY, want_max_abs = -INFINITY;
        for (std::size_t i = s * length; i < (s + 1) * length; ++i) {
          want_sum += data[i];
          want_squares += data[i] * data[i];
          want_max = std::max(want_max, data[i]);
          want_max_abs = std::max(want_max_abs, std::abs(data[i]));
        }
        EXPECT_NEAR(sum[s], want_sum, 1e-10);
        EXPECT_NEAR(squares[s], want_squares, 1e-9);
        EXPECT_EQ(max[s], want_max);
        EXPECT_EQ(max_abs[s], want_max_abs);
      }
    }
}

TEST_P(ReduceBackends, NanIsSeen) {
  for (Reduction reduction : {Reduction::sum, Reduction::sum_squares, Reduction::max, Reduction::max_abs}) {
    std::vector<float> data(500, 1.0F);
    data[321] = NAN;
    EXPECT_TRUE(std::isnan(run(GetParam(), reduction, data, 1)[0]));
  }
}

#if defined(_OPENMP)
TEST(Reduce, ThreadCountDoesNotMatter) {
  const auto data = test::random_vec(20 * kReduceChunk + 5, 1);
  const int threads = omp_get_max_threads();
  std::vector<double> sums;
  for (int n : {1, 2, 3}) {
    omp_set_num_threads(n);
    sums.push_back(run(Backend::host, Reduction::sum, data, 1)[0]);
  }
  omp_set_num_threads(threads);
  EXPECT_EQ(sums[0], sums[1]);
  EXPECT_EQ(sums[0], sums[2]);
}
#endif

}  // namespace
}  // namespace mg
