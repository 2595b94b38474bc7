#pragma once
#include <string>

#include "core/config.hpp"
#include "core/schema.hpp"
#include "core/system.hpp"
#include "nca/variant_spec.hpp"

namespace mg::nca {

/// A relative of the plain automaton as a System: state {"cells" [C, h, w]}, conditions {"boundary" [mask_rows, h, w]} or
/// {"goal" [goals, h, w]}.
template <class T>
class VariantSystem final : public System<T> {
 public:
  /// @throws std::invalid_argument as check(spec)
  VariantSystem(std::string type, const VariantSpec& spec);

  const VariantSpec& spec() const { return spec_; }
  std::string_view type() const override { return type_; }
  Layout state_layout(Grid grid) const override;
  Layout condition_layout(Grid grid) const override;
  const Layout& param_layout() const override { return params_; }
  /// Output layers are 0, so that the first step is the identity. kan0 ~ init_scale N(0, 1); learned kernels and every
  /// other layer ~ U(-1/sqrt n, 1/sqrt n) with n inputs.
  /// @source the reference implementation
  void initialise(std::uint64_t seed, std::span<T> params) const override;
  void step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, Workspace& workspace) const override;
  void step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                    ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar, T* params_bar,
                    Workspace& workspace) const override;
  /// 2 flop per weight that a cell meets.
  double flop_per_cell() const override;

 private:
  VariantInputs<T> inputs(const StepIndex& index, ConstStateView<T> conditions) const;
  std::string type_;
  VariantSpec spec_;
  Layout params_;
};

/// The types that variant_spec() knows, with their keys.
Variants variant_schemas();

/// The specification that a configuration of one of variant_schemas() describes.
/// @throws ConfigError at the key that contradicts another
VariantSpec variant_spec(const Config& config);

/// What a loss must know of a configuration of any automaton: channels, perception, boundary.
/// @throws ConfigError
NcaSpec objective_spec(const Config& config);

}  // namespace mg::nca
