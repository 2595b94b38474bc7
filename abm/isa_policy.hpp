#pragma once
#include <algorithm>
#include <cmath>
#include <utility>

#include "abm/agent_spec.hpp"
#include "core/lane_math.hpp"

/// The policy network on blocks of kLanes agents: arrays [unit][kLanes], so that every loop over lanes is vector code.
/// Everything lives in namespace MG_ISA, so that no copy is linked in place of another.
namespace mg::abm::MG_ISA {

inline constexpr int kLanes = 16;

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

// Wide vectors cross no function that is not inlined into its caller here, so their calling convention does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"
/// kLanes values at once; the compiler splits it into the registers that it has.
template <class T>
struct LaneVector {
  typedef T type __attribute__((vector_size(kLanes * sizeof(T))));
};
template <class T>
using Lanes = typename LaneVector<T>::type;
template <class T>
inline Lanes<T> load_lanes(const T* p) {
  Lanes<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
inline void store_lanes(T* p, const Lanes<T>& v) {
  __builtin_memcpy(p, &v, sizeof v);
}

/// out[o][lane] = bias[o] + sum_k weight[o][k] in[k][lane] for kRows outputs from `o` on.
template <int kRows, class T>
void dense_rows(const DenseLayer& layer, const T* params, const T* in, T* out, int o) {
  const T* w = params + layer.weight + std::size_t(o) * std::size_t(layer.in);
  Lanes<T> sum[kRows];
  for (int r = 0; r < kRows; ++r) sum[r] = Lanes<T>{} + (layer.bias >= 0 ? params[layer.bias + o + r] : T(0));
  for (int k = 0; k < layer.in; ++k) {
    const Lanes<T> x = load_lanes(in + k * kLanes);
    for (int r = 0; r < kRows; ++r) sum[r] += w[r * layer.in + k] * x;
  }
  for (int r = 0; r < kRows; ++r) store_lanes(out + (o + r) * kLanes, sum[r]);
}
template <class T>
void dense(const DenseLayer& layer, const T* params, const T* in, T* out) {
  int o = 0;
  for (; o + 8 <= layer.out; o += 8) dense_rows<8>(layer, params, in, out, o);
  for (; o < layer.out; ++o) dense_rows<1>(layer, params, in, out, o);
}

/// in_bar[k][lane] += sum_o weight[o][k] out_bar[o][lane] for kRows inputs from `k` on.
template <int kRows, class T>
void dense_adjoint_rows(const DenseLayer& layer, const T* params, const T* out_bar, T* in_bar, int k) {
  const T* w = params + layer.weight + k;
  Lanes<T> sum[kRows];
  for (int r = 0; r < kRows; ++r) sum[r] = load_lanes(in_bar + (k + r) * kLanes);
  for (int o = 0; o < layer.out; ++o, w += layer.in) {
    const Lanes<T> bar = load_lanes(out_bar + o * kLanes);
    for (int r = 0; r < kRows; ++r) sum[r] += w[r] * bar;
  }
  for (int r = 0; r < kRows; ++r) store_lanes(in_bar + (k + r) * kLanes, sum[r]);
}
/// Elements between rows of `in_rows`: whole vectors.
inline int row_stride(int n) { return (n + kLanes - 1) / kLanes * kLanes; }
/// in_bar += weight^T out_bar; weight_bar, bias_bar += with in_rows[lane][k] = in[k][lane], row_stride(in) apart.
template <class T>
void dense_adjoint(const DenseLayer& layer, const T* params, const T* in_rows, const T* out_bar, T* in_bar,
                   T* params_bar) {
  int k = 0;
  for (; k + 8 <= layer.in; k += 8) dense_adjoint_rows<8>(layer, params, out_bar, in_bar, k);
  for (; k < layer.in; ++k) dense_adjoint_rows<1>(layer, params, out_bar, in_bar, k);
  const int stride = row_stride(layer.in);
  for (int o = 0; o < layer.out; ++o) {
    const T* bar = out_bar + o * kLanes;
    T* w_bar = params_bar + layer.weight + std::size_t(o) * std::size_t(layer.in);
    for (int first = 0; first < layer.in; first += kLanes) {
      Lanes<T> sum{};
      for (int l = 0; l < kLanes; ++l) sum += bar[l] * load_lanes(in_rows + l * stride + first);
      for (int j = 0; j < std::min(kLanes, layer.in - first); ++j) w_bar[first + j] += sum[j];
    }
    if (layer.bias < 0) continue;
    T sum = 0;
    for (int l = 0; l < kLanes; ++l) sum += bar[l];
    params_bar[layer.bias + o] += sum;
  }
}

/// to[lane][k] = from[k][lane], rows `stride` apart.
template <class T>
void lanes_to_rows(const T* from, int n, T* to, int stride) {
  for (int l = 0; l < kLanes; ++l)
    for (int k = 0; k < n; ++k) to[l * stride + k] = from[k * kLanes + l];
}
template <class T>
void rows_to_lanes(const T* from, int stride, int n, T* to) {
  for (int k = 0; k < n; ++k)
    for (int l = 0; l < kLanes; ++l) to[k * kLanes + l] = from[l * stride + k];
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
    lanes_to_rows(before, layer.in, rows, row_stride(layer.in));
    T* target = k > 0 ? other : in_bar;
    if (k > 0) std::fill_n(target, layer.in * kLanes, T(0));
    dense_adjoint(layer, params, rows, bar, target, params_bar);
    std::swap(bar, other);
  }
}

}  // namespace mg::abm::MG_ISA
