#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "apps/bench.hpp"
#include "core/limits.hpp"
#include "core/validate.hpp"
#include "pde/pde_system.hpp"
#include "pde/register.hpp"
#include "train/rollout.hpp"

namespace mg::apps {
namespace {

enum class Work { forward, gradient, checkpointed };

struct Case {
  const char* name;
  const char* solver;
  int side, steps;
  Work work;
  const char* model = R"("type": "gray_scott")";
  int batch = 1;
};

/// Every term; small parameters, so that the solve stays smooth.
constexpr const char* kRda = R"("type": "rda", "channels": 4, "terms": ["reaction_pure", "advection", "diffusion"],
  "init_scale": {"reaction": 0.1, "advection": 0.1, "diffusion": 0.1}, "zero_init": {"reaction": false,
  "advection": false})";

/// J = 0.5 |x_K|^2: its cotangent is the last state, so that the gradient of the solve is all the work.
class LastState final : public train::Objective<float> {
 public:
  explicit LastState(const Exec& exec) : loss_(exec, 1) { loss_.zero(); }
  void bind(const Exec&, const train::ObjectiveInputs<float>&) override {}
  void begin(const Exec&, const StepIndex&, int) override {}
  bool observes(int k, int steps) const override { return k == steps; }
  void value(const Exec&, int, int, ConstStateView<float>) override {}
  void adjoint(const Exec& exec, int, int, ConstStateView<float> x, StateView<float> x_bar) override {
    pde::Combination<float> add;
    add.out = x_bar.data, add.base = x_bar.data, add.r_weight = 1;
    pde::write_combinations<float>(exec, pde::Combinations<float>(add), x.data, x.size());
  }
  std::vector<std::string> terms() const override { return {"loss"}; }
  std::vector<double> term_weights() const override { return {1}; }
  void totals(const Exec&, float*) override {}
  const float* sample_losses() const override { return loss_.data(); }

 private:
  Buffer<float> loss_;
};

std::unique_ptr<System<float>> build(const Case& c) {
  Registry<System<float>> registry;
  pde::register_systems(registry);
  const Schema schema = Schema("bench", "").variant("model", registry.variants(), std::nullopt, "model");
  const std::string text =
      std::string(R"({"model": {)") + c.model + R"(, "solver": {"type": ")" + c.solver + R"(", "dt": 0.2}}})";
  return registry.create(validate_config(schema, parse_config(text, "bench")).at("model"));
}

/// A square of B in a lattice full of A, with ripples so that no two cells are equal.
/// Every further pair of channels, and every sample, is the same.
std::vector<float> spots(int side, std::size_t size) {
  const std::size_t plane = std::size_t(side) * std::size_t(side);
  std::vector<float> x(std::max(size, 2 * plane));
  for (int i = 0; i < side; ++i)
    for (int j = 0; j < side; ++j) {
      const bool inside = std::abs(i - side / 2) < side / 8 && std::abs(j - side / 2) < side / 8;
      const std::size_t at = std::size_t(i) * std::size_t(side) + std::size_t(j);
      x[at] = (inside ? 0.5F : 1.0F) - 0.01F * std::sin(0.3F * float(i) + 0.2F * float(j));
      x[plane + at] = (inside ? 0.25F : 0.0F) + 0.01F * std::cos(0.1F * float(i) - 0.4F * float(j));
    }
  for (std::size_t i = 2 * plane; i < x.size(); ++i) x[i] = x[i - 2 * plane];
  return x;
}

void run(const BenchOptions& options, const Case& c) {
  const bool host = options.exec.backend == Backend::host;
  const auto machine = [&](double& peak, double& copy) {
    if (!host) return;
    peak = std::max(peak, measure_fma_peak(options.repeats));
    copy = std::max(copy, measure_copy_bandwidth(std::size_t{64} << 20, 2));
  };
  double peak = 0, copy = 0;
  machine(peak, copy);
  const Exec& exec = options.exec;
  const auto system = build(c);
  const Layout layout = system->state_layout({c.side, c.side});
  std::vector<float> host_params(system->param_layout().size());
  system->initialise(1, host_params);
  Buffer<float> params(exec, host_params.size()), start(exec, layout.size() * std::size_t(c.batch));
  params.upload(host_params);
  start.upload(spots(c.side, start.size()));
  StepIndex index;
  index.h = 0.2;
  BenchLine line;
  line.name = c.name;
  if (c.work == Work::forward) {
    Workspace workspace;
    Buffer<float> a(exec, start.size()), b(exec, start.size());
    time_work(
        options,
        [&] {
          const float* from = start.data();
          for (int k = 0; k < c.steps; ++k) {
            index.step = k, index.t = k * index.h;
            float* to = (k % 2 ? a : b).data();
            system->step(exec, index, params.data(), {}, {from, &layout, c.batch}, {to, &layout, c.batch}, workspace);
            from = to;
          }
        },
        line);
  } else {
    LastState objective(exec);
    Buffer<float> params_bar(exec, params.size()), start_bar(exec, start.size());
    params_bar.zero();
    train::Rollout<float> rollout(exec, *system, layout, c.batch);
    const std::size_t bytes = start.size() * sizeof(float);
    const auto plan = c.work == Work::gradient ? train::plan_rollout(c.steps, bytes, 0, "store_all")
                                               : train::plan_rollout(c.steps, bytes, 24 * bytes, "revolve");
    time_work(
        options,
        [&] {
          rollout.forward(params.data(), {}, {start.data(), &layout, c.batch}, index, plan, &objective);
          rollout.backward(params.data(), {}, objective, params_bar.data(), {start_bar.data(), &layout, c.batch});
        },
        line);
  }
  machine(peak, copy);
  line.unit = "cell-steps/s";
  line.rate = double(c.side) * c.side * c.batch * c.steps / line.seconds;
  // One evaluation has 9 + 9 additions and multiplications for the Laplacians and about 16 for the reaction; its adjoint
  // as many. Large lattices are bound by memory: two floats in and two out for each cell and step.
  const int evaluations = std::string(c.solver) == "heun" ? 2 : 1;
  const auto* equation = dynamic_cast<const pde::PdeSystem<float>*>(system.get());
  const double known = equation != nullptr ? equation->rhs().flop_per_cell() : 0;
  const double flop = system->type() != "gray_scott" && known > 0 ? known : 34;
  if (c.side >= 2048)
    line.limit = copy / 16;
  else
    line.limit = peak / (flop * evaluations * (c.work == Work::forward ? 1 : 3));
  options.report(line);
}

}  // namespace

void bench_pde(const BenchOptions& options) {
  for (const Case& c : {Case{"pde_gray_scott_heun_256x256", "heun", 256, 200, Work::forward},
                        Case{"pde_gray_scott_heun_64x64", "heun", 64, 200, Work::forward},
                        Case{"pde_gray_scott_heun_256x256_gradient", "heun", 256, 200, Work::gradient},
                        Case{"pde_gray_scott_heun_256x256_checkpointed", "heun", 256, 200, Work::checkpointed},
                        Case{"pde_gray_scott_heun_64x64_gradient", "heun", 64, 200, Work::gradient},
                        Case{"pde_gray_scott_euler_4096x4096", "euler", 4096, 8, Work::forward},
                        Case{"pde_rda_train_64x64x4_c4", "heun", 64, 200, Work::gradient, kRda, 4}})
    if (options.wants(c.name)) run(options, c);
}

}  // namespace mg::apps
