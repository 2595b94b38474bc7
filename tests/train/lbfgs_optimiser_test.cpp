#include "train/lbfgs_optimiser.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/backends.hpp"
#include "tests/train/optimiser_cases.hpp"

namespace mg::train {
namespace {

using Vec = std::vector<double>;

/// Gradient of 100 (x1 - x0^2)^2 + (1 - x0)^2.
Vec rosenbrock(const Vec& x) {
  const double a = x[1] - x[0] * x[0];
  return {-400 * x[0] * a - 2 * (1 - x[0]), 200 * a};
}

template <class T>
class Minimiser {
 public:
  Minimiser(Backend backend, const std::string& json, const Vec& start)
      : exec_{backend, nullptr},
        layout_(Layout().add("x", {int(start.size())})),
        optimiser_(make_optimiser<T>(test::optimiser_config(json), layout_, exec_)),
        params_(exec_, start.size()),
        gradient_(exec_, start.size()) {
    params_.upload(std::vector<T>(start.begin(), start.end()));
  }
  void run(int iterations) {
    for (int k = 0; k < iterations; ++k) {
      const Vec g = rosenbrock(x());
      gradient_.upload(std::vector<T>(g.begin(), g.end()));
      optimiser_->step(exec_, params_.data(), gradient_.data());
    }
  }
  Vec x() const {
    const auto v = params_.to_vector();
    return {v.begin(), v.end()};
  }
  Optimiser<T>& optimiser() { return *optimiser_; }
  Buffer<T>& params() { return params_; }

 private:
  Exec exec_;
  Layout layout_;
  std::unique_ptr<Optimiser<T>> optimiser_;
  Buffer<T> params_, gradient_;
};

class LbfgsBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(LbfgsBackends);

TEST_P(LbfgsBackends, FindsTheMinimumOfRosenbrockFromSlopesAlone) {
  Minimiser<double> m(GetParam(), R"({"type": "lbfgs", "max_step": 1})", {-1.2, 1});
  m.run(150);
  EXPECT_NEAR(m.x()[0], 1, 1e-6);
  EXPECT_NEAR(m.x()[1], 1, 1e-6);
}

TEST(LbfgsOptimiser, GoesOnBitForBitAndRefusesTheStateOfAnother) {
  const std::string json = R"({"type": "lbfgs", "max_step": 0.5, "memory": 3})";
  Minimiser<float> whole(Backend::host, json, {-1.2, 1}), first(Backend::host, json, {-1.2, 1});
  whole.run(25);
  first.run(12);
  const Vec at = first.x();
  Minimiser<float> second(Backend::host, json, at);
  second.optimiser().restore(first.optimiser().save());
  second.run(13);
  EXPECT_EQ(whole.x(), second.x());
  Minimiser<float> other(Backend::host, R"({"type": "lbfgs", "memory": 4})", at);
  EXPECT_THROW(other.optimiser().restore(first.optimiser().save()), CheckpointError);
}

TEST(LbfgsOptimiser, TheFirstStepIsShortAndLaterOnesAreBounded) {
  Minimiser<double> m(Backend::host, R"({"type": "lbfgs", "max_step": 0.1})", {-1.2, 1});
  m.run(1);
  Vec before{-1.2, 1};
  EXPECT_NEAR(std::hypot(m.x()[0] + 1.2, m.x()[1] - 1), 0.01, 1e-12);
  for (int k = 0; k < 30; ++k) {
    before = m.x();
    m.run(1);
    EXPECT_LE(std::hypot(m.x()[0] - before[0], m.x()[1] - before[1]), 0.1 + 1e-12);
  }
}

}  // namespace
}  // namespace mg::train
