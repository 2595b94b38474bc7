#include <cmath>
#include <memory>
#include <vector>

#include "abm/agent_system.hpp"
#include "abm/physarum.hpp"
#include "apps/bench.hpp"
#include "core/limits.hpp"
#include "core/philox.hpp"
#include "train/rollout.hpp"
#include "train/sinkhorn.hpp"
#include "train/swarm_augmenter.hpp"
#include "train/swarm_objective.hpp"

namespace mg::apps {
namespace {

constexpr int kChannels = 16;
constexpr double kPairFlop = 22;  ///< of one pair of points: difference, square, scale, exponential, sum

abm::AgentSpec neural(int agents) {
  abm::AgentSpec s;
  s.species = {agents};
  s.channels = kChannels;
  s.absolute_heading = true;
  return s;
}

/// flop of the network and of the three gathers (value and slopes) of one agent.
double agent_flop(const abm::AgentSystem<float>& system) {
  double flop = 0;
  for (const Block& block : system.param_layout().blocks())
    if (block.name.ends_with(".weight")) flop += 2 * double(block.size);
  return flop + 3 * 9 * 2 * kChannels;
}

/// Agents spread evenly, headings around the circle, an empty lattice; `batch` samples, block by block.
Buffer<float> swarm(const Exec& exec, const Layout& layout, Grid grid, int batch) {
  std::vector<float> host(layout.size() * std::size_t(batch));
  const StateView<float> view{host.data(), &layout, batch};
  const int agents = layout.at("x").dims[0];
  const std::vector<float> ink(std::size_t(grid.h) * std::size_t(grid.w), 1.0F);
  for (int b = 0; b < batch; ++b)
    train::scatter_agents(ink, grid, {1, RandomPurpose::test, 0, 0, std::uint32_t(b)}, agents,
                          view.block(0) + std::size_t(2 * agents) * b, view.block(1) + std::size_t(2 * agents) * b);
  Buffer<float> state(exec, host.size());
  state.upload(host);
  return state;
}

void report(const BenchOptions& options, BenchLine line, double work, const char* unit, double flop) {
  line.unit = unit;
  line.rate = work / line.seconds;
  if (flop > 0 && options.exec.backend == Backend::host) line.limit = measure_fma_peak(options.repeats) / flop;
  options.report(line);
}

void forward(const BenchOptions& options, const char* name, const System<float>& system, Grid grid, int steps,
             double flop) {
  if (!options.wants(name)) return;
  const Exec& exec = options.exec;
  const Layout layout = system.state_layout(grid);
  const Buffer<float> state = swarm(exec, layout, grid, 1);
  std::vector<float> host(system.param_layout().size());
  system.initialise(1, host);
  Buffer<float> params(exec, host.size());
  if (!host.empty()) params.upload(host);
  const Buffer<float> a(exec, state.size()), b(exec, state.size());
  Workspace workspace;
  BenchLine line;
  line.name = name;
  time_work(
      options,
      [&] {
        const float* from = state.data();
        StepIndex index;
        for (int k = 0; k < steps; ++k) {
          index.step = k;
          float* to = (k % 2 ? a : b).data();
          system.step(exec, index, params.data(), {}, {from, &layout, 1}, {to, &layout, 1}, workspace);
          from = to;
        }
      },
      line);
  report(options, line, double(layout.at("x").dims[0]) * steps, "agent-steps/s", flop);
}

/// Forward, objective and adjoint of a whole rollout.
void gradient(const BenchOptions& options, const char* name, int agents, Grid grid, int batch, int steps,
              train::SwarmObjectiveOptions objective_options) {
  if (!options.wants(name)) return;
  const Exec& exec = options.exec;
  const abm::AgentSystem<float> system(neural(agents));
  const Layout layout = system.state_layout(grid);
  const Buffer<float> state = swarm(exec, layout, grid, batch);
  std::vector<float> host(system.param_layout().size()), picture(std::size_t(batch * grid.h * grid.w));
  system.initialise(1, host);
  for (int b = 0; b < batch; ++b)
    for (int i = 0; i < grid.h; ++i)
      for (int j = 0; j < grid.w; ++j)
        picture[std::size_t((b * grid.h + i) * grid.w + j)] = std::hypot(i - grid.h / 2, j - grid.w / 2) < grid.h / 4;
  Buffer<float> params(exec, host.size()), params_bar(exec, host.size()), target(exec, picture.size());
  params.upload(host), target.upload(picture);
  train::SwarmObjective<float> objective(objective_options);
  train::ObjectiveInputs<float> inputs;
  inputs.target = {target.data(), {batch, 1, grid.h, grid.w}};
  inputs.weight = 1.0 / batch;
  objective.bind(exec, inputs);
  train::Rollout<float> rollout(exec, system, layout, batch);
  const auto plan =
      train::plan_rollout(steps, layout.size() * sizeof(float) * std::size_t(batch), std::size_t(2e9), "auto");
  BenchLine line;
  line.name = name;
  time_work(
      options,
      [&] {
        params_bar.zero();
        rollout.forward(params.data(), {}, {state.data(), &layout, batch}, {}, plan, &objective);
        rollout.backward(params.data(), {}, objective, params_bar.data(), {});
      },
      line);
  report(options, line, double(agents) * batch * steps, "agent-steps/s", 3 * agent_flop(system));
}

void sinkhorn(const BenchOptions& options) {
  constexpr int kPoints = 4000, kIterations = 50;
  const char* name = "abm_sinkhorn_4000x4000_it50";
  if (!options.wants(name) || options.exec.backend != Backend::host) return;
  std::vector<float> x(2 * kPoints), y(2 * kPoints), x_bar(2 * kPoints);
  const RandomStream stream{3, RandomPurpose::test};
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Philox4 words = stream.words(std::uint32_t(i));
    x[i] = uniform01<float>(words.v[0]);
    y[i] = 0.5F * uniform01<float>(words.v[1]);
  }
  train::SinkhornOptions o;
  o.epsilon = 0.01, o.iterations = kIterations, o.threshold = 0;
  train::SinkhornResult<float> result;
  Workspace workspace;
  BenchLine line;
  line.name = name;
  time_work(
      options,
      [&] {
        train::sinkhorn_divergence<float>(o, {kPoints, x.data(), nullptr}, {kPoints, y.data(), nullptr}, false, result,
                                          x_bar.data(), nullptr, workspace);
      },
      line);
  // Two updates between the clouds and one inside each; the four plans at the end.
  report(options, line, (4.0 * kIterations + 4) * kPoints * kPoints, "pairs/s", kPairFlop);
}

}  // namespace

void bench_abm(const BenchOptions& options) {
  abm::PhysarumSpec rule;
  rule.agents = 100000;
  rule.exclusive = false;
  forward(options, "abm_physarum_100k_512x512", abm::PhysarumSystem<float>(rule), {512, 512}, 20, 0);
  const abm::AgentSystem<float> system(neural(4000));
  forward(options, "abm_neural_4000_128x128_c16", system, {128, 128}, 20, agent_flop(system));
  forward(options, "abm_neural_4000_64x64_c16", system, {64, 64}, 8, agent_flop(system));
  train::SwarmObjectiveOptions lattice_only;
  lattice_only.transport = 0;
  if (options.exec.backend == Backend::host)
    gradient(options, "abm_gradient_4000_64x64_c16_t8", 4000, {64, 64}, 1, 8, lattice_only);
  sinkhorn(options);
  train::SwarmObjectiveOptions full;
  full.transport = 0.1;
  full.sinkhorn.epsilon = 0.05, full.sinkhorn.relative = true;
  if (options.exec.backend == Backend::host)
    gradient(options, "abm_train_4000x4_64x64_c16_t128", 4000, {64, 64}, 4, 128, full);
}

}  // namespace mg::apps
