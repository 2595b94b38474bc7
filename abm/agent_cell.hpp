#pragma once
#include <cmath>

#include "abm/agent_spec.hpp"
#include "core/philox.hpp"
#include "core/system.hpp"

// What one agent does with the outputs of its policy, and the adjoint, written once for every backend.
namespace mg::abm {

template <class T>
MG_HD T softplus(T x) {
  return x > 0 ? x + log(1 + exp(-x)) : log(1 + exp(x));
}
template <class T>
MG_HD T logistic(T x) {
  return 1 / (1 + exp(-x));
}

template <class T>
MG_HD T deposit_value(DepositActivation a, T x) {
  return a == DepositActivation::linear ? x : softplus(x);
}
template <class T>
MG_HD T deposit_slope(DepositActivation a, T x) {
  return a == DepositActivation::linear ? T(1) : logistic(x);
}
template <class T>
MG_HD T turn_value(TurnActivation a, T x) {
  if (a == TurnActivation::tanh) return tanh(x);
  return x < -1 ? T(-1) : x > 1 ? T(1) : x;
}
template <class T>
MG_HD T turn_slope(TurnActivation a, T x) {
  if (a == TurnActivation::tanh) {
    const T t = tanh(x);
    return 1 - t * t;
  }
  return x > -1 && x < 1 ? T(1) : T(0);
}
template <class T>
MG_HD T field_value(FieldActivation a, T x) {
  switch (a) {
    case FieldActivation::soft_saturation:
      return x / sqrt(1 + x * x);
    case FieldActivation::softplus:
      return softplus(x);
    default:
      return x;
  }
}
template <class T>
MG_HD T field_slope(FieldActivation a, T x) {
  switch (a) {
    case FieldActivation::soft_saturation: {
      const T r = 1 / sqrt(1 + x * x);
      return r * r * r;
    }
    case FieldActivation::softplus:
      return logistic(x);
    default:
      return T(1);
  }
}

template <class T>
struct Vec2 {
  T v[2];
  MG_HD T operator[](int k) const { return v[k]; }
  MG_HD T& operator[](int k) { return v[k]; }
};
template <class T>
MG_HD Vec2<T> rotated(Vec2<T> u, T cosine, T sine) {
  return {{cosine * u[0] - sine * u[1], sine * u[0] + cosine * u[1]}};
}

/// The standard deviations of one step, sqrt(2 D dt), and its random numbers; all 0 without noise.
template <class T>
struct MoveNoise {
  T rotation_scale = 0, translation_scale = 0;
  T xi = 0;
  Vec2<T> zeta{};
};

/// Everything of a move that its adjoint needs.
template <class T>
struct Move {
  Vec2<T> raw;  ///< heading after the turn
  T length;     ///< of it; 1 unless renormalised
  Vec2<T> u;    ///< the heading that moves the agent
  Vec2<T> y;    ///< position before the walls
  T cosine, sine;
};
/// u' = R(dt turn + noise) u, back to length 1 if asked for, y = x + dt speed u' + noise.
/// @param turn  [rad / time]  @param speed  [nodes / time]
template <class T>
MG_HD Move<T> move_agent(Vec2<T> x, Vec2<T> u, T speed, T turn, T dt, bool renormalise, const MoveNoise<T>& noise) {
  Move<T> m;
  const T alpha = dt * turn + noise.rotation_scale * noise.xi;
  m.cosine = T(cos(alpha)), m.sine = T(sin(alpha));
  m.raw = rotated(u, m.cosine, m.sine);
  m.length = renormalise ? T(sqrt(m.raw[0] * m.raw[0] + m.raw[1] * m.raw[1])) : T(1);
  for (int k = 0; k < 2; ++k) {
    m.u[k] = m.raw[k] / m.length;
    m.y[k] = x[k] + dt * speed * m.u[k] + noise.translation_scale * noise.zeta[k];
  }
  return m;
}
template <class T>
struct MoveBars {
  Vec2<T> u;
  T speed, turn, rotation_scale, translation_scale;
};
/// @param y_bar, moved_bar  cotangents of y and of u'. The cotangent of x is y_bar.
template <class T>
MG_HD MoveBars<T> move_agent_adjoint(const Move<T>& m, T speed, T dt, bool renormalise, const MoveNoise<T>& noise,
                                     Vec2<T> y_bar, Vec2<T> moved_bar) {
  MoveBars<T> b;
  b.speed = dt * (m.u[0] * y_bar[0] + m.u[1] * y_bar[1]);
  b.translation_scale = noise.zeta[0] * y_bar[0] + noise.zeta[1] * y_bar[1];
  for (int k = 0; k < 2; ++k) moved_bar[k] += dt * speed * y_bar[k];
  if (renormalise) {  // only now: the move read the heading of length 1
    const T along = m.u[0] * moved_bar[0] + m.u[1] * moved_bar[1];
    for (int k = 0; k < 2; ++k) moved_bar[k] = (moved_bar[k] - along * m.u[k]) / m.length;
  }
  b.u = rotated(moved_bar, m.cosine, -m.sine);
  const T alpha_bar = m.raw[0] * moved_bar[1] - m.raw[1] * moved_bar[0];
  b.turn = dt * alpha_bar;
  b.rotation_scale = noise.xi * alpha_bar;
  return b;
}

/// xi, zeta_0, zeta_1 of agent i in sample b of the batch.
template <class T>
MG_HD void agent_noise_at(const StepIndex& index, int b, int i, T* noise) {
  RandomStream stream;
  stream.seed = index.seed;
  stream.purpose = RandomPurpose::agents;
  stream.iteration = std::uint32_t(index.iteration);
  stream.step = std::uint32_t(index.step);
  stream.sample = std::uint32_t(index.sample0 + b);
  const Philox4 words = stream.words(std::uint32_t(i));
  double rotation[2], translation[2];
  normal2(words.v[0], words.v[1], rotation);
  normal2(words.v[2], words.v[3], translation);
  noise[0] = T(rotation[0]), noise[1] = T(translation[0]), noise[2] = T(translation[1]);
}

}  // namespace mg::abm
