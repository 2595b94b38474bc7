#pragma once
#include <span>

#include "core/padding.hpp"
#include "pde/parameter.hpp"
#include "pde/reaction_path.hpp"
#include "pde/rhs.hpp"

namespace mg::pde {

/// What a model of pde/reaction_cell.hpp says about itself.
struct ReactionInfo {
  std::string_view name;
  int fields;
  std::span<const Parameter> parameters;
};
/// All of them; the index of a model is its place here.
std::span<const ReactionInfo> reactions();

/// The lattice that differential operators act on.
struct GridSpec {
  Padding padding = Padding::circular;
  int scale = 1;      ///< radius of the stencils; more than 1 only for compatibility
  int smoothing = 1;  ///< 1: 9-point Laplacian and Sobel gradients, 0: 5 points and central differences
  double dx = 1;      ///< cell size
};

/// x_c' = D_c L x_c + R_c(x) of a model of pde/reaction_cell.hpp, in one pass over the fields, and so its adjoint.
template <class T>
class ReactionDiffusion final : public Rhs<T> {
 public:
  /// @param values  initial values of the parameters, in the order of the model
  ReactionDiffusion(int model, const GridSpec& grid, std::vector<double> values);

  std::string_view type() const override;
  int channels() const override;
  const Layout& param_layout() const override { return layout_; }
  void initialise(std::uint64_t seed, std::span<T> params) const override;
  void rhs(const RhsContext<T>& at, ConstView<T> x, T* slope, const Combinations<T>& sums) const override;
  void rhs_adjoint(const RhsContext<T>& at, ConstView<T> x, ConstView<T> slope_bar, T* x_bar,
                   const Combinations<T>& sums, T* params_bar) const override;
  void rhs_tangent(const RhsContext<T>& at, ConstView<T> x, ConstView<T> x_dot, T* slope_dot) const override;
  double flop_per_cell() const override;

 private:
  reaction::Pass<T> pass(const RhsContext<T>& at, ConstView<T> x, const T* stencil_of, bool transposed) const;
  int model_;
  GridSpec grid_;
  std::vector<double> values_;
  Layout layout_;
};

}  // namespace mg::pde
