#pragma once
#include "abm/physarum_cell.hpp"
#include "abm/rule_system.hpp"
#include "core/config.hpp"
#include "core/schema.hpp"

namespace mg::abm {

/// Rule-based particles on a trail as a System: state {"x" [N,2], "u" [N,2], "lattice" [1,h,w]}, no parameters. It can
/// be run, not trained: its rules are choices.
template <class T>
class PhysarumSystem final : public RuleSystem<T> {
 public:
  /// @throws std::invalid_argument for a specification out of range
  explicit PhysarumSystem(const PhysarumSpec& spec);

  std::string_view type() const override { return "physarum"; }
  Layout state_layout(Grid grid) const override;
  void step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, Workspace& workspace) const override;

 private:
  PhysarumSpec spec_;
};

/// Runs the passes of one step over the arrays of `pass`, in place of nothing: x_next, u_next and lattice_next are
/// overwritten.
template <class T>
void physarum_step(const Exec& exec, const PhysarumPass<T>& pass, const T* lattice, T* lattice_next);

/// Keys of {"type": "physarum"}.
Schema physarum_schema();
PhysarumSpec physarum_spec(const Config& config);

}  // namespace mg::abm
