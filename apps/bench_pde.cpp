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

/// stored: forwards, and all states kept. adaptive: the same with a search for the steps before it.
enum class Work { forward, blocked, stored, gradient, checkpointed, adaptive, adaptive_gradient };

constexpr const char* kGrayScott = R"("type": "gray_scott")";

struct Case {
  const char* name;
  const char* solver;
  int side, steps;
  Work work;
  const char* model = kGrayScott;
  int batch = 1;
  const char* settings = R"("dt": 0.2)";  ///< of the solver
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

constexpr double kStiffStep = 50;  ///< of Cahn and Hilliard's equation, where explicit steps end below 0.1
constexpr const char* kMixture = R"("type": "cahn_hilliard")";
constexpr const char* kTolerant = R"("dt": 0.2, "adaptive": {"rtol": 1e-4, "atol": 1e-6})";

std::unique_ptr<System<float>> build(const Case& c) {
  Registry<System<float>> registry;
  pde::register_systems(registry);
  const Schema schema = Schema("bench", "").variant("model", registry.variants(), std::nullopt, "model");
  const std::string text =
      std::string(R"({"model": {)") + c.model + R"(, "solver": {"type": ")" + c.solver + R"(", )" + c.settings + "}}}";
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
  const bool implicit = std::string(c.solver) == "kvaerno3";
  const Layout layout = system->state_layout({c.side, c.side});
  std::vector<float> host_params(system->param_layout().size());
  system->initialise(1, host_params);
  Buffer<float> params(exec, host_params.size()), start(exec, layout.size() * std::size_t(c.batch));
  params.upload(host_params);
  std::vector<float> x0 = spots(c.side, start.size());
  if (implicit) std::fill(x0.begin() + c.side * c.side, x0.end(), 0.0F);  // the slope that the solver keeps
  start.upload(x0);
  StepIndex index;
  index.h = 0.2;
  if (implicit) index.h = kStiffStep;
  double steps = c.steps;  // accepted ones of an adaptive solver
  BenchLine line;
  line.name = c.name;
  if (c.work == Work::forward || c.work == Work::blocked) {
    Workspace workspace;
    Buffer<float> end(exec, start.size());
    std::vector<StepIndex> indices(std::size_t(c.steps), index);
    for (int k = 0; k < c.steps; ++k) indices[std::size_t(k)].step = k, indices[std::size_t(k)].t = k * index.h;
    const std::size_t group = c.work == Work::blocked ? indices.size() : 1;
    Buffer<float> other(exec, start.size());
    time_work(
        options,
        [&] {
          const float* from = start.data();
          for (std::size_t k = 0; k < indices.size(); k += group) {
            float* to = (from == end.data() ? other : end).data();
            system->steps(exec, std::span(indices).subspan(k, group), params.data(), {}, {from, &layout, c.batch},
                          {to, &layout, c.batch}, workspace);
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
    const bool adaptive = c.work == Work::adaptive || c.work == Work::adaptive_gradient;
    const bool backward = c.work != Work::stored && c.work != Work::adaptive;
    const auto plan = c.work == Work::checkpointed ? train::plan_rollout(c.steps, bytes, 24 * bytes, "revolve")
                                                   : train::plan_rollout(c.steps, bytes, 0, "store_all");
    const ConstStateView<float> x{start.data(), &layout, c.batch};
    time_work(
        options,
        [&] {
          if (adaptive) {
            const double end[] = {double(c.steps)};
            const TimeGrid grid = rollout.time_grid(params.data(), {}, x, index, end);
            steps = double(grid.steps.size());
            rollout.forward(params.data(), {}, x, index, grid,
                            train::plan_rollout(int(grid.steps.size()), bytes, 0, "store_all"), &objective);
          } else {
            rollout.forward(params.data(), {}, x, index, plan, &objective);
          }
          if (backward)
            rollout.backward(params.data(), {}, objective, params_bar.data(), {start_bar.data(), &layout, c.batch});
        },
        line);
  }
  machine(peak, copy);
  line.unit = "cell-steps/s";
  line.rate = double(c.side) * c.side * c.batch * steps / line.seconds;
  // One evaluation has 9 + 9 additions and multiplications for the Laplacians and about 16 for the reaction; its adjoint
  // as many. Large lattices are bound by memory: two floats in and two out for each cell and step.
  const int evaluations = std::string(c.solver) == "heun" ? 2 : std::string(c.solver) == "tsit5" ? 6 : 1;
  const auto* equation = dynamic_cast<const pde::PdeSystem<float>*>(system.get());
  const double known = equation != nullptr ? equation->rhs().flop_per_cell() : 0;
  const double flop = system->type() != "gray_scott" && known > 0 ? known : 34;
  const bool gradient = c.work == Work::gradient || c.work == Work::checkpointed || c.work == Work::adaptive_gradient;
  if (c.side >= 2048)
    line.limit = copy / 16;
  else if (!implicit)  // the number of products is not known before
    line.limit = peak / (flop * evaluations * (gradient ? 3 : 1));
  options.report(line);
}

}  // namespace

void bench_pde(const BenchOptions& options) {
  for (const Case& c :
       {Case{"pde_gray_scott_heun_256x256", "heun", 256, 200, Work::forward},
        Case{"pde_gray_scott_heun_64x64", "heun", 64, 200, Work::forward},
        Case{"pde_gray_scott_heun_256x256_gradient", "heun", 256, 200, Work::gradient},
        Case{"pde_gray_scott_heun_256x256_checkpointed", "heun", 256, 200, Work::checkpointed},
        Case{"pde_gray_scott_heun_64x64_gradient", "heun", 64, 200, Work::gradient},
        Case{"pde_gray_scott_heun_256x256_stored", "heun", 256, 200, Work::stored},
        Case{"pde_gray_scott_tsit5_64x64", "tsit5", 64, 200, Work::adaptive, kGrayScott, 1, kTolerant},
        Case{"pde_gray_scott_tsit5_64x64_gradient", "tsit5", 64, 200, Work::adaptive_gradient, kGrayScott, 1,
             kTolerant},
        Case{"pde_kvaerno3_cahn_hilliard_256x256", "kvaerno3", 256, 2, Work::stored, kMixture, 1, R"("dt": 50)"},
        Case{"pde_kvaerno3_cahn_hilliard_256x256_gradient", "kvaerno3", 256, 2, Work::gradient, kMixture, 1,
             R"("dt": 50)"},
        Case{"pde_gray_scott_euler_4096x4096", "euler", 4096, 8, Work::forward},
        Case{"pde_gray_scott_euler_4096x4096_blocked", "euler", 4096, 8, Work::blocked},
        Case{"pde_rda_train_64x64x4_c4", "heun", 64, 200, Work::gradient, kRda, 4}})
    if (options.wants(c.name)) run(options, c);
}

}  // namespace mg::apps
