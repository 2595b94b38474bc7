#include "train/checked_system.hpp"

#include <vector>

#include "nca/nca_system.hpp"
#include "tests/support/backends.hpp"

namespace mg::train {
namespace {

class CheckedSystemBackends : public test::OnEachBackend {};

nca::NcaSpec small_spec() {
  nca::NcaSpec spec;
  spec.channels = 4;
  spec.hidden = 6;
  spec.perception.grad = true;
  return spec;
}

/// An automaton that is wrong on the device: it clears the first number of every result there.
class BrokenTwin final : public System<float> {
 public:
  enum class Where { nowhere, state, gradient };
  explicit BrokenTwin(Where where) : where_(where), inner_(small_spec()) {}
  std::string_view type() const override { return "broken"; }
  Layout state_layout(Grid grid) const override { return inner_.state_layout(grid); }
  const Layout& param_layout() const override { return inner_.param_layout(); }
  void initialise(std::uint64_t seed, std::span<float> params) const override {
    inner_.initialise(seed, params);
    for (std::size_t i = 0; i < params.size(); ++i) params[i] += 0.02F * float(i % 7);
  }
  void step(const Exec& exec, const StepIndex& index, const float* params, ConstStateView<float> conditions,
            ConstStateView<float> state, StateView<float> next, Workspace& workspace) const override {
    inner_.step(exec, index, params, conditions, state, next, workspace);
    if (where_ == Where::state && exec.backend == Backend::cuda) zero_bytes(exec, next.data, sizeof(float));
  }
  void step_adjoint(const Exec& exec, const StepIndex& index, const float* params, ConstStateView<float> conditions,
                    ConstStateView<float> state, ConstStateView<float> next_bar, StateView<float> state_bar,
                    float* params_bar, Workspace& workspace) const override {
    inner_.step_adjoint(exec, index, params, conditions, state, next_bar, state_bar, params_bar, workspace);
    if (where_ == Where::gradient && exec.backend == Backend::cuda) zero_bytes(exec, params_bar, sizeof(float));
  }

 private:
  Where where_;
  nca::NcaSystem<float> inner_;
};

/// Runs `calls` steps and one adjoint under the check; returns the number of comparisons.
long long run(const Exec& exec, BrokenTwin::Where where, int every, int calls) {
  const CheckedSystem<float> checked(std::make_unique<BrokenTwin>(where), every);
  const Layout layout = checked.state_layout({5, 7});
  const std::size_t size = 2 * layout.size();
  std::vector<float> params(checked.param_layout().size()), start(size);
  checked.initialise(3, params);
  for (std::size_t i = 0; i < size; ++i) start[i] = 0.5F + 0.1F * float(i % 11);
  Buffer<float> p(exec, params.size()), p_bar(exec, params.size()), x(exec, size), next(exec, size), bar(exec, size);
  p.upload(params), x.upload(start), p_bar.zero();
  Workspace workspace;
  const StepIndex index{.seed = 9, .iteration = 2, .step = 4};
  for (int k = 0; k < calls; ++k)
    checked.step(exec, index, p.data(), {}, {x.data(), &layout, 2}, {next.data(), &layout, 2}, workspace);
  checked.step_adjoint(exec, index, p.data(), {}, {x.data(), &layout, 2}, {next.data(), &layout, 2},
                       {bar.data(), &layout, 2}, p_bar.data(), workspace);
  return checked.comparisons();
}

TEST_P(CheckedSystemBackends, ComparesEveryNthCallOnTheDeviceOnly) {
  const bool device = GetParam() == Backend::cuda;
  EXPECT_EQ(run({GetParam()}, BrokenTwin::Where::nowhere, 1, 4), device ? 5 : 0);
  EXPECT_EQ(run({GetParam()}, BrokenTwin::Where::nowhere, 3, 4),
            device ? 2 : 0);  // calls 0 and 3; the adjoint is call 4
}

TEST_P(CheckedSystemBackends, StopsWhenTheTwinsDisagree) {
  for (const auto where : {BrokenTwin::Where::state, BrokenTwin::Where::gradient}) {
    if (GetParam() == Backend::host) {
      EXPECT_NO_THROW(run({GetParam()}, where, 1, 1));
      continue;
    }
    try {
      run({GetParam()}, where, 1, 1);
      ADD_FAILURE() << "a wrong device result went unnoticed";
    } catch (const DivergedError& e) {
      const std::string what = e.what();
      EXPECT_NE(what.find(where == BrokenTwin::Where::state ? "the next state" : "the parameter gradient"),
                std::string::npos)
          << what;
      EXPECT_NE(what.find("step 4 in iteration 2"), std::string::npos) << what;
    }
  }
}

MG_INSTANTIATE_BACKENDS(CheckedSystemBackends);

}  // namespace
}  // namespace mg::train
