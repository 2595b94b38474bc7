// The agent step of the corrected formulation and its parts against values and cotangents by automatic differentiation.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "abm/agent_step.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"

namespace mg::abm {
namespace {

using test::Golden;

template <class E, std::size_t N>
E choice(const nlohmann::json& value, const std::pair<const char*, E> (&table)[N]) {
  for (const auto& [name, e] : table)
    if (value.get<std::string>() == name) return e;
  throw std::runtime_error("unknown choice " + value.dump());
}

AgentSpec spec_of(const Golden& g) {
  const auto& p = g.params();
  AgentSpec s;
  const auto x = g.shape("in/x");
  s.species = {int(x[0])};
  s.channels = int(g.shape("in/P")[0]);
  s.dt = p.at("dt");
  s.assignment = choice(p.at("kernel"), {std::pair{"cic", Assignment::cic}, {"tsc", Assignment::tsc}});
  s.domain = choice(p.at("boundary"), {std::pair{"periodic", Domain::periodic}, {"mirror", Domain::mirror}});
  s.sensing = choice(p.at("sensing"), {std::pair{"grad", Sensing::gradient}, {"sensors", Sensing::sensors}});
  s.derivative_sigma = p.at("stencil") == "sobel" ? 0.0 : p.at("dog_sigma").get<double>();
  s.absolute_heading = p.at("absolute_heading");
  s.activation = choice(p.at("hidden_act"), {std::pair{"tanh", Activation::tanh},
                                             {"silu", Activation::swish},
                                             {"relu", Activation::relu},
                                             {"leaky_relu", Activation::leaky_relu}});
  s.deposit = choice(p.at("deposit_act"),
                     {std::pair{"linear", DepositActivation::linear}, {"softplus", DepositActivation::softplus}});
  s.turn =
      choice(p.at("turn_act"), {std::pair{"tanh", TurnActivation::tanh}, {"hard_tanh", TurnActivation::hard_tanh}});
  s.field = choice(p.at("field_act"), {std::pair{"identity", FieldActivation::identity},
                                       {"softsat", FieldActivation::soft_saturation},
                                       {"softplus", FieldActivation::softplus}});
  s.max_speed = p.at("v_max"), s.max_turn = p.at("t_max");
  s.renormalise = p.at("renormalise");
  s.blur_radius = p.at("blur_radius"), s.blur_sigma = p.at("blur_sigma");
  s.noise = g.file.contains("noise/xi");
  const auto hidden = int(g.shape("param/W1")[0]);
  s.hidden = s.head_hidden = {hidden};
  if (s.sensing == Sensing::sensors) s.sensor_angles = g.values("param/phi");
  return s;
}

/// Name in the golden of every block of the layout, and whether the layout holds its logit or logarithm.
struct Named {
  std::string golden;
  enum class Form { plain, logit, logarithm } form = Form::plain;
};
Named golden_name(const std::string& block) {
  using Form = Named::Form;
  const std::map<std::string, Named> names = {{"species0.trunk.0.weight", {"W1", Form::plain}},
                                              {"species0.trunk.0.bias", {"b1", Form::plain}},
                                              {"species0.deposit.0.weight", {"Wp1", Form::plain}},
                                              {"species0.deposit.0.bias", {"bp1", Form::plain}},
                                              {"species0.deposit.1.weight", {"Wp2", Form::plain}},
                                              {"species0.deposit.1.bias", {"bp2", Form::plain}},
                                              {"species0.speed.0.weight", {"Wv1", Form::plain}},
                                              {"species0.speed.1.weight", {"Wv2", Form::plain}},
                                              {"species0.turn.0.weight", {"Wt1", Form::plain}},
                                              {"species0.turn.1.weight", {"Wt2", Form::plain}},
                                              {"species0.sensor.length", {"L", Form::plain}},
                                              {"species0.sensor.angles", {"phi", Form::plain}},
                                              {"field.decay", {"lambda", Form::logit}},
                                              {"field.blend", {"kappa", Form::logit}},
                                              {"noise.rotation", {"D_R", Form::logarithm}},
                                              {"noise.translation", {"D_T", Form::logarithm}}};
  return names.at(block);
}

template <class T>
struct Case {
  Golden g;
  AgentSpec spec;
  AgentParams where;
  LineKernels kernels;
  LatticeOperators<T> operators;
  AgentStepInputs<T> in;
  std::vector<T> params;
  Workspace workspace;

  explicit Case(Golden golden) : g(std::move(golden)), spec(spec_of(g)), where(agent_params(spec)) {
    const auto lattice = g.shape("in/P");
    in.spec = &spec, in.where = &where, in.operators = &operators;
    in.h = int(lattice[1]), in.w = int(lattice[2]);
    kernels = line_kernels(spec.blur_radius, spec.blur_sigma, spec.derivative_sigma);
    in.kernels = &kernels;
    operators = lattice_operators<T>(spec.domain, in.h, in.w, kernels);
    for (const Block& block : where.layout.blocks()) {
      const Named named = golden_name(block.name);
      for (const double v : g.values("param/" + named.golden))
        params.push_back(T(named.form == Named::Form::logit       ? std::log(v / (1 - v))
                           : named.form == Named::Form::logarithm ? std::log(v)
                                                                  : v));
    }
  }
  /// bar/<name> of every parameter, turned into the cotangent of what the layout holds.
  std::vector<double> params_bar() const {
    std::vector<double> all;
    for (const Block& block : where.layout.blocks()) {
      const Named named = golden_name(block.name);
      const auto value = g.values("param/" + named.golden), bar = g.values("bar/" + named.golden);
      for (std::size_t i = 0; i < bar.size(); ++i)
        all.push_back(named.form == Named::Form::logit       ? bar[i] * value[i] * (1 - value[i])
                      : named.form == Named::Form::logarithm ? bar[i] * value[i]
                                                             : bar[i]);
    }
    return all;
  }
  std::vector<T> noise(std::size_t step) const {
    std::vector<T> all;
    if (!spec.noise) return all;
    const auto xi = g.values("noise/xi"), zeta = g.values("noise/zeta");
    const auto n = std::size_t(spec.agents());
    for (std::size_t i = step * n; i < (step + 1) * n; ++i)
      all.insert(all.end(), {T(xi[i]), T(zeta[2 * i]), T(zeta[2 * i + 1])});
    return all;
  }
};

/// A state on the backend.
template <class T>
struct State {
  Buffer<T> x, u, lattice;
  State(const Exec& exec, const std::vector<T>& a, const std::vector<T>& b, const std::vector<T>& c)
      : x(exec, a.size()), u(exec, b.size()), lattice(exec, c.size()) {
    x.upload(a), u.upload(b), lattice.upload(c);
  }
  AgentState<T> view() { return {x.data(), u.data(), lattice.data()}; }
  AgentState<const T> view() const { return {x.data(), u.data(), lattice.data()}; }
};
template <class T>
State<T> state_of(const Exec& exec, const Golden& g, const std::string& prefix) {
  const auto cast = [&](const char* name) {
    const auto v = g.values(prefix + name);
    return std::vector<T>(v.begin(), v.end());
  };
  return {exec, cast("x"), cast("u"), cast("P")};
}

template <class T>
void check_rollout(const Exec& exec, const Golden& golden, double value_bound, double adjoint_bound) {
  SCOPED_TRACE(golden.name);
  Case<T> c(golden);
  Buffer<T> params(exec, c.params.size()), params_bar(exec, c.params.size()), noise(exec, c.noise(0).size());
  params.upload(c.params);
  params_bar.zero();
  const auto steps = c.g.shape("traj/x").at(0) - 1;
  const auto set_noise = [&](std::size_t k) {
    if (noise.size() > 0) noise.upload(c.noise(k));
    c.in.noise = noise.data();
  };
  std::vector<State<T>> states;
  states.push_back(state_of<T>(exec, c.g, "in/"));
  std::vector<T> x, u, lattice;
  const auto append = [](std::vector<T>& all, const Buffer<T>& one) {
    const auto v = one.to_vector();
    all.insert(all.end(), v.begin(), v.end());
  };
  for (std::size_t k = 0; k <= steps; ++k) {
    append(x, states.back().x), append(u, states.back().u), append(lattice, states.back().lattice);
    if (k == steps) break;
    set_noise(k);
    State<T> next = state_of<T>(exec, c.g, "in/");
    agent_step<T>(exec, c.in, params.data(), std::as_const(states.back()).view(), next.view(), c.workspace);
    states.push_back(std::move(next));
  }
  MG_EXPECT_CLOSE(x, c.g.values("traj/x"), value_bound);
  MG_EXPECT_CLOSE(u, c.g.values("traj/u"), value_bound);
  MG_EXPECT_CLOSE(lattice, c.g.values("traj/P"), value_bound);

  State<T> bar = state_of<T>(exec, c.g, "cot/");
  for (std::size_t k = steps; k-- > 0;) {
    set_noise(k);
    State<T> before = state_of<T>(exec, c.g, "cot/");
    agent_step_adjoint<T>(exec, c.in, params.data(), std::as_const(states[k]).view(), std::as_const(bar).view(),
                          before.view(), params_bar.data(), c.workspace);
    bar = std::move(before);
  }
  MG_EXPECT_CLOSE(bar.x.to_vector(), c.g.values("bar/x"), adjoint_bound);
  MG_EXPECT_CLOSE(bar.u.to_vector(), c.g.values("bar/u"), adjoint_bound);
  MG_EXPECT_CLOSE(bar.lattice.to_vector(), c.g.values("bar/P"), adjoint_bound);
  MG_EXPECT_CLOSE(params_bar.to_vector(), c.params_bar(), adjoint_bound);
}

class AgentGoldenBackends : public test::OnEachBackend {};

TEST_P(AgentGoldenBackends, StepsInDouble) {
  for (const auto& path : test::golden_files("abm", "step"))
    check_rollout<double>({GetParam(), nullptr}, test::load_golden(path), 1e-9, 1e-9);
}

TEST_P(AgentGoldenBackends, StepsInFloat) {
  for (const auto& path : test::golden_files("abm", "step"))
    check_rollout<float>({GetParam(), nullptr}, test::load_golden(path), 2e-6, 2e-5);
}
MG_INSTANTIATE_BACKENDS(AgentGoldenBackends);

}  // namespace
}  // namespace mg::abm
