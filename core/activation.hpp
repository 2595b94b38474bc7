#pragma once
#include <cmath>
#include <string_view>

#include "core/macros.hpp"

namespace mg {

/// Pointwise nonlinearities named in configs. @source the reference implementation
enum class Activation { relu, tanh, sigmoid, swish, gelu, leaky_relu, relu6, linear };

inline constexpr std::string_view kActivationNames[] = {"relu", "tanh",       "sigmoid", "swish",
                                                        "gelu", "leaky_relu", "relu6",   "linear"};

template <class T>
MG_HD T sigmoid(T x) {
  return T(1) / (T(1) + exp(-x));
}

/// a(x): swish = x sigmoid(x); gelu in the tanh approximation; leaky slope 0.01.
template <class T>
MG_HD T activate(Activation a, T x) {
  switch (a) {
    case Activation::relu:
      return x > T(0) ? x : T(0);
    case Activation::tanh:
      return tanh(x);
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::swish:
      return x * sigmoid(x);
    case Activation::gelu: {
      const T u = T(0.7978845608028654) * (x + T(0.044715) * x * x * x);
      return T(0.5) * x * (T(1) + tanh(u));
    }
    case Activation::leaky_relu:
      return x >= T(0) ? x : T(0.01) * x;
    case Activation::relu6:
      return x < T(0) ? T(0) : (x > T(6) ? T(6) : x);
    case Activation::linear:
      return x;
  }
  return x;
}

/// a'(x); 0 at the kink of relu. A cotangent is multiplied by it.
template <class T>
MG_HD T activate_derivative(Activation a, T x) {
  switch (a) {
    case Activation::relu:
      return x > T(0) ? T(1) : T(0);
    case Activation::tanh: {
      const T t = tanh(x);
      return T(1) - t * t;
    }
    case Activation::sigmoid: {
      const T s = sigmoid(x);
      return s * (T(1) - s);
    }
    case Activation::swish: {
      const T s = sigmoid(x);
      return s * (T(1) + x * (T(1) - s));
    }
    case Activation::gelu: {
      const T k = T(0.7978845608028654), u = k * (x + T(0.044715) * x * x * x), t = tanh(u);
      return T(0.5) * (T(1) + t) + T(0.5) * x * (T(1) - t * t) * k * (T(1) + T(3 * 0.044715) * x * x);
    }
    case Activation::leaky_relu:
      return x >= T(0) ? T(1) : T(0.01);
    case Activation::relu6:
      return x > T(0) && x < T(6) ? T(1) : T(0);
    case Activation::linear:
      return T(1);
  }
  return T(1);
}

}  // namespace mg
