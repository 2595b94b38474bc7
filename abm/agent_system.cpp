#include "abm/agent_system.hpp"

#include <cmath>

#include "core/philox.hpp"

namespace mg::abm {

template <class T>
AgentSystem<T>::AgentSystem(const AgentSpec& spec)
    : spec_(spec),
      where_(agent_params(spec)),
      kernels_(line_kernels(spec.blur_radius, spec.blur_sigma, spec.derivative_sigma)) {}

template <class T>
Layout AgentSystem<T>::state_layout(Grid grid) const {
  Layout layout;
  layout.add("x", {spec_.agents(), 2}).add("u", {spec_.agents(), 2}).add("lattice", {spec_.channels, grid.h, grid.w});
  return layout;
}

template <class T>
void AgentSystem<T>::initialise(std::uint64_t seed, std::span<T> params) const {
  RandomStream stream;
  stream.seed = seed;
  stream.purpose = RandomPurpose::init;
  const auto& blocks = where_.layout.blocks();
  int in = 1;  // of the layer whose weight came last: its bias has the same range
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const Block& block = blocks[b];
    T* values = params.data() + block.offset;
    const auto ends_with = [&](const char* suffix) { return block.name.ends_with(suffix); };
    if (ends_with(".weight")) in = block.dims[1];
    if (ends_with(".weight") || ends_with(".bias")) {
      stream.sample = std::uint32_t(b);
      const double range = 1 / std::sqrt(double(in));
      for (std::size_t i = 0; i < block.size; ++i)
        values[i] = T(range * (2 * uniform01<double>(stream.words(std::uint32_t(i)).v[0]) - 1));
      continue;
    }
    for (std::size_t i = 0; i < block.size; ++i)
      values[i] = T(ends_with("sensor.length")   ? spec_.sensor_length
                    : ends_with("sensor.angles") ? spec_.sensor_angles[i]
                    : ends_with("field.decay")   ? std::log(spec_.decay / (1 - spec_.decay))
                    : ends_with("field.blend")   ? std::log(spec_.blend / (1 - spec_.blend))
                    : ends_with("rotation")      ? std::log(spec_.rotation_noise)
                                                 : std::log(spec_.translation_noise));
  }
}

template <class T>
const LatticeOperators<T>& AgentSystem<T>::operators(int h, int w) const {
  const std::lock_guard lock(mutex_);
  auto& known = operators_[{h, w}];  // a map's elements never move
  if (known.blur[0].start.empty()) known = lattice_operators<T>(spec_.domain, h, w, kernels_);
  return known;
}

template <class T>
AgentStepInputs<T> AgentSystem<T>::inputs(const StepIndex& index, ConstStateView<T> state, const Exec& exec,
                                          Workspace& workspace) const {
  const auto& lattice = state.layout->at("lattice").dims;
  AgentStepInputs<T> in;
  in.spec = &spec_, in.where = &where_;
  in.operators = &operators(lattice[1], lattice[2]);
  in.kernels = &kernels_;
  in.batch = state.batch, in.h = lattice[1], in.w = lattice[2];
  if (spec_.noise) {
    T* noise = workspace.get<T>(exec, "abm.noise", std::size_t(in.batch) * std::size_t(spec_.agents()) * 3);
    agent_noise(exec, index, in.batch, spec_.agents(), noise);
    in.noise = noise;
  }
  return in;
}

template <class U>
AgentState<U> blocks_of(const StateView<U>& view) {
  return {view.block(0), view.block(1), view.block(2)};
}

template <class T>
void AgentSystem<T>::step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T>,
                          ConstStateView<T> state, StateView<T> next, Workspace& workspace) const {
  const AgentStepInputs<T> in = inputs(index, state, exec, workspace);
  agent_step(exec, in, params, blocks_of(state), blocks_of(next), workspace);
}

template <class T>
void AgentSystem<T>::step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T>,
                                  ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar,
                                  T* params_bar, Workspace& workspace) const {
  const AgentStepInputs<T> in = inputs(index, state, exec, workspace);
  agent_step_adjoint(exec, in, params, blocks_of(state), blocks_of(next_bar), blocks_of(state_bar), params_bar,
                     workspace);
}

template class AgentSystem<float>;
template class AgentSystem<double>;

}  // namespace mg::abm
