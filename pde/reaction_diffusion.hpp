#pragma once
#include <span>

#include "pde/medium.hpp"
#include "pde/parameter.hpp"
#include "pde/reaction_path.hpp"

namespace mg::pde {

/// What a model of pde/reaction_cell.hpp says about itself.
struct ReactionInfo {
  std::string_view name;
  int fields;
  std::span<const std::string_view> field_names;
  std::span<const Parameter> parameters;
};
/// All of them; the index of a model is its place here.
std::span<const ReactionInfo> reactions();

/// x_c' = D_c L x_c + R_c(x) of a model of pde/reaction_cell.hpp, in one pass over the fields, and so its adjoint.
template <class T>
class ReactionDiffusion final : public Rhs<T> {
 public:
  /// @param values  initial values of the parameters, in the order of the model
  ReactionDiffusion(int model, const GridSpec& grid, std::vector<double> values);

  std::string_view type() const override;
  int channels() const override;
  Layout condition_layout(Grid grid) const override { return medium_.condition_layout(grid); }
  const Layout& param_layout() const override { return layout_; }
  void initialise(std::uint64_t seed, std::span<T> params) const override;
  void rhs(const RhsContext<T>& at, ConstView<T> x, T* slope, const Combinations<T>& sums) const override;
  void rhs_adjoint(const RhsContext<T>& at, ConstView<T> x, ConstView<T> slope_bar, T* x_bar,
                   const Combinations<T>& sums, T* params_bar) const override;
  void rhs_tangent(const RhsContext<T>& at, ConstView<T> x, ConstView<T> x_dot, T* slope_dot) const override;
  /// On the host in one sweep where nothing but padding surrounds the lattice.
  void run_passes(const RhsContext<T>& at, Shape shape, std::span<const RhsPass<T>> passes,
                  std::span<T> temporary) const override;
  int steps_at_once(const Exec& exec, Shape shape, int passes) const override;
  LinearPart linear_part() const override;
  double flop_per_cell() const override;

 private:
  reaction::Pass<T> pass(const RhsContext<T>& at, ConstView<T> x) const;
  const T* laplacian_of(const RhsContext<T>& at, ConstView<T> x, bool linear) const;
  const T* laplacian_adjoint_of(const RhsContext<T>& at, ConstView<T> d, T* params_bar) const;
  bool sweeps(const Exec& exec, Shape shape) const;
  bool fused() const { return medium_.plain() && medium_.spec().scale == 1; }
  int model_;
  std::vector<double> values_;
  Layout layout_;
  Medium<T> medium_;
};

}  // namespace mg::pde
