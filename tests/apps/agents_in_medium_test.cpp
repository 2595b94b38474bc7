// Agents in a medium: the composition, its adjoint through automata and equations, and both backends.
#include "abm/agents_in_medium.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/validate.hpp"
#include "nca/register.hpp"
#include "pde/register.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg::abm {
namespace {

const char* const kGrayScott = R"({"type": "gray_scott", "padding": "CIRCULAR", "solver": {"type": "heun"}})";
const char* const kAutomaton =
    R"({"type": "nca", "channels": 2, "hidden": 6, "fire_rate": 0.5, "padding": "CIRCULAR"})";

template <class T>
std::unique_ptr<System<T>> medium_of(const char* text) {
  Registry<System<T>> media;
  nca::register_systems(media);
  pde::register_systems(media);
  Schema schema("test", "");
  schema.variant("medium", media.variants(), std::nullopt, "");
  return media.create(
      validate_config(schema, parse_config(std::string("{\"medium\": ") + text + "}", "test")).at("medium"));
}
AgentSpec spec() {
  AgentSpec s;
  s.species = {12}, s.channels = 2;
  s.hidden = s.head_hidden = {5};
  return s;
}
template <class T>
std::vector<T> start_of(const Layout& layout) {
  std::vector<T> state(layout.size());
  const auto noise = test::random_vec(state.size(), 4);
  for (std::size_t i = 0; i < state.size(); ++i) state[i] = T(0.4 + 0.05 * noise[i]);
  for (int a = 0; a < 12; ++a) {
    state[std::size_t(2 * a)] = T(0.3 + 0.5 * a), state[std::size_t(2 * a + 1)] = T(5.2 - 0.4 * a);
    state[std::size_t(24 + 2 * a)] = T(std::cos(a)), state[std::size_t(25 + 2 * a)] = T(std::sin(a));
  }
  return state;
}

TEST(AgentsInMedium, IsTheAgentsThenTheMedium) {
  AgentsInMedium<double> both(spec(), medium_of<double>(kGrayScott), {2, 0.5});
  const auto medium = medium_of<double>(kGrayScott);
  const Grid grid{7, 6};
  const Layout layout = both.state_layout(grid), fields = medium->state_layout(grid);
  std::vector<double> params(both.param_layout().size());
  both.initialise(1, params);
  const auto state = start_of<double>(layout);
  std::vector<double> got(state.size()), want(state.size()), a(fields.size()), b(fields.size());
  Workspace workspace;
  both.step({}, {}, params.data(), {}, {state.data(), &layout, 1}, {got.data(), &layout, 1}, workspace);

  AgentSpec alone = spec();
  alone.blur_radius = 0;
  const AgentSystem<double> agents(alone);  // with the parameters of both: its decay is exactly 1
  agents.step({}, {}, params.data(), {}, {state.data(), &layout, 1}, {want.data(), &layout, 1}, workspace);
  std::copy(want.begin() + 48, want.end(), a.begin());
  const double* medium_params = params.data() + agents.param_layout().size();
  for (int k = 0; k < 2; ++k, a.swap(b)) {
    StepIndex index;
    index.step = k, index.h = 0.5, index.t = 0.5 * k;
    medium->step({}, index, medium_params, {}, {a.data(), &fields, 1}, {b.data(), &fields, 1}, workspace);
  }
  std::copy(a.begin(), a.end(), want.begin() + 48);
  EXPECT_EQ(got, want);
  EXPECT_EQ(both.param_layout().blocks().front().name, "agents.species0.trunk.0.weight");
}

TEST(AgentsInMedium, RolloutTaylor) {
  for (const char* text : {kGrayScott, kAutomaton}) {
    SCOPED_TRACE(text);
    const AgentsInMedium<double> both(spec(), medium_of<double>(text), {3, 0.5});
    const Layout layout = both.state_layout({7, 6});
    const std::size_t params = both.param_layout().size(), size = layout.size();
    test::Vec z(params);
    both.initialise(7, z);
    const auto start = start_of<double>(layout);
    z.insert(z.end(), start.begin(), start.end());
    Workspace workspace;
    const int steps = 3;
    const auto roll = [&](const test::Vec& at) {
      std::vector<test::Vec> states = {test::Vec(at.begin() + std::ptrdiff_t(params), at.end())};
      for (int k = 0; k < steps; ++k) {
        StepIndex index;
        index.step = k;
        test::Vec next(size);
        both.step({}, index, at.data(), {}, {states.back().data(), &layout, 1}, {next.data(), &layout, 1}, workspace);
        states.push_back(std::move(next));
      }
      return states;
    };
    const double scale = 1e-2;  // agents stay away from faces
    const auto moved = [&](const test::Vec& d) {
      test::Vec at = z;
      for (std::size_t i = 0; i < at.size(); ++i) at[i] += scale * d[i];
      return at;
    };
    const auto vjp = [&](const test::Vec& d, const test::Vec& cotangent) {
      const test::Vec at = moved(d);
      const auto states = roll(at);
      test::Vec bar = cotangent, before(size), out(params);
      for (int k = steps; k-- > 0; bar = before) {
        StepIndex index;
        index.step = k;
        both.step_adjoint({}, index, at.data(), {}, {states[std::size_t(k)].data(), &layout, 1},
                          {bar.data(), &layout, 1}, {before.data(), &layout, 1}, out.data(), workspace);
      }
      out.insert(out.end(), bar.begin(), bar.end());
      for (double& v : out) v *= scale;
      return out;
    };
    test::expect_taylor_rate([&](const test::Vec& d) { return roll(moved(d)).back(); }, vjp, test::Vec(z.size(), 0.0));
  }
}

TEST(AgentsInMedium, RefusesAnotherNumberOfChannels) {
  AgentSpec wrong = spec();
  wrong.channels = 3;
  const AgentsInMedium<double> both(wrong, medium_of<double>(kGrayScott), {});
  EXPECT_THROW(both.state_layout({8, 8}), std::invalid_argument);
}

class AgentsInMediumBackends : public test::OnEachBackend {};
TEST_P(AgentsInMediumBackends, StepAndAdjointEqualTheHost) {
  const AgentsInMedium<float> both(spec(), medium_of<float>(kGrayScott), {2, 0.5});
  const Layout layout = both.state_layout({7, 6});
  std::vector<float> params(both.param_layout().size());
  both.initialise(1, params);
  const auto state = start_of<float>(layout);
  const auto run = [&](const Exec& exec) {
    Buffer<float> p(exec, params.size()), p_bar(exec, params.size()), x(exec, state.size()), y(exec, state.size()),
        bar(exec, state.size());
    p.upload(params), x.upload(state), p_bar.zero();
    Workspace workspace;
    both.step(exec, {}, p.data(), {}, {x.data(), &layout, 1}, {y.data(), &layout, 1}, workspace);
    both.step_adjoint(exec, {}, p.data(), {}, {x.data(), &layout, 1}, {y.data(), &layout, 1}, {bar.data(), &layout, 1},
                      p_bar.data(), workspace);
    auto all = y.to_vector();
    for (const auto& v : {bar.to_vector(), p_bar.to_vector()}) all.insert(all.end(), v.begin(), v.end());
    return all;
  };
  MG_EXPECT_CLOSE(run({GetParam(), nullptr}), run({}), 2e-6);
}
MG_INSTANTIATE_BACKENDS(AgentsInMediumBackends);

}  // namespace
}  // namespace mg::abm
