#pragma once
#include <cmath>
#include <cstddef>

#include "core/philox.hpp"
#include "core/reduce.hpp"
#include "train/schedule.hpp"

// The maths of one update: plain data and functions for host and device.
namespace mg::train {

enum class UpdateRule { adam, nadam, lamb, adagrad, sgd };
enum class TransformKind { param_block_norm, tensor_normalise, clip_global_norm, clip_block_rms, adaptive_clip };
struct Transform {
  TransformKind kind;
  double value;
};

struct OptimiserSettings {
  static constexpr int kMaxTransforms = 8;
  UpdateRule rule = UpdateRule::adam;
  Schedule lr;
  double rate_scale = 1;  ///< of every learning rate
  double b1 = 0.9, b2 = 0.999, eps = 1e-8, eps_root = 0;
  double weight_decay = 0;
  double momentum = 0;
  bool nesterov = false;
  double accumulator = 0.1;  ///< of adagrad: first value of v
  double noise_eta = 0, noise_gamma = 0;
  std::uint64_t noise_seed = 0;
  int transforms = 0;
  Transform transform[kMaxTransforms] = {};
  bool if_finite = false;
  int max_consecutive = 8;

  MG_HD double rate(long long k) const { return rate_scale * lr.at(k); }
  bool has_moments() const { return adaptive() || momentum != 0; }
  bool has_second_moments() const { return adaptive() || rule == UpdateRule::adagrad; }
  /// Whether the rule has both moments of Adam.
  MG_HD bool adaptive() const { return rule != UpdateRule::sgd && rule != UpdateRule::adagrad; }
  /// Whether the step is computed first and then scaled by its norm.
  bool two_passes() const { return rule == UpdateRule::lamb; }
  bool needs_norms() const { return transforms > 0 || if_finite; }
};

struct OptimiserCounters {
  long long updates = 0;  ///< made so far: k
  long long bad = 0;      ///< consecutive gradients that were not finite
  long long skipped = 0;
};

/// Norms of one tensor: v = {|g|^2, |theta|^2, elements of g that are not finite}.
using TensorSums = ReduceValues<3>;

template <class T>
struct TensorSumsAt {
  const T *theta, *gradient;   // flat
  const std::size_t* offsets;  // [tensors + 1]
  MG_HD std::size_t length(std::size_t s) const { return offsets[s + 1] - offsets[s]; }
  MG_HD TensorSums operator()(std::size_t s, std::size_t i) const {
    const double g = gradient[offsets[s] + i], p = theta[offsets[s] + i];
    return {{g * g, p * p, g - g == 0 ? 0.0 : 1.0}};
  }
};
struct StoreTensorSums {
  TensorSums* sums;  // [tensors]
  MG_HD void operator()(std::size_t s, const TensorSums& r) const { sums[s] = r; }
};

/// What every element of one update shares.
struct UpdateScalars {
  bool apply;
  double lr;
  double m_gain, g_gain, v_gain;  ///< mhat = m_gain m + g_gain g, vhat = v_gain v
  double noise;                   ///< standard deviation
  long long update;               ///< number of this update, from 0
};

/// Per-tensor factors of the gradient after all transforms, which are all scalings: the norm of a scaled tensor is
/// known without another pass.
MG_HD void transform_factors(const OptimiserSettings& s, const TensorSums* sums, const std::size_t* offsets,
                             std::size_t tensors, double* factors) {
  for (std::size_t t = 0; t < tensors; ++t) factors[t] = 1;
  for (int k = 0; k < s.transforms; ++k) {
    const Transform& transform = s.transform[k];
    double global = 0;
    if (transform.kind == TransformKind::clip_global_norm)
      for (std::size_t t = 0; t < tensors; ++t) global += factors[t] * factors[t] * sums[t].v[0];
    global = sqrt(global);
    for (std::size_t t = 0; t < tensors; ++t) {
      const double norm = factors[t] * sqrt(sums[t].v[0]);
      switch (transform.kind) {
        case TransformKind::param_block_norm: {
          const double theta = sqrt(sums[t].v[1]);
          factors[t] *= theta > transform.value ? theta : transform.value;
          break;
        }
        case TransformKind::tensor_normalise:
          factors[t] /= norm + transform.value;
          break;
        case TransformKind::clip_global_norm:
          factors[t] *= global > transform.value ? transform.value / global : 1;
          break;
        case TransformKind::adaptive_clip: {
          constexpr double kLeastTheta = 1e-3, kLeastNorm = 1e-6;
          const double theta = sqrt(sums[t].v[1]), most = transform.value * (theta > kLeastTheta ? theta : kLeastTheta);
          factors[t] *= norm >= most ? most / (norm > kLeastNorm ? norm : kLeastNorm) : 1;
          break;
        }
        case TransformKind::clip_block_rms: {
          const double rms = norm / sqrt(double(offsets[t + 1] - offsets[t])) / transform.value;
          factors[t] /= rms > 1 ? rms : 1;
          break;
        }
      }
    }
  }
}

/// Decides whether the update happens, counts it, and computes what its elements share.
MG_HD UpdateScalars begin_update(const OptimiserSettings& s, const TensorSums* sums, std::size_t tensors,
                                 OptimiserCounters& counters) {
  UpdateScalars u{true, 0, 0, 0, 0, 0, counters.updates};
  if (s.if_finite) {
    bool finite = true;
    for (std::size_t t = 0; t < tensors; ++t) finite = finite && sums[t].v[2] == 0;
    counters.bad = finite ? 0 : counters.bad + 1;
    u.apply = finite || counters.bad > s.max_consecutive;
    if (!u.apply) {
      ++counters.skipped;
      return u;
    }
  }
  const double tau = double(counters.updates + 1);
  u.lr = s.rate(counters.updates);
  u.noise = sqrt(s.noise_eta / pow(tau, s.noise_gamma));
  u.v_gain = 1 / (1 - pow(s.b2, tau));
  if (s.rule != UpdateRule::nadam) {
    u.m_gain = 1 / (1 - pow(s.b1, tau));
  } else {
    u.m_gain = s.b1 / (1 - pow(s.b1, tau + 1));
    u.g_gain = (1 - s.b1) / (1 - pow(s.b1, tau));
  }
  ++counters.updates;
  return u;
}

/// One element: moments m, v and parameter theta are updated by the gradient g.
///   adam, nadam: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
///                theta -= lr (mhat / (sqrt(vhat + eps_root) + eps) + weight_decay theta)
///   lamb: the step of adam without lr goes to g; then theta -= lr |theta| / |g| g per tensor (1 where either is 0)
///   adagrad: v += g^2; theta -= lr g / sqrt(v + eps), 0 where v is 0
///   sgd: g += noise_eta / (1 + k)^noise_gamma noise; m = momentum m + g; theta -= lr m, with nesterov lr (g + momentum m)
template <class T>
struct UpdateElement {
  T lr, m_gain, g_gain, v_gain, b1, b2, eps, eps_root, weight_decay, momentum, noise;
  bool nesterov;
  MG_HD UpdateElement(const OptimiserSettings& s, const UpdateScalars& u)
      : lr(T(u.lr)),
        m_gain(T(u.m_gain)),
        g_gain(T(u.g_gain)),
        v_gain(T(u.v_gain)),
        b1(T(s.b1)),
        b2(T(s.b2)),
        eps(T(s.eps)),
        eps_root(T(s.eps_root)),
        weight_decay(T(s.weight_decay)),
        momentum(T(s.momentum)),
        noise(T(u.noise)),
        nesterov(s.nesterov) {}

  MG_HD void moments(T g, T& theta, T& m, T& v) const {
    m = b1 * m + (T(1) - b1) * g;
    v = b2 * v + (T(1) - b2) * g * g;
    const T d = (m_gain * m + g_gain * g) / (sqrt(v_gain * v + eps_root) + eps);
    theta -= lr * (d + weight_decay * theta);
  }
  /// The step of adam without the learning rate.
  MG_HD T direction(T g, T theta, T& m, T& v) const {
    m = b1 * m + (T(1) - b1) * g;
    v = b2 * v + (T(1) - b2) * g * g;
    return m_gain * m / (sqrt(v_gain * v + eps_root) + eps) + weight_decay * theta;
  }
  MG_HD void accumulate(T g, T& theta, T& v) const {
    v += g * g;
    theta -= lr * (v > T(0) ? g / sqrt(v + eps) : T(0));
  }
  MG_HD void descend(T g, T& theta) const { theta -= lr * g; }
  MG_HD void descend(T g, T& theta, T& m) const {
    m = momentum * m + g;
    theta -= lr * (nesterov ? g + momentum * m : m);
  }
};

/// Everything an update works on; device or host memory.
template <class T>
struct UpdateArrays {
  T *theta, *gradient;         // flat
  T *m, *v;                    // flat, null where the rule has none
  const std::size_t* offsets;  // [tensors + 1]
  TensorSums* sums;            // [tensors]
  double* factors;             // [tensors]
  OptimiserCounters* counters;
  UpdateScalars* scalars;
  std::size_t tensors, size, largest;  ///< `largest` tensor
};

template <class T>
MG_HD void prepare(const OptimiserSettings& s, const UpdateArrays<T>& a) {
  *a.scalars = begin_update(s, a.sums, a.tensors, *a.counters);
  transform_factors(s, a.sums, a.offsets, a.tensors, a.factors);
}

/// One standard normal, by update and element.
template <class T>
MG_HD T noise_element(std::uint64_t seed, long long update, std::size_t i) {
  constexpr auto kGradientNoise = RandomPurpose(12);  // beside the named ones of core/philox.hpp
  const RandomStream stream{seed, kGradientNoise, std::uint32_t(update), 0, std::uint32_t(i >> 32)};
  const Philox4 words = stream.words(std::uint32_t(i));
  double normal[2];
  normal2(words.v[0], words.v[1], normal);
  return T(normal[0]);
}

/// Second pass of lamb: the factors of the steps that the gradient holds, from the norms of both.
template <class T>
MG_HD void prepare_trust(const UpdateArrays<T>& a) {
  for (std::size_t t = 0; t < a.tensors; ++t) {
    const double step = sqrt(a.sums[t].v[0]), theta = sqrt(a.sums[t].v[1]);
    a.factors[t] = step > 0 && theta > 0 ? theta / step : 1;
  }
}
template <class T>
MG_HD void trust_element(const UpdateArrays<T>& a, std::size_t i, T factor) {
  a.theta[i] -= T(a.scalars->lr) * (factor * a.gradient[i]);
}

template <class T>
MG_HD void update_element(const OptimiserSettings& s, const UpdateElement<T>& update, const UpdateArrays<T>& a,
                          std::size_t i, T factor) {
  T g = a.gradient[i] * factor;
  if (s.noise_eta > 0) g += update.noise * noise_element<T>(s.noise_seed, a.scalars->update, i);
  if (s.rule == UpdateRule::lamb)
    a.gradient[i] = update.direction(g, a.theta[i], a.m[i], a.v[i]);
  else if (s.rule == UpdateRule::adagrad)
    update.accumulate(g, a.theta[i], a.v[i]);
  else if (s.rule != UpdateRule::sgd)
    update.moments(g, a.theta[i], a.m[i], a.v[i]);
  else if (a.m != nullptr)
    update.descend(g, a.theta[i], a.m[i]);
  else
    update.descend(g, a.theta[i]);
}

/// mean becomes the mean of the n gradients seen; the `last` one is replaced by it.
template <class T>
MG_HD void accumulate_element(T& mean, T& gradient, int n, bool last) {
  mean = n == 1 ? gradient : mean + (gradient - mean) / T(n);
  if (last) gradient = mean;
}

}  // namespace mg::train
