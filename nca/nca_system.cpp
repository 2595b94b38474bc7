#include "nca/nca_system.hpp"

#include <cmath>
#include <stdexcept>

#include "core/philox.hpp"

namespace mg::nca {

template <class T>
NcaSystem<T>::NcaSystem(const NcaSpec& spec) : spec_(spec) {
  check(spec_);
  params_ = nca_param_layout(spec_);
}

template <class T>
Layout NcaSystem<T>::state_layout(Grid grid) const {
  return Layout().add("cells", {spec_.channels, grid.h, grid.w});
}

template <class T>
Layout NcaSystem<T>::condition_layout(Grid grid) const {
  Layout layout;
  if (spec_.boundary != Boundary::none) layout.add("boundary", {spec_.mask_rows(), grid.h, grid.w});
  return layout;
}

template <class T>
void NcaSystem<T>::initialise(std::uint64_t seed, std::span<T> params) const {
  if (params.size() != params_.size())
    throw std::invalid_argument("NcaSystem::initialise: " + std::to_string(params.size()) + " parameters given, has " +
                                std::to_string(params_.size()));
  const RandomStream stream{seed, RandomPurpose::init};
  const double limit = 1 / std::sqrt(double(spec_.features()));
  for (const Block& block : params_.blocks()) {
    const bool hidden = block.name.starts_with("hidden.");
    for (std::size_t i = block.offset; i < block.offset + block.size; ++i) {
      const std::uint32_t word = stream.words(std::uint32_t(i / 4)).v[i % 4];
      params[i] = hidden ? T(limit * (2 * uniform01<double>(word) - 1)) : T(0);
    }
  }
}

template <class T>
NcaInputs<T> NcaSystem<T>::inputs(const StepIndex& index, ConstStateView<T> conditions) const {
  NcaInputs<T> in;
  in.index = index;
  if (spec_.boundary != Boundary::none) {
    if (conditions.data == nullptr || conditions.layout == nullptr)
      throw std::invalid_argument("NcaSystem: the model has a boundary, but the state comes without its mask");
    in.boundary = conditions.field();
  }
  return in;
}

template <class T>
void NcaSystem<T>::step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                        ConstStateView<T> state, StateView<T> next, Workspace& workspace) const {
  nca_step<T>(exec, spec_, params, inputs(index, conditions), state.field(), next.field(), workspace);
}

template <class T>
void NcaSystem<T>::step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                                ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar,
                                T* params_bar, Workspace& workspace) const {
  nca_step_adjoint<T>(exec, spec_, params, inputs(index, conditions), state.field(), next_bar.field(),
                      state_bar.field(), params_bar, workspace);
}

template <class T>
double NcaSystem<T>::flop_per_cell() const {
  return 2.0 * spec_.hidden_width() * (spec_.features() + spec_.outputs());
}

template class NcaSystem<float>;
template class NcaSystem<double>;

}  // namespace mg::nca
