#pragma once
#include <map>
#include <mutex>

#include "abm/agent_step.hpp"
#include "core/config.hpp"
#include "core/schema.hpp"
#include "core/system.hpp"

namespace mg::abm {

/// Agents over a lattice as a System: state {"x" [N,2], "u" [N,2], "lattice" [C,h,w]}. One step is one dt of the agents.
template <class T>
class AgentSystem final : public System<T> {
 public:
  /// @throws std::invalid_argument as check(spec)
  explicit AgentSystem(const AgentSpec& spec);

  const AgentSpec& spec() const { return spec_; }
  const AgentParams& where() const { return where_; }
  std::string_view type() const override { return "agents"; }
  Layout state_layout(Grid grid) const override;
  const Layout& param_layout() const override { return where_.layout; }
  /// Weights and biases ~ U(-1/sqrt in, 1/sqrt in); sensors, decay, blend and noise as the specification has them.
  void initialise(std::uint64_t seed, std::span<T> params) const override;
  void step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, Workspace& workspace) const override;
  void step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                    ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar, T* params_bar,
                    Workspace& workspace) const override;

 private:
  AgentStepInputs<T> inputs(const StepIndex& index, ConstStateView<T> state, const Exec& exec,
                            Workspace& workspace) const;
  const LatticeOperators<T>& operators(int h, int w) const;

  AgentSpec spec_;
  AgentParams where_;
  LineKernels kernels_;
  mutable std::mutex mutex_;
  mutable std::map<std::pair<int, int>, LatticeOperators<T>> operators_;  ///< of every lattice seen
};

/// Keys of {"type": "agents"}.
Schema agent_schema();
/// The specification that a configuration of agent_schema() describes.
/// @throws ConfigError at the key that is out of range
AgentSpec agent_spec(const Config& config);

}  // namespace mg::abm
