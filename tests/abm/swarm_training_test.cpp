// Training of swarms: ten iterations of an independent implementation, the gradient of the objective, and resuming.
#include <gtest/gtest.h>

#include <cmath>

#include "abm/agent_system.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"
#include "tests/train/optimiser_cases.hpp"
#include "train/optimiser.hpp"
#include "train/swarm_augmenter.hpp"
#include "train/swarm_objective.hpp"
#include "train/trainer.hpp"

namespace mg {
namespace {

using abm::AgentSpec;
using abm::AgentSystem;
using test::Golden;

/// Blocks of the agents' parameters in the order of the flat buffer, by their names in the goldens.
const std::pair<const char*, const char*> kNames[] = {
    {"species0.trunk.0.weight", "W1"},  {"species0.trunk.0.bias", "b1"},      {"species0.deposit.0.weight", "Wp1"},
    {"species0.deposit.0.bias", "bp1"}, {"species0.deposit.1.weight", "Wp2"}, {"species0.deposit.1.bias", "bp2"},
    {"species0.speed.0.weight", "Wv1"}, {"species0.speed.1.weight", "Wv2"},   {"species0.turn.0.weight", "Wt1"},
    {"species0.turn.1.weight", "Wt2"}};

AgentSpec golden_spec(const nlohmann::json& p) {
  AgentSpec s;
  s.species = {p.at("N").get<int>()};
  s.channels = p.at("C");
  s.dt = p.at("dt");
  s.absolute_heading = p.at("absolute_heading");
  s.hidden = s.head_hidden = {p.at("H").get<int>()};
  s.max_speed = p.at("v_max"), s.max_turn = p.at("t_max");
  s.renormalise = p.at("renormalise");
  s.blur_radius = p.at("blur_radius"), s.blur_sigma = p.at("blur_sigma");
  s.decay = p.at("lambda"), s.blend = p.at("kappa");
  return s;
}

/// Loss of one swarm of a golden and its gradient: alpha S + (1 - alpha) rmse of the last state.
double swarm_loss(const AgentSystem<double>& system, const Golden& g, const std::vector<double>& params,
                  std::vector<double> state, const std::vector<double>& target_points, std::vector<double>& params_bar,
                  double weight) {
  const auto& p = g.params();
  const int side = p.at("G").at(0), agents = p.at("N");
  const Layout layout = system.state_layout({side, side});
  Workspace workspace;
  std::vector<std::vector<double>> states = {std::move(state)};
  const int steps = p.at("T");
  for (int k = 0; k < steps; ++k) {
    std::vector<double> next(layout.size());
    system.step({}, {}, params.data(), {}, {states.back().data(), &layout, 1}, {next.data(), &layout, 1}, workspace);
    states.push_back(std::move(next));
  }
  const double alpha = p.at("alpha");
  train::SinkhornOptions o;
  o.metric = train::CloudMetric::torus;
  o.epsilon = p.at("eps"), o.iterations = p.at("sinkhorn_iterations"), o.threshold = 0;
  std::vector<double> x(states.back().begin(), states.back().begin() + 2 * agents), x_bar(x.size());
  for (double& v : x) v /= side;
  auto y = target_points;
  for (double& v : y) v /= side;
  train::SinkhornResult<double> r;
  train::sinkhorn_divergence<double>(o, {agents, x.data(), nullptr}, {int(y.size() / 2), y.data(), nullptr}, false, r,
                                     x_bar.data(), nullptr, workspace);
  const auto field = g.values("target/field");
  const double* lattice = states.back().data() + 4 * agents;
  double sum = 0;
  for (std::size_t i = 0; i < field.size(); ++i) sum += (lattice[i] - field[i]) * (lattice[i] - field[i]);
  const double rmse = std::sqrt(sum / double(field.size()) + 1e-12);
  std::vector<double> bar(layout.size()), before(layout.size());
  for (std::size_t i = 0; i < x_bar.size(); ++i) bar[i] = weight * alpha * x_bar[i] / side;
  for (std::size_t i = 0; i < field.size(); ++i)
    bar[std::size_t(4 * agents) + i] = weight * (1 - alpha) * (lattice[i] - field[i]) / (double(field.size()) * rmse);
  for (int k = steps; k-- > 0;) {
    system.step_adjoint({}, {}, params.data(), {}, {states[std::size_t(k)].data(), &layout, 1},
                        {bar.data(), &layout, 1}, {before.data(), &layout, 1}, params_bar.data(), workspace);
    bar = before;
  }
  return alpha * r.divergence + (1 - alpha) * rmse;
}

TEST(SwarmTrainingGolden, TenIterations) {
  for (const auto& path : test::golden_files("abm", "train_")) {
    const Golden g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    const auto& p = g.params();
    const AgentSystem<double> system(golden_spec(p));
    const Layout& layout = system.param_layout();
    std::vector<double> params(layout.size());
    system.initialise(0, params);  // decay and blend stay as the specification has them
    for (const auto& [block, name] : kNames) {
      const auto v = g.values(std::string("param0/") + name);
      std::copy(v.begin(), v.end(), params.begin() + std::ptrdiff_t(layout.at(block).offset));
    }
    const bool nadam = p.at("optimiser").get<std::string>().find("nadam") != std::string::npos;
    const auto optimiser =
        train::make_optimiser<double>(test::optimiser_config(nadam ? R"({"type": "nadam",
                                           "lr": {"type": "exponential", "initial": 1e-3, "steps": 1000, "rate": 0.99, "float32": true},
                                           "transforms": ["param_block_norm"]})"
                                                                   : R"({"type": "adam", "lr": 1e-3})"),
                                      layout, {});
    const int agents = p.at("N"), batch = p.at("B");
    const auto x = g.values("in/x"), u = g.values("in/u"), lattice = g.values("in/P"), points = g.values("target/x");
    const auto losses = g.values("loss");
    for (std::size_t i = 0; i < losses.size(); ++i) {
      std::vector<double> params_bar(params.size());
      double loss = 0;
      for (int b = 0; b < batch; ++b) {
        const auto n = std::size_t(2 * agents), at = (i * std::size_t(batch) + std::size_t(b)) * n;
        std::vector<double> state(x.begin() + std::ptrdiff_t(at), x.begin() + std::ptrdiff_t(at + n));
        state.insert(state.end(), u.begin() + std::ptrdiff_t(at), u.begin() + std::ptrdiff_t(at + n));
        state.insert(state.end(), lattice.begin(), lattice.end());
        const auto size = std::size_t(points.size()) / std::size_t(batch);
        const std::vector<double> target(points.begin() + std::ptrdiff_t(size * std::size_t(b)),
                                         points.begin() + std::ptrdiff_t(size * std::size_t(b + 1)));
        loss += swarm_loss(system, g, params, state, target, params_bar, 1.0 / batch) / batch;
      }
      EXPECT_NEAR(loss, losses[i], 1e-10) << "iteration " << i;
      for (const char* frozen : {"field.decay", "field.blend"}) {
        const Block& block = layout.at(frozen);
        std::fill_n(params_bar.begin() + std::ptrdiff_t(block.offset), block.size, 0.0);
      }
      if (i == 0)
        for (const auto& [block, name] : kNames) {
          const Block& b = layout.at(block);
          const std::vector<double> got(params_bar.begin() + std::ptrdiff_t(b.offset),
                                        params_bar.begin() + std::ptrdiff_t(b.offset + b.size));
          MG_EXPECT_CLOSE(got, g.values(std::string("grad0/") + name), 1e-9);
        }
      optimiser->step({}, params.data(), params_bar.data());
      for (const auto& [block, name] : kNames) {
        const Block& b = layout.at(block);
        const std::vector<double> got(params.begin() + std::ptrdiff_t(b.offset),
                                      params.begin() + std::ptrdiff_t(b.offset + b.size));
        const auto all = g.values(std::string("param_after/") + name);
        MG_EXPECT_CLOSE(got,
                        std::vector<double>(all.begin() + std::ptrdiff_t(i * b.size),
                                            all.begin() + std::ptrdiff_t((i + 1) * b.size)),
                        1e-9);
      }
    }
  }
}

AgentSpec small_spec() {
  AgentSpec s;
  s.species = {40};
  s.channels = 2;
  s.hidden = s.head_hidden = {5};
  return s;
}

TEST(SwarmObjective, GradientTaylor) {
  const AgentSystem<double> system(small_spec());
  const Grid grid{8, 6};
  const Layout layout = system.state_layout(grid);
  const int batch = 2;
  std::vector<double> target(std::size_t(batch) * 48);
  for (std::size_t i = 0; i < target.size(); i += 3) target[i] = 1 + double(i % 5);
  train::SwarmObjectiveOptions o;
  o.transport = 0.3, o.warm_start = false;
  o.sinkhorn.epsilon = 0.05, o.sinkhorn.threshold = 1e-12, o.sinkhorn.metric = train::CloudMetric::torus;
  train::SwarmObjective<double> objective(o);
  objective.bind({}, {{}, {target.data(), {batch, 1, 8, 6}}, 0.5, 1});
  const auto total = [&](const test::Vec& x) {
    objective.begin({}, {}, 1);
    objective.value({}, 1, 1, {x.data(), &layout, batch});
    double terms[4];
    objective.totals({}, terms);
    for (const auto& report : objective.reports()) EXPECT_TRUE(report.converged);
    return test::Vec{terms[0]};
  };
  const auto vjp = [&](const test::Vec& x, const test::Vec& bar) {
    total(x);
    test::Vec x_bar(x.size());
    objective.adjoint({}, 1, 1, {x.data(), &layout, batch}, {x_bar.data(), &layout, batch});
    for (double& v : x_bar) v *= bar[0];
    return x_bar;
  };
  auto x = test::random_vec(layout.size() * batch, 9);
  for (double& v : x) v = 3 + v;  // well inside the box
  test::expect_taylor_rate(total, vjp, x);
}

struct Training {
  explicit Training(const Exec& exec) : system(small_spec()) {
    train::Trajectory d;
    d.name = "pair", d.channels = 1, d.grid = {12, 12};
    d.frames.assign(3, std::vector<float>(144, 0.0F));
    for (int t = 0; t < 3; ++t)
      for (int i = 2; i < 10; ++i)
        for (int j = 3 * t + 1; j < 3 * t + 4; ++j) d.frames[std::size_t(t)][std::size_t(12 * i + j)] = 1;
    train::SwarmOptions so;
    so.steps = 3, so.batch = 2, so.propagate = true;
    augmenter =
        std::make_unique<train::SwarmAugmenter<float>>(so, train::AugmenterInputs<float>{exec, &system, {d}, 4});
    train::SwarmObjectiveOptions oo;
    oo.sinkhorn.epsilon = 0.02, oo.sinkhorn.iterations = 20, oo.warm_start = false;
    std::vector<std::unique_ptr<train::Objective<float>>> objectives;
    objectives.push_back(std::make_unique<train::SwarmObjective<float>>(oo));
    optimiser = train::make_optimiser<float>(test::optimiser_config(R"({"type": "adam", "lr": 1e-2})"),
                                             system.param_layout(), exec);
    std::vector<float> params(system.param_layout().size());
    system.initialise(1, params);
    trainer = std::make_unique<train::Trainer<float>>(exec, system, *augmenter, std::move(objectives), *optimiser,
                                                      train::TrainerOptions{}, 4, params);
  }
  AgentSystem<float> system;
  std::unique_ptr<train::SwarmAugmenter<float>> augmenter;
  std::unique_ptr<train::Optimiser<float>> optimiser;
  std::unique_ptr<train::Trainer<float>> trainer;
};

class SwarmTrainingBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(SwarmTrainingBackends);

TEST_P(SwarmTrainingBackends, ResumedEqualsUninterrupted) {
  const Exec exec{GetParam()};
  Training whole(exec), first(exec), second(exec);
  double start = 0;
  for (int i = 0; i < 6; ++i) {
    const double total = whole.trainer->step().total;
    if (i == 0) start = total;
  }
  for (int i = 0; i < 3; ++i) first.trainer->step();
  TensorFile file;
  first.trainer->save(file);
  second.trainer->restore(file);
  for (int i = 0; i < 3; ++i) second.trainer->step();
  EXPECT_EQ(second.trainer->params(), whole.trainer->params());
  EXPECT_GT(start, 0);
  if (GetParam() == Backend::host) return;
  Training host(Exec{});
  EXPECT_NEAR(host.trainer->step().total, start, 1e-5 * start);
  for (int i = 1; i < 6; ++i) host.trainer->step();
  const auto on_host = host.trainer->params(), here = whole.trainer->params();
  for (std::size_t i = 0; i < here.size(); ++i) EXPECT_NEAR(here[i], on_host[i], 2e-3) << i;  // six steps of Adam
}

TEST_P(SwarmTrainingBackends, AgentsStartInsideTheInk) {
  const Exec exec{GetParam()};
  Training run(exec);
  run.augmenter->begin(exec, 7);
  auto& group = run.augmenter->groups().front();
  EXPECT_EQ(group.count, 4);
  const auto values = group.start.to_vector();
  const ConstStateView<float> start{values.data(), &group.state_layout, group.count};
  for (int s = 0; s < group.count; ++s)
    for (int a = 0; a < 40; ++a) {
      const float* x = start.block(0) + 2 * (s * 40 + a);
      const int pair = s % 2;
      EXPECT_GE(x[0], 1.5F);
      EXPECT_LE(x[0], 9.5F);
      EXPECT_GE(x[1], float(3 * pair) + 0.5F);
      EXPECT_LE(x[1], float(3 * pair) + 3.5F);
      const float* u = start.block(1) + 2 * (s * 40 + a);
      EXPECT_NEAR(std::hypot(u[0], u[1]), 1, 1e-6);
    }
}

}  // namespace
}  // namespace mg
