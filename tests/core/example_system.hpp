#pragma once
#include <memory>
#include <stdexcept>
#include <string>

#include "core/philox.hpp"
#include "core/reduce.hpp"
#include "core/registry.hpp"
#include "core/stencil.hpp"
#include "core/system.hpp"

// The smallest useful model, to copy from: docs/adding-a-model.md walks through it.
namespace mg::example {

/// What a configuration says about the model. One table: validation, defaults, help and documentation come from it.
inline Schema diffusion_schema() {
  return Schema("diffusion", "Every channel diffuses at a rate that is learnt")
      .integer("channels", 4, {1, 1024}, "channels of a cell")
      .choice("padding", "CIRCULAR", {"ZEROS", "REFLECT", "REPLICATE", "CIRCULAR"}, "what lies outside the lattice")
      .number("start", 0.1, {0, 1, false, false}, "largest initial rate");
}

/// next[c] = x[c] + h rate[c] L x[c]. Host only.
template <class T>
class DiffusionSystem final : public System<T> {
 public:
  DiffusionSystem(int channels, Padding padding, double start)
      : channels_(channels), start_(start), stencils_(make_stencils<T>(padding)) {
    params_.add("rate", {channels});
  }

  std::string_view type() const override { return "diffusion"; }
  Layout state_layout(Grid grid) const override { return Layout().add("cells", {channels_, grid.h, grid.w}); }
  const Layout& param_layout() const override { return params_; }
  double flop_per_cell() const override { return channels_ * 20.0; }

  void initialise(std::uint64_t seed, std::span<T> params) const override {
    const RandomStream stream{seed, RandomPurpose::init, 0, 0, 0};
    for (std::size_t c = 0; c < params.size(); ++c)
      params[c] = T(start_) * uniform01<T>(stream.words(std::uint32_t(c)).v[0]);
  }

  void step(const Exec& exec, const StepIndex& index, const T* rate, ConstStateView<T>, ConstStateView<T> state,
            StateView<T> next, Workspace& workspace) const override {
    require_host(exec);
    const View<const T> x = state.field();
    const View<T> lap{workspace.get<T>(exec, "diffusion.lap", state.size()), x.shape};
    laplacian<T>(exec, stencils_, x, lap);
    const std::size_t plane = x.shape.plane();
#pragma omp parallel for if (state.size() > 16384)
    for (int p = 0; p < x.shape.n * channels_; ++p) {
      const T gain = T(index.h) * rate[p % channels_];
      for (std::size_t i = p * plane; i < (p + 1) * plane; ++i) next.data[i] = x.data[i] + gain * lap.data[i];
    }
  }

  /// x_bar = next_bar + h rate L^T next_bar;  rate_bar[c] += h sum next_bar[c] L x[c]
  void step_adjoint(const Exec& exec, const StepIndex& index, const T* rate, ConstStateView<T>, ConstStateView<T> state,
                    ConstStateView<T> next_bar, StateView<T> state_bar, T* rate_bar,
                    Workspace& workspace) const override {
    require_host(exec);
    const View<const T> x = state.field(), bar = next_bar.field();
    const View<T> x_bar = state_bar.field();
    const View<T> lap{workspace.get<T>(exec, "diffusion.lap", state.size()), x.shape};
    laplacian<T>(exec, stencils_, x, lap);
    T* const sums = workspace.get<T>(exec, "diffusion.sums", std::size_t(x.shape.n) * channels_);
    const std::size_t plane = x.shape.plane();
    for (std::size_t i = 0; i < state.size(); ++i) lap.data[i] *= bar.data[i];
    // A sum over cells goes through core/reduce.hpp: its order depends on the lengths only, never on the threads.
    reduce<T>(exec, Reduction::sum, lap.data, std::size_t(x.shape.n) * channels_, plane, sums, workspace);
    for (int n = 0; n < x.shape.n; ++n)
      for (int c = 0; c < channels_; ++c) rate_bar[c] += T(index.h) * sums[n * channels_ + c];

    laplacian_adjoint<T>(exec, stencils_, bar, x_bar);
#pragma omp parallel for if (state.size() > 16384)
    for (int p = 0; p < x.shape.n * channels_; ++p) {
      const T gain = T(index.h) * rate[p % channels_];
      for (std::size_t i = p * plane; i < (p + 1) * plane; ++i) x_bar.data[i] = bar.data[i] + gain * x_bar.data[i];
    }
  }

 private:
  static void require_host(const Exec& exec) {
    if (exec.backend != Backend::host) throw DeviceError("diffusion: runs on the host only");
  }
  int channels_;
  double start_;
  StencilSet<T> stencils_;
  Layout params_;
};

template <class T>
void register_systems(Registry<System<T>>& registry) {
  registry.add("diffusion", diffusion_schema(), [](const Config& config) {
    Padding padding = Padding::circular;
    for (int p = 0; p < 4; ++p)
      if (kPaddingNames[p] == config.get<std::string>("padding")) padding = Padding(p);
    return std::make_unique<DiffusionSystem<T>>(config.get<int>("channels"), padding, config.get<double>("start"));
  });
}

}  // namespace mg::example
