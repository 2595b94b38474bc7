#include "abm/agents_in_medium.hpp"

#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace mg::abm {
namespace {

AgentSpec without_field(AgentSpec spec) {
  spec.blur_radius = 0;  // K A = A: whatever the blend, the update of the lattice is its decay
  return spec;
}
constexpr double kNoDecay = 40;  ///< logit: 1 / (1 + e^-40) rounds to 1 in float and double

}  // namespace

template <class T>
AgentsInMedium<T>::AgentsInMedium(AgentSpec spec, std::unique_ptr<System<T>> medium, const MediumOptions& options)
    : agents_(without_field(std::move(spec))), medium_(std::move(medium)), options_(options) {
  if (options.steps < 1 || !(options.dt > 0))
    throw std::invalid_argument("agents_in_medium: needs medium_steps >= 1 and medium_dt > 0");
  for (const Block& b : agents_.param_layout().blocks()) params_.add("agents." + b.name, b.dims);
  for (const Block& b : medium_->param_layout().blocks()) params_.add("medium." + b.name, b.dims);
}

template <class T>
Layout AgentsInMedium<T>::state_layout(Grid grid) const {
  const Layout lattice = medium_->state_layout(grid);
  const std::string type(medium_->type());
  if (!medium_->condition_layout(grid).empty())
    throw std::invalid_argument("agents_in_medium: the medium \"" + type +
                                "\" needs conditions, which it would not get");
  const Layout layout = agents_.state_layout(grid);
  if (lattice.blocks().size() != 1 || lattice.blocks().front().dims != layout.at("lattice").dims)
    throw std::invalid_argument("agents_in_medium: the agents read " + std::to_string(agents_.spec().channels) +
                                " channels; the state of \"" + type + "\" is " +
                                std::to_string(lattice.blocks().size()) + " block(s), the first of " +
                                std::to_string(lattice.blocks().front().dims.front()) + " channels");
  return layout;
}

template <class T>
void AgentsInMedium<T>::initialise(std::uint64_t seed, std::span<T> params) const {
  const std::size_t agents = agents_.param_layout().size();
  agents_.initialise(seed, params.first(agents));
  const Block& decay = agents_.param_layout().at("field.decay");
  std::fill_n(params.begin() + std::ptrdiff_t(decay.offset), decay.size, T(kNoDecay));
  medium_->initialise(seed, params.subspan(agents));
}

template <class T>
StepIndex AgentsInMedium<T>::medium_index(const StepIndex& index, int k) const {
  StepIndex at = index;
  at.step = index.step * options_.steps + k;
  at.h = options_.dt;
  at.t = at.step * options_.dt;
  return at;
}

template <class T>
void AgentsInMedium<T>::roll(const Exec& exec, const StepIndex& index, const T* params, const Layout& layout, int batch,
                             T* const* states, Workspace& workspace) const {
  for (int k = 0; k < options_.steps; ++k)
    medium_->step(exec, medium_index(index, k), medium_params(params), {}, {states[k], &layout, batch},
                  {states[k + 1], &layout, batch}, workspace);
}

namespace {

Grid grid_of(const Layout& layout) {
  const auto& dims = layout.at("lattice").dims;
  return {dims[1], dims[2]};
}

}  // namespace

template <class T>
void AgentsInMedium<T>::step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T>,
                             ConstStateView<T> state, StateView<T> next, Workspace& workspace) const {
  agents_.step(exec, index, params, {}, state, next, workspace);
  const Layout layout = medium_->state_layout(grid_of(*state.layout));
  const std::size_t size = layout.size() * std::size_t(state.batch);
  T* scratch = workspace.get<T>(exec, "abm.medium", size * std::size_t(options_.steps));
  std::vector<T*> states;
  for (int k = 0; k < options_.steps; ++k) states.push_back(scratch + size * std::size_t(k));
  states.push_back(next.block(2));
  copy_bytes(exec, states.front(), exec.backend, next.block(2), exec.backend, size * sizeof(T));
  roll(exec, index, params, layout, state.batch, states.data(), workspace);
}

template <class T>
void AgentsInMedium<T>::step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T>,
                                     ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar,
                                     T* params_bar, Workspace& workspace) const {
  const Layout layout = medium_->state_layout(grid_of(*state.layout));
  const std::size_t size = layout.size() * std::size_t(state.batch), all = state.size();
  const auto steps = std::size_t(options_.steps);
  T* scratch = workspace.get<T>(exec, "abm.medium", 2 * all + size * (steps + 2));
  const StateView<T> moved{scratch, state.layout, state.batch}, moved_bar{scratch + all, state.layout, state.batch};
  std::vector<T*> states = {moved.block(2)};
  T* const first = scratch + 2 * all;
  for (std::size_t k = 0; k + 1 < steps; ++k) states.push_back(first + size * k);

  agents_.step(exec, index, params, {}, state, moved, workspace);
  for (int k = 0; k + 1 < options_.steps; ++k)
    medium_->step(exec, medium_index(index, k), medium_params(params), {},
                  {states[std::size_t(k)], &layout, state.batch}, {states[std::size_t(k) + 1], &layout, state.batch},
                  workspace);

  T* bars[2] = {first + size * steps, first + size * (steps + 1)};
  const T* bar = next_bar.block(2);
  for (std::size_t k = steps; k-- > 0;) {
    T* const before = k == 0 ? moved_bar.block(2) : bars[k % 2];
    medium_->step_adjoint(exec, medium_index(index, int(k)), medium_params(params), {},
                          {states[k], &layout, state.batch}, {bar, &layout, state.batch},
                          {before, &layout, state.batch}, params_bar + agents_.param_layout().size(), workspace);
    bar = before;
  }
  const std::size_t walkers = all - size;  // x and u come first
  copy_bytes(exec, moved_bar.data, exec.backend, next_bar.data, exec.backend, walkers * sizeof(T));
  agents_.step_adjoint(exec, index, params, {}, state, moved_bar, state_bar, params_bar, workspace);
}

template <class T>
void register_medium(Registry<System<T>>& registry, std::shared_ptr<const Registry<System<T>>> media) {
  Schema schema("agents_in_medium",
                "Agents whose lattice is the state of an automaton or an equation: they sense it, deposit into it and "
                "move, then it takes its own steps. Both can be trained.");
  schema.object("agents", agent_schema(), "the agents; their blur, decay and blend are not used")
      .variant("medium", media->variants(), std::nullopt,
               "what the lattice does by itself: as many channels as agents read")
      .integer("medium_steps", 1, {1, 10000}, "steps of the medium after each step of the agents")
      .number("medium_dt", 1.0, {0, std::numeric_limits<double>::infinity(), true, true},
              "length of a step of the medium, in its own time");
  registry.add("agents_in_medium", std::move(schema), [media](const Config& config) {
    return std::make_unique<AgentsInMedium<T>>(
        agent_spec(config.at("agents")), media->create(config.at("medium")),
        MediumOptions{config.get<int>("medium_steps"), config.get<double>("medium_dt")});
  });
}

template class AgentsInMedium<float>;
template class AgentsInMedium<double>;
template void register_medium(Registry<System<float>>&, std::shared_ptr<const Registry<System<float>>>);
template void register_medium(Registry<System<double>>&, std::shared_ptr<const Registry<System<double>>>);

}  // namespace mg::abm
