#pragma once
#include "core/stencil.hpp"
#include "pde/neural_spec.hpp"
#include "pde/rhs.hpp"

namespace mg::pde {

/// A right-hand side made of networks: first every cell's networks, then the stencils on what they give, the slope and the
/// sums of a Runge-Kutta stage. The adjoint computes the networks anew; their weights' gradient is summed per group of
/// rows, then over the groups, in an order that depends only on the shapes.
template <class T>
class NeuralRhs final : public Rhs<T> {
 public:
  /// @throws std::invalid_argument as check(spec)
  explicit NeuralRhs(NeuralSpec spec);

  const NeuralSpec& spec() const { return spec_; }
  std::string_view type() const override { return spec_.type; }
  int channels() const override { return spec_.channels; }
  const Layout& param_layout() const override { return params_; }
  /// Warns of networks that start without a gradient.
  void initialise(std::uint64_t seed, std::span<T> params) const override;
  void rhs(const RhsContext<T>& at, ConstView<T> x, T* slope, const Combinations<T>& sums) const override;
  void rhs_adjoint(const RhsContext<T>& at, ConstView<T> x, ConstView<T> slope_bar, T* x_bar,
                   const Combinations<T>& sums, T* params_bar) const override;
  void rhs_tangent(const RhsContext<T>& at, ConstView<T> x, ConstView<T> x_dot, T* slope_dot) const override;
  double flop_per_cell() const override;

 private:
  void check_field(ConstView<T> x) const;
  NeuralSpec spec_;
  Layout params_;
};

/// Parameters and scratch memory of a call.
template <class T>
struct NeuralCall {
  const NeuralSpec& spec;
  const T* params;
  Workspace& workspace;
};

namespace host {  // pde/neural_host.cpp
template <class T>
void neural_rhs(const NeuralCall<T>& call, View<const T> x, T* slope, const Combinations<T>& sums);
template <class T>
void neural_rhs_adjoint(const NeuralCall<T>& call, View<const T> x, View<const T> slope_bar, T* x_bar,
                        const Combinations<T>& sums, T* params_bar);
template <class T>
void neural_rhs_tangent(const NeuralCall<T>& call, View<const T> x, View<const T> x_dot, T* slope_dot);
}  // namespace host

#if MG_WITH_CUDA
namespace cuda {  // cuda/pde/neural.cu
template <class T>
void neural_rhs(CUstream_st*, const NeuralCall<T>& call, View<const T> x, T* slope, const Combinations<T>& sums);
template <class T>
void neural_rhs_adjoint(CUstream_st*, const NeuralCall<T>& call, View<const T> x, View<const T> slope_bar, T* x_bar,
                        const Combinations<T>& sums, T* params_bar);
template <class T>
void neural_rhs_tangent(CUstream_st*, const NeuralCall<T>& call, View<const T> x, View<const T> x_dot, T* slope_dot);
}  // namespace cuda
#endif

}  // namespace mg::pde
