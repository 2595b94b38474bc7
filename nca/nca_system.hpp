#pragma once
#include "core/config.hpp"
#include "core/schema.hpp"
#include "nca/nca_spec.hpp"

namespace mg::nca {

/// The automaton as a System: state {"cells" [C, h, w]}, conditions {"boundary" [mask_rows, h, w]} when it has one.
template <class T>
class NcaSystem final : public System<T> {
 public:
  /// @throws std::invalid_argument as check(spec)
  explicit NcaSystem(const NcaSpec& spec);

  const NcaSpec& spec() const { return spec_; }
  std::string_view type() const override { return spec_.gated ? "gnca" : "nca"; }
  Layout state_layout(Grid grid) const override;
  Layout condition_layout(Grid grid) const override;
  const Layout& param_layout() const override { return params_; }
  /// hidden.* ~ U(-1/sqrt F, 1/sqrt F), output.* = 0, so that the first step is the identity.
  /// @source the reference implementation; the bias of the hidden layer follows the rule of its weight
  void initialise(std::uint64_t seed, std::span<T> params) const override;
  void step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, Workspace& workspace) const override;
  void step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                    ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar, T* params_bar,
                    Workspace& workspace) const override;
  /// 2 (F H + H O): the two matrix products.
  double flop_per_cell() const override;

 private:
  NcaInputs<T> inputs(const StepIndex& index, ConstStateView<T> conditions) const;
  NcaSpec spec_;
  Layout params_;
};

/// Keys of {"type": "nca"} and {"type": "gnca"}.
Schema nca_schema();

/// The specification that a configuration of nca_schema() describes.
/// @throws ConfigError at the key that contradicts another
NcaSpec nca_spec(const Config& config, bool gated);

}  // namespace mg::nca
