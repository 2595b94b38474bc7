#include "pde/neural_rhs.hpp"

#include <stdexcept>

#include "core/log.hpp"
#include "core/suggest.hpp"

namespace mg::pde {

template <class T>
NeuralRhs<T>::NeuralRhs(NeuralSpec spec) : spec_(std::move(spec)) {
  check(spec_);
  params_ = neural_param_layout(spec_);
}

template <class T>
void NeuralRhs<T>::initialise(std::uint64_t seed, std::span<T> params) const {
  if (params.size() != params_.size())
    throw std::invalid_argument(spec_.type + ": " + std::to_string(params.size()) + " parameters given, has " +
                                std::to_string(params_.size()));
  if (const auto dead = dead_starts(spec_); !dead.empty())
    log::warn(
        "{}: zero_init leaves {} without any gradient: the output activation is flat at 0. Set zero_init to false "
        "there, or compat.relu6_zero_grad to 0.5",
        spec_.type, join(dead));
  std::vector<double> values(params.size());
  neural_initialise(spec_, seed, values);
  for (std::size_t i = 0; i < values.size(); ++i) params[i] = T(values[i]);
}

template <class T>
void NeuralRhs<T>::check_field(ConstView<T> x) const {
  if (x.shape.c != spec_.channels)
    throw std::invalid_argument(spec_.type + ": the fields have " + std::to_string(x.shape.c) +
                                " channels, the model " + std::to_string(spec_.channels));
  if (spec_.padding == Padding::reflect && (x.shape.h < 2 || x.shape.w < 2))
    throw std::invalid_argument(spec_.type + ": REFLECT needs two cells on each axis, the fields have " +
                                std::to_string(x.shape.h) + " x " + std::to_string(x.shape.w));
}

template <class T>
void NeuralRhs<T>::rhs(const RhsContext<T>& at, ConstView<T> x, T* slope, const Combinations<T>& sums) const {
  check_field(x);
  if (x.shape.size() == 0) return;
  const NeuralCall<T> call{spec_, at.params, *at.workspace};
  MG_DISPATCH(at.exec, neural_rhs<T>, call, x, slope, sums);
}

template <class T>
void NeuralRhs<T>::rhs_adjoint(const RhsContext<T>& at, ConstView<T> x, ConstView<T> slope_bar, T* x_bar,
                               const Combinations<T>& sums, T* params_bar) const {
  check_field(x);
  check_field(slope_bar);
  if (x.shape.size() == 0) return;
  const NeuralCall<T> call{spec_, at.params, *at.workspace};
  MG_DISPATCH(at.exec, neural_rhs_adjoint<T>, call, x, slope_bar, x_bar, sums, params_bar);
}

template <class T>
void NeuralRhs<T>::rhs_tangent(const RhsContext<T>& at, ConstView<T> x, ConstView<T> x_dot, T* slope_dot) const {
  check_field(x);
  check_field(x_dot);
  if (x.shape.size() == 0) return;
  const NeuralCall<T> call{spec_, at.params, *at.workspace};
  MG_DISPATCH(at.exec, neural_rhs_tangent<T>, call, x, x_dot, slope_dot);
}

template <class T>
double NeuralRhs<T>::flop_per_cell() const {
  double flop = 0;
  const auto plan = neural_plan<T>(spec_, {1, spec_.channels, 2, 2});
  for (int i = 0; i < plan.nets; ++i)
    flop += 2.0 * plan.net[i].features * (double(plan.net[i].in) * plan.net[i].layers + plan.net[i].out);
  return flop + 15.0 * (plan.C + plan.planes);
}

template class NeuralRhs<float>;
template class NeuralRhs<double>;

}  // namespace mg::pde
