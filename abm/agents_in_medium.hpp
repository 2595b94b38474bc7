#pragma once
#include <memory>

#include "abm/agent_system.hpp"
#include "core/registry.hpp"

namespace mg::abm {

/// How the medium runs between two steps of the agents.
struct MediumOptions {
  int steps = 1;  ///< of the medium for one of the agents
  double dt = 1;  ///< length of one of them [model time of the medium]
};

/// Agents whose lattice is the state of another System: one step is one of the agents, who sense, deposit and move, then
/// `steps` steps of the medium on the lattice they left. State {"x" [N,2], "u" [N,2], "lattice" [C,h,w]}, C that of the
/// medium; parameters of the agents ("agents." ...) and of the medium ("medium." ...). The agents' own blur and decay are
/// off: field.decay starts at a logit whose factor is exactly 1 and whose derivative is exactly 0.
/// The adjoint runs the steps of the medium backwards, then that of the agents.
template <class T>
class AgentsInMedium final : public System<T> {
 public:
  /// @param spec    blur_radius, decay and blend are not used
  /// @throws std::invalid_argument as check(spec), or for options out of range
  AgentsInMedium(AgentSpec spec, std::unique_ptr<System<T>> medium, const MediumOptions& options);

  std::string_view type() const override { return "agents_in_medium"; }
  /// @throws std::invalid_argument for a medium whose state is not one block of as many channels as the agents read, or
  ///         that needs conditions
  Layout state_layout(Grid grid) const override;
  const Layout& param_layout() const override { return params_; }
  void initialise(std::uint64_t seed, std::span<T> params) const override;
  void step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, Workspace& workspace) const override;
  void step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                    ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar, T* params_bar,
                    Workspace& workspace) const override;

 private:
  StepIndex medium_index(const StepIndex& index, int k) const;
  const T* medium_params(const T* params) const { return params + agents_.param_layout().size(); }
  /// Rolls the medium from states[0]; states [steps + 1] lattices of the batch.
  void roll(const Exec& exec, const StepIndex& index, const T* params, const Layout& layout, int batch,
            T* const* states, Workspace& workspace) const;

  AgentSystem<T> agents_;
  std::unique_ptr<System<T>> medium_;
  MediumOptions options_;
  Layout params_;
};

/// Adds {"type": "agents_in_medium"}; "medium" is one of the systems in `media`, which must outlive the registry.
template <class T>
void register_medium(Registry<System<T>>& registry, std::shared_ptr<const Registry<System<T>>> media);

}  // namespace mg::abm
