#include <algorithm>
#include <memory>
#include <vector>

#include "apps/bench.hpp"
#include "core/limits.hpp"
#include "core/philox.hpp"
#include "core/validate.hpp"
#include "nca/nca_system.hpp"
#include "train/image_objective.hpp"
#include "train/optimiser.hpp"
#include "train/rollout.hpp"

namespace mg::apps {
namespace {

constexpr int kObserved = 4;

struct Case {
  const char* name;
  nca::NcaSpec spec;
  Grid grid;
  int batch, steps;
  bool train;
  train::ImageObjectiveOptions objective;
  const char* optimiser;  ///< JSON
};

/// The automaton of Growing NCA, with the fire mask of the reference or, `per_cell`, its own.
Case growing(const char* name, bool train, bool per_cell) {
  Case c{name, {}, {72, 72}, 8, 64, train, {}, R"({"type": "adam", "lr": 0.002, "transforms": ["tensor_normalise"]})"};
  c.spec.channels = 16;
  c.spec.hidden = 128;
  c.spec.hidden_bias = true;
  c.spec.perception.lap = false, c.spec.perception.grad = true;
  c.spec.perception.padding = Padding::zeros;
  c.spec.fire_mask = per_cell ? nca::FireMask::cell : nca::FireMask::channel;
  c.objective.loss = "l2";
  c.objective.grad_loss = false;
  c.objective.state_reg = 0;
  return c;
}

Case image_morph() {
  Case c{"nca_train_50x50x1_c20_f80",
         {},
         {50, 50},
         2,
         32,
         true,
         {},
         R"({"type": "nadam", "lr": 0.001, "transforms": ["param_block_norm"]})"};
  c.spec.channels = 20;
  c.spec.perception.grad = true;
  return c;
}

/// Uniform numbers in [0, scale) at any size, the same at every run.
std::vector<float> numbers(std::size_t n, float scale, std::uint64_t seed) {
  const RandomStream stream{seed, RandomPurpose::test};
  std::vector<float> out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = scale * uniform01<float>(stream.words(std::uint32_t(i)).v[0]);
  return out;
}

Buffer<float> upload(const Exec& exec, const std::vector<float>& host) {
  Buffer<float> b(exec, host.size());
  b.upload(host);
  return b;
}

/// Parameters as after some training: the output layer is not zero.
Buffer<float> parameters(const Exec& exec, const nca::NcaSystem<float>& system) {
  std::vector<float> host(system.param_layout().size());
  system.initialise(1, host);
  const auto noise = numbers(host.size(), 0.02F, 2);
  for (std::size_t i = 0; i < host.size(); ++i) host[i] += noise[i] - 0.01F;
  return upload(exec, host);
}

std::unique_ptr<train::Optimiser<float>> optimiser(const char* json, const Layout& params, const Exec& exec) {
  const Schema schema =
      Schema("bench", "").variant("optimiser", train::optimiser_variants(), std::nullopt, "optimiser of the benchmark");
  const auto document = parse_config(std::string(R"({"optimiser": )") + json + "}", "bench");
  return train::make_optimiser<float>(validate_config(schema, document).at("optimiser"), params, exec);
}

void run(const BenchOptions& options, const Case& c, double peak_before) {
  const Exec& exec = options.exec;
  const nca::NcaSystem<float> system(c.spec);
  const Layout layout = system.state_layout(c.grid);
  Buffer<float> params = parameters(exec, system);
  Buffer<float> state = upload(exec, numbers(layout.size() * std::size_t(c.batch), 1, 3));
  const ConstStateView<float> start{state.data(), &layout, c.batch};
  StepIndex index;
  index.seed = 7;
  BenchLine line;
  line.name = c.name;

  if (!c.train) {
    Workspace workspace;
    const Buffer<float> a(exec, state.size()), b(exec, state.size());
    time_work(
        options,
        [&] {
          const float* from = state.data();
          for (int k = 0; k < c.steps; ++k) {
            index.step = k;
            float* to = (k % 2 ? a : b).data();
            system.step(exec, index, params.data(), {}, {from, &layout, c.batch}, {to, &layout, c.batch}, workspace);
            from = to;
          }
        },
        line);
  } else {
    const Shape target_shape{c.batch, kObserved, c.grid.h, c.grid.w};
    const Buffer<float> target = upload(exec, numbers(target_shape.size(), 1, 4));
    train::ImageModel model;
    model.channels = c.spec.channels;
    model.observed = kObserved;
    model.perception = c.spec.perception;
    train::ImageObjective<float> objective(model, c.objective);
    train::ObjectiveInputs<float> inputs;
    inputs.target = {target.data(), target_shape};
    inputs.weight = 1.0 / c.batch;
    inputs.per_batch = c.batch;
    objective.bind(exec, inputs);
    Buffer<float> params_bar(exec, params.size());
    const auto update = optimiser(c.optimiser, system.param_layout(), exec);
    train::Rollout<float> rollout(exec, system, layout, c.batch);
    const auto plan =
        train::plan_rollout(c.steps, layout.size() * sizeof(float) * std::size_t(c.batch), 0, "store_all");
    time_work(
        options,
        [&] {
          params_bar.zero();
          rollout.forward(params.data(), {}, start, index, plan, &objective);
          rollout.backward(params.data(), {}, objective, params_bar.data(), {});
          update->step(exec, params.data(), params_bar.data());
          ++index.iteration;
        },
        line);
  }
  const double cell_steps = double(c.batch) * c.grid.h * c.grid.w * c.steps;
  line.unit = "cell-steps/s";
  line.rate = cell_steps / line.seconds;
  if (exec.backend == Backend::host)
    line.limit =
        std::max(peak_before, measure_fma_peak(options.repeats)) / (system.flop_per_cell() * (c.train ? 3 : 1));
  options.report(line);
}

}  // namespace

void bench_nca(const BenchOptions& options) {
  for (const Case& c :
       {growing("nca_rollout_72x72x8_c16_h128", false, false),
        growing("nca_rollout_72x72x8_c16_h128_cell", false, true), growing("nca_train_72x72x8_c16_h128", true, false),
        growing("nca_train_72x72x8_c16_h128_cell", true, true), image_morph()})
    if (options.wants(c.name))
      run(options, c, options.exec.backend == Backend::host ? measure_fma_peak(options.repeats) : 0);
}

}  // namespace mg::apps
