#pragma once
#include <cmath>
#include <string_view>

#include "core/macros.hpp"

namespace mg::pde {

/// Nonlinearities of the per-cell networks. Every one has a derivative that its value tells, so that an adjoint need not
/// keep what went in.
enum class NetActivation { relu, tanh, sigmoid, leaky_relu, relu6, linear, celu, softplus, sparse_plus };

inline constexpr std::string_view kNetActivationNames[] = {"relu",   "tanh", "sigmoid",  "leaky_relu", "relu6",
                                                           "linear", "celu", "softplus", "sparse_plus"};

/// a(x); celu(x) = x or e^x - 1; softplus(x) = log(1 + e^x); sparse_plus(x) = 0, (x + 1)^2 / 4 between -1 and 1, x.
/// @source the reference implementation
template <class T>
MG_HD T net_activate(NetActivation a, T x) {
  switch (a) {
    case NetActivation::relu:
      return x < T(0) ? T(0) : x;
    case NetActivation::tanh:
      return tanh(x);
    case NetActivation::sigmoid:
      return T(1) / (T(1) + exp(-x));
    case NetActivation::leaky_relu:
      return x >= T(0) ? x : T(0.01) * x;
    case NetActivation::relu6:
      return x < T(0) ? T(0) : (x > T(6) ? T(6) : x);
    case NetActivation::celu:
      return x > T(0) ? x : expm1(x);
    case NetActivation::softplus:
      return (x > T(0) ? x : T(0)) + log1p(exp(x > T(0) ? -x : x));
    case NetActivation::sparse_plus:
      return x <= T(-1) ? T(0) : (x >= T(1) ? x : (x + T(1)) * (x + T(1)) / T(4));
    case NetActivation::linear:
      break;
  }
  return x;
}

/// a'(x) from y = a(x); 0 where relu, relu6 and sparse_plus stand still, at their kinks too.
template <class T>
MG_HD T net_slope(NetActivation a, T y) {
  switch (a) {
    case NetActivation::relu:
      return y > T(0) ? T(1) : T(0);
    case NetActivation::tanh:
      return T(1) - y * y;
    case NetActivation::sigmoid:
      return y * (T(1) - y);
    case NetActivation::leaky_relu:
      return y >= T(0) ? T(1) : T(0.01);
    case NetActivation::relu6:
      return y > T(0) && y < T(6) ? T(1) : T(0);
    case NetActivation::celu:
      return y > T(0) ? T(1) : y + T(1);
    case NetActivation::softplus:
      return -expm1(-y);
    case NetActivation::sparse_plus:
      return y >= T(1) ? T(1) : sqrt(y);
    case NetActivation::linear:
      break;
  }
  return T(1);
}

}  // namespace mg::pde
