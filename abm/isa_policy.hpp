#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "abm/agent_spec.hpp"

/// The policy network on blocks of kLanes agents: arrays [unit][kLanes], so that every loop over lanes is vector code.
/// Everything lives in namespace MG_ISA, so that no copy is linked in place of another.
namespace mg::abm::MG_ISA {

inline constexpr int kLanes = 16;

/// e^x and tanh(x) without branches or library calls, so that loops over lanes vectorise; float only, within 3e-7.
inline float lane_exp(float x) {
  x = std::min(std::max(x, -87.0F), 88.0F);
  const float n = (x * 1.44269504088896F + 12582912.0F) - 12582912.0F;  // round to nearest
  const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  return (p * r * r + r + 1.0F) * std::bit_cast<float>((int(n) + 127) << 23);
}
inline float lane_tanh(float x) {
  const float a = std::abs(x), s = x * x;
  float p = -5.70498872745e-3F;
  p = p * s + 2.06390887954e-2F;
  p = p * s - 5.37397155531e-2F;
  p = p * s + 1.33314422036e-1F;
  p = p * s - 3.33332819422e-1F;
  const float near = p * s * x + x;
  const float far = std::copysign(1.0F - 2.0F / (lane_exp(2 * a) + 1.0F), x);
  return a < 0.625F ? near : far;
}
inline double lane_exp(double x) { return std::exp(x); }
inline double lane_tanh(double x) { return std::tanh(x); }

/// y = a(x) and a'(x) of n values; y may be x.
template <class T>
void activate_lanes(Activation a, const T* x, T* y, T* slope, int n) {
  switch (a) {
    case Activation::tanh:
      for (int i = 0; i < n; ++i) {
        y[i] = lane_tanh(x[i]);
        slope[i] = 1 - y[i] * y[i];
      }
      return;
    case Activation::sigmoid:
      for (int i = 0; i < n; ++i) {
        y[i] = 1 / (1 + lane_exp(-x[i]));
        slope[i] = y[i] * (1 - y[i]);
      }
      return;
    case Activation::swish:
      for (int i = 0; i < n; ++i) {
        const T v = x[i], s = 1 / (1 + lane_exp(-v));
        y[i] = v * s;
        slope[i] = s * (1 + v * (1 - s));
      }
      return;
    default:
      for (int i = 0; i < n; ++i) {
        const T v = x[i];
        y[i] = activate(a, v);
        slope[i] = activate_derivative(a, v);
      }
  }
}

/// out[o][lane] = bias[o] + sum_k weight[o][k] in[k][lane]
template <class T>
void dense(const DenseLayer& layer, const T* params, const T* in, T* out) {
  const T* w = params + layer.weight;
  for (int o = 0; o < layer.out; ++o, w += layer.in) {
    T sum[kLanes];
    std::fill_n(sum, kLanes, layer.bias >= 0 ? params[layer.bias + o] : T(0));
    for (int k = 0; k < layer.in; ++k)
      for (int l = 0; l < kLanes; ++l) sum[l] += w[k] * in[k * kLanes + l];
    std::copy_n(sum, kLanes, out + o * kLanes);
  }
}
/// in_bar[k][lane] += sum_o weight[o][k] out_bar[o][lane]; weight_bar, bias_bar += with in_rows[lane][k] = in[k][lane].
template <class T>
void dense_adjoint(const DenseLayer& layer, const T* params, const T* in_rows, const T* out_bar, T* in_bar,
                   T* params_bar) {
  const T* w = params + layer.weight;
  T* w_bar = params_bar + layer.weight;
  for (int o = 0; o < layer.out; ++o, w += layer.in, w_bar += layer.in) {
    const T* bar = out_bar + o * kLanes;
    for (int k = 0; k < layer.in; ++k)
      for (int l = 0; l < kLanes; ++l) in_bar[k * kLanes + l] += w[k] * bar[l];
    for (int l = 0; l < kLanes; ++l)
      for (int k = 0; k < layer.in; ++k) w_bar[k] += bar[l] * in_rows[l * layer.in + k];
    if (layer.bias < 0) continue;
    T sum = 0;
    for (int l = 0; l < kLanes; ++l) sum += bar[l];
    params_bar[layer.bias + o] += sum;
  }
}

/// to[j][i] = from[i][j] for i < n, j < m.
template <class T>
void transpose(const T* from, int n, int m, T* to) {
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < m; ++j) to[j * n + i] = from[i * m + j];
}

/// Values of one chain of layers that its adjoint needs: for every layer its output and the slope of its activation.
template <class T>
struct ChainTape {
  T* y;      // [layers][kMostUnits][kLanes] in `stride`
  T* slope;  // likewise
  int stride;
};

/// Runs `layers`, all but the last (or, with `activate_last`, all) followed by the activation. Returns the last output.
template <class T>
const T* run_chain(const std::vector<DenseLayer>& layers, Activation activation, bool activate_last, const T* params,
                   const T* in, const ChainTape<T>& tape) {
  for (std::size_t k = 0; k < layers.size(); ++k) {
    T* y = tape.y + k * std::size_t(tape.stride);
    dense(layers[k], params, in, y);
    if (activate_last || k + 1 < layers.size())
      activate_lanes(activation, y, y, tape.slope + k * std::size_t(tape.stride), layers[k].out * kLanes);
    in = y;
  }
  return in;
}
/// @param bar      cotangent of the last output; destroyed
/// @param in_bar   += cotangent of `in`
/// @param scratch  [2 stride]
template <class T>
void run_chain_adjoint(const std::vector<DenseLayer>& layers, bool activated_last, const T* params, const T* in,
                       const ChainTape<T>& tape, T* bar, T* in_bar, T* params_bar, T* scratch) {
  T* other = scratch;
  T* rows = scratch + tape.stride;
  for (std::size_t k = layers.size(); k-- > 0;) {
    const DenseLayer& layer = layers[k];
    if (activated_last || k + 1 < layers.size()) {
      const T* slope = tape.slope + k * std::size_t(tape.stride);
      for (int i = 0; i < layer.out * kLanes; ++i) bar[i] *= slope[i];
    }
    const T* before = k > 0 ? tape.y + (k - 1) * std::size_t(tape.stride) : in;
    transpose(before, layer.in, kLanes, rows);
    T* target = k > 0 ? other : in_bar;
    if (k > 0) std::fill_n(target, layer.in * kLanes, T(0));
    dense_adjoint(layer, params, rows, bar, target, params_bar);
    std::swap(bar, other);
  }
}

}  // namespace mg::abm::MG_ISA
