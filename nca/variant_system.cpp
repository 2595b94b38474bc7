#include "nca/variant_system.hpp"

#include <cmath>
#include <stdexcept>

#include "core/philox.hpp"

namespace mg::nca {

template <class T>
VariantSystem<T>::VariantSystem(std::string type, const VariantSpec& spec) : type_(std::move(type)), spec_(spec) {
  check(spec_);
  params_ = variant_param_layout(spec_);
}

template <class T>
Layout VariantSystem<T>::state_layout(Grid grid) const {
  return Layout().add("cells", {spec_.base.channels, grid.h, grid.w});
}

template <class T>
Layout VariantSystem<T>::condition_layout(Grid grid) const {
  Layout layout;
  if (spec_.base.boundary != Boundary::none) layout.add("boundary", {spec_.base.mask_rows(), grid.h, grid.w});
  if (spec_.goals > 0) layout.add("goal", {spec_.goals, grid.h, grid.w});
  return layout;
}

template <class T>
void VariantSystem<T>::initialise(std::uint64_t seed, std::span<T> params) const {
  if (params.size() != params_.size())
    throw std::invalid_argument("VariantSystem::initialise: " + std::to_string(params.size()) +
                                " parameters given, has " + std::to_string(params_.size()));
  const RandomStream stream{seed, RandomPurpose::init};
  const auto has = [](const std::string& name, const char* part) { return name.find(part) != std::string::npos; };
  double inputs = spec_.features();
  for (const Block& block : params_.blocks()) {
    const std::string& name = block.name;
    const bool zero = (has(name, "output.") && !has(name, "attention.")) || has(name, "kan1."),
               normal = has(name, "kan0.");
    if (name == "kernels")
      inputs = double(block.dims[1]) * block.dims[2];
    else if (block.dims.size() == 2)
      inputs = block.dims[1];
    const double limit = 1 / std::sqrt(inputs);
    for (std::size_t i = block.offset; i < block.offset + block.size; ++i) {
      const Philox4 words = stream.words(std::uint32_t(i / (normal ? 2 : 4)) | (normal ? 0x80000000U : 0U));
      double pair[2] = {0, 0};
      if (normal) normal2(words.v[2 * (i % 2)], words.v[2 * (i % 2) + 1], pair);
      params[i] = zero     ? T(0)
                  : normal ? T(spec_.init_scale * pair[0])
                           : T(limit * (2 * uniform01<double>(words.v[i % 4]) - 1));
    }
  }
}

template <class T>
VariantInputs<T> VariantSystem<T>::inputs(const StepIndex& index, ConstStateView<T> conditions) const {
  VariantInputs<T> in;
  in.index = index;
  if (spec_.base.boundary == Boundary::none && spec_.goals == 0) return in;
  if (conditions.data == nullptr || conditions.layout == nullptr)
    throw std::invalid_argument("VariantSystem: the model has a boundary or a goal, but the state comes without it");
  (spec_.goals > 0 ? in.goal : in.boundary) = conditions.field();
  return in;
}

template <class T>
void VariantSystem<T>::step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                            ConstStateView<T> state, StateView<T> next, Workspace& workspace) const {
  variant_step<T>(exec, spec_, params_, params, inputs(index, conditions), state.field(), next.field(), workspace);
}

template <class T>
void VariantSystem<T>::step_adjoint(const Exec& exec, const StepIndex& index, const T* params,
                                    ConstStateView<T> conditions, ConstStateView<T> state, ConstStateView<T> next_bar,
                                    StateView<T> state_bar, T* params_bar, Workspace& workspace) const {
  variant_step_adjoint<T>(exec, spec_, params_, params, inputs(index, conditions), state.field(), next_bar.field(),
                          state_bar.field(), params_bar, workspace);
}

template <class T>
double VariantSystem<T>::flop_per_cell() const {
  double flop = 0;
  for (int i = 0; i < int(spec_.scales.size()); ++i) {
    const chain::Chain c = variant_chain(spec_, params_, i);
    const double cells = 1.0 / (double(spec_.scales[std::size_t(i)]) * spec_.scales[std::size_t(i)]);
    for (int l = 0; l < c.layers; ++l) {
      const chain::Layer& layer = c.layer[l];
      if (layer.kind == chain::Kind::dense) flop += 2.0 * cells * layer.sets * layer.groups * layer.in * layer.out;
    }
  }
  return flop;
}

template class VariantSystem<float>;
template class VariantSystem<double>;

}  // namespace mg::nca
