#pragma once
#include "abm/agent_cell.hpp"
#include "cuda/abm/agent_data.cuh"

// One thread per agent: senses, runs its network on units in device memory, moves; and the adjoint.
namespace mg::abm::cuda {

/// Two-dimensional taps of one point: f(cell, weight, d weight / d x_0, d weight / d x_1).
template <class T, class F>
__device__ void for_each_tap(const Agents<T>& g, const T* at, const F& f) {
  const AxisTaps<T> t0 = axis_taps(g.assignment, g.domain, at[0], g.h),
                    t1 = axis_taps(g.assignment, g.domain, at[1], g.w);
  const int count = tap_count(g.assignment);
  for (int i = 0; i < count; ++i)
    for (int j = 0; j < count; ++j)
      f(std::size_t(t0.node[i]) * std::size_t(g.w) + std::size_t(t1.node[j]), t0.w[i] * t1.w[j], t0.dw[i] * t1.w[j],
        t0.w[i] * t1.dw[j]);
}
template <class T>
struct Sum3 {
  T value, d0, d1;
};
/// Value and derivatives of a lattice channel at a point.
template <class T>
__device__ Sum3<T> gather(const Agents<T>& g, const T* plane, const T* at) {
  Sum3<T> s{};
  for_each_tap(g, at, [&](std::size_t cell, T w, T d0, T d1) {
    const T p = plane[cell];
    s.value += w * p, s.d0 += d0 * p, s.d1 += d1 * p;
  });
  return s;
}

template <class T>
struct Arm {
  Vec2<T> direction, tip;
};
template <class T>
__device__ Arm<T> sensor_arm(const Agents<T>& g, const T* policy, int k, std::size_t a) {
  const T phi = policy[g.sensor_angles + std::size_t(k)], length = policy[g.sensor_length];
  Arm<T> arm;
  arm.direction = rotated(Vec2<T>{{g.u[2 * a], g.u[2 * a + 1]}}, T(cos(phi)), T(sin(phi)));
  for (int d = 0; d < 2; ++d) arm.tip[d] = g.x[2 * a + std::size_t(d)] + length * arm.direction[d];
  return arm;
}

template <class T>
__device__ void sense(const Agents<T>& g, const T* policy, std::size_t a) {
  const std::size_t sample = a / std::size_t(g.agents);
  if (g.sensing == Sensing::sensors) {
    for (int k = 0; k < g.arms; ++k) {
      const Arm<T> arm = sensor_arm(g, policy, k, a);
      for (int c = 0; c < g.channels; ++c)
        g.unit(k * g.channels + c, a) = gather(g, g.plane(g.lattice, sample, c), arm.tip.v).value;
    }
    return;
  }
  const T u0 = g.u[2 * a], u1 = g.u[2 * a + 1];
  for (int c = 0; c < g.channels; ++c) {
    const T fx = gather(g, g.plane(g.slope[0], sample, c), g.x + 2 * a).value;
    const T fy = gather(g, g.plane(g.slope[1], sample, c), g.x + 2 * a).value;
    g.unit(c, a) = gather(g, g.plane(g.lattice, sample, c), g.x + 2 * a).value;
    g.unit(g.channels + c, a) = u0 * fx + u1 * fy;
    g.unit(2 * g.channels + c, a) = u0 * fy - u1 * fx;
  }
  if (g.absolute_heading) g.unit(3 * g.channels, a) = u0, g.unit(3 * g.channels + 1, a) = u1;
}

template <class T>
__device__ void run_chain(const Agents<T>& g, const Chain& chain, const T* policy, std::size_t a) {
  int input = chain.input_row;
  for (int k = 0; k < chain.count; ++k) {
    const DenseLayer& layer = chain.layer[k];
    const T* w = policy + layer.weight;
    const bool activated = chain.activate_last || k + 1 < chain.count;
    for (int o = 0; o < layer.out; ++o, w += layer.in) {
      T sum = layer.bias >= 0 ? policy[layer.bias + o] : T(0);
      for (int i = 0; i < layer.in; ++i) sum += w[i] * g.unit(input + i, a);
      g.unit(chain.row[k] + o, a) = activated ? activate(g.activation, sum) : sum;
      if (g.slopes != nullptr)
        g.unit_slope(chain.row[k] + o, a) = activated ? activate_derivative(g.activation, sum) : T(1);
    }
    input = chain.row[k];
  }
}
/// bars of the last outputs -> bars of every layer before its activation; adds to the bars of the input.
template <class T>
__device__ void run_chain_adjoint(const Agents<T>& g, const Chain& chain, const T* policy, std::size_t a) {
  for (int k = chain.count - 1; k >= 0; --k) {
    const DenseLayer& layer = chain.layer[k];
    for (int o = 0; o < layer.out; ++o) g.bar(chain.row[k] + o, a) *= g.unit_slope(chain.row[k] + o, a);
    const int input = k > 0 ? chain.row[k - 1] : chain.input_row;
    for (int i = 0; i < layer.in; ++i) {
      T sum = 0;
      for (int o = 0; o < layer.out; ++o)
        sum +=
            policy[layer.weight + std::size_t(o) * std::size_t(layer.in) + std::size_t(i)] * g.bar(chain.row[k] + o, a);
      g.bar(input + i, a) += sum;
    }
  }
}

template <class T>
__device__ MoveNoise<T> noise_of(const Agents<T>& g, std::size_t a) {
  MoveNoise<T> n;
  if (g.noise == nullptr) return n;
  n.rotation_scale = T(sqrt(2 * exp(g.params[g.rotation_noise]) * g.dt));
  n.translation_scale = T(sqrt(2 * exp(g.params[g.translation_noise]) * g.dt));
  n.xi = g.noise[3 * a];
  n.zeta = {{g.noise[3 * a + 1], g.noise[3 * a + 2]}};
  return n;
}
template <class T>
struct Motion {
  T gate, speed, turn;
  MoveNoise<T> noise;
  Move<T> move;
};
template <class T>
__device__ Motion<T> motion_of(const Agents<T>& g, std::size_t a) {
  Motion<T> m;
  m.gate = logistic(g.unit(g.speed.last_row(), a));
  m.speed = m.gate * g.max_speed;
  m.turn = turn_value(g.turn_activation, g.unit(g.turn.last_row(), a)) * g.max_turn;
  m.noise = noise_of(g, a);
  m.move = move_agent(Vec2<T>{{g.x[2 * a], g.x[2 * a + 1]}}, Vec2<T>{{g.u[2 * a], g.u[2 * a + 1]}}, m.speed, m.turn,
                      g.dt, g.renormalise, m.noise);
  return m;
}

/// Senses, thinks and moves one agent: its units, next state and deposit.
template <class T>
struct MoveAgents {
  Agents<T> g;
  T *x_next, *u_next, *deposits;  // [all][2], [all][2], [all][C]
  __device__ void operator()(std::size_t a) const {
    const T* policy = g.policy(a);
    sense(g, policy, a);
    run_chain(g, g.trunk, policy, a);  // one by one: pointers to them would copy the whole argument to local memory
    run_chain(g, g.deposit, policy, a);
    run_chain(g, g.speed, policy, a);
    run_chain(g, g.turn, policy, a);
    for (int c = 0; c < g.channels; ++c)
      deposits[a * std::size_t(g.channels) + std::size_t(c)] =
          deposit_value(g.deposit_activation, g.unit(g.deposit.last_row() + c, a));
    const Motion<T> m = motion_of(g, a);
    for (int d = 0; d < 2; ++d) {
      const WallResult<T> wall = meet_walls(g.domain, m.move.y[d], d == 0 ? g.h : g.w);
      x_next[2 * a + std::size_t(d)] = wall.x;
      u_next[2 * a + std::size_t(d)] = wall.sign * m.move.u[d];
    }
  }
};

/// Adjoint of MoveAgents and of the deposit, after it filled the units.
template <class T>
struct MoveAgentsAdjoint {
  Agents<T> g;
  const T *x_next_bar, *u_next_bar, *deposited_bar;  // [all][2], [all][2], (batch, C, h, w)
  const T* deposits;                                 // [all][C]
  T *x_bar, *u_bar;                                  // [all][2]
  T* sources;                                        // [all][3][C] or [all][arms][C]
  T* tips;                                           // [all][arms][2]
  T* extra;                                          // [2 noise, length, arms][all]

  __device__ void operator()(std::size_t a) const {
    const T* policy = g.policy(a);
    const std::size_t sample = a / std::size_t(g.agents);
    for (int r = 0; r < g.rows; ++r) g.bar(r, a) = 0;
    const Motion<T> m = motion_of(g, a);
    Vec2<T> y_bar, moved_bar;
    for (int d = 0; d < 2; ++d) {
      const T sign = meet_walls(g.domain, m.move.y[d], d == 0 ? g.h : g.w).sign;
      y_bar[d] = sign * x_next_bar[2 * a + std::size_t(d)];
      moved_bar[d] = sign * u_next_bar[2 * a + std::size_t(d)];
    }
    const MoveBars<T> move = move_agent_adjoint(m.move, m.speed, g.dt, g.renormalise, m.noise, y_bar, moved_bar);
    Vec2<T> xb = y_bar, ub = move.u;
    g.bar(g.speed.last_row(), a) = move.speed * g.max_speed * m.gate * (1 - m.gate);
    g.bar(g.turn.last_row(), a) = move.turn * g.max_turn * turn_slope(g.turn_activation, g.unit(g.turn.last_row(), a));
    if (g.noise != nullptr) {
      extra[a] = m.noise.rotation_scale / 2 * move.rotation_scale;
      extra[g.all() + a] = m.noise.translation_scale / 2 * move.translation_scale;
    }
    for (int c = 0; c < g.channels; ++c) {
      const Sum3<T> s = gather(g, g.plane(deposited_bar, sample, c), g.x + 2 * a);
      const T d = deposits[a * std::size_t(g.channels) + std::size_t(c)];
      xb[0] += g.dt * d * s.d0, xb[1] += g.dt * d * s.d1;
      g.bar(g.deposit.last_row() + c, a) =
          g.dt * s.value * deposit_slope(g.deposit_activation, g.unit(g.deposit.last_row() + c, a));
    }
    run_chain_adjoint(g, g.deposit, policy, a);
    run_chain_adjoint(g, g.speed, policy, a);
    run_chain_adjoint(g, g.turn, policy, a);
    run_chain_adjoint(g, g.trunk, policy, a);
    if (g.sensing == Sensing::sensors)
      arms_adjoint(policy, sample, a, xb, ub);
    else
      slopes_adjoint(sample, a, xb, ub);
    for (int d = 0; d < 2; ++d) x_bar[2 * a + std::size_t(d)] = xb[d], u_bar[2 * a + std::size_t(d)] = ub[d];
  }

 private:
  __device__ void arms_adjoint(const T* policy, std::size_t sample, std::size_t a, Vec2<T>& xb, Vec2<T>& ub) const {
    const T length = policy[g.sensor_length];
    T length_bar = 0;
    for (int k = 0; k < g.arms; ++k) {
      const std::size_t point = a * std::size_t(g.arms) + std::size_t(k);
      const Arm<T> arm = sensor_arm(g, policy, k, a);
      Vec2<T> tip_bar{};
      for (int c = 0; c < g.channels; ++c) {
        const T q = g.bar(k * g.channels + c, a);
        const Sum3<T> s = gather(g, g.plane(g.lattice, sample, c), arm.tip.v);
        sources[point * std::size_t(g.channels) + std::size_t(c)] = q;
        tip_bar[0] += q * s.d0, tip_bar[1] += q * s.d1;
      }
      const T phi = policy[g.sensor_angles + std::size_t(k)];
      const Vec2<T> back = rotated(tip_bar, T(cos(phi)), -T(sin(phi)));
      for (int d = 0; d < 2; ++d) {
        tips[2 * point + std::size_t(d)] = arm.tip[d];
        xb[d] += tip_bar[d], ub[d] += length * back[d];
      }
      length_bar += arm.direction[0] * tip_bar[0] + arm.direction[1] * tip_bar[1];
      extra[std::size_t(3 + k) * g.all() + a] =
          length * (arm.direction[0] * tip_bar[1] - arm.direction[1] * tip_bar[0]);
    }
    extra[2 * g.all() + a] = length_bar;
  }
  __device__ void slopes_adjoint(std::size_t sample, std::size_t a, Vec2<T>& xb, Vec2<T>& ub) const {
    const T u0 = g.u[2 * a], u1 = g.u[2 * a + 1];
    for (int c = 0; c < g.channels; ++c) {
      const Sum3<T> p = gather(g, g.plane(g.lattice, sample, c), g.x + 2 * a);
      const Sum3<T> fx = gather(g, g.plane(g.slope[0], sample, c), g.x + 2 * a);
      const Sum3<T> fy = gather(g, g.plane(g.slope[1], sample, c), g.x + 2 * a);
      const T q = g.bar(c, a), f = g.bar(g.channels + c, a), l = g.bar(2 * g.channels + c, a);
      const T across = u0 * f - u1 * l, along = u1 * f + u0 * l;
      T* source = sources + a * 3 * std::size_t(g.channels) + std::size_t(c);
      source[0] = q, source[g.channels] = across, source[2 * g.channels] = along;
      ub[0] += f * fx.value + l * fy.value, ub[1] += f * fy.value - l * fx.value;
      xb[0] += q * p.d0 + across * fx.d0 + along * fy.d0;
      xb[1] += q * p.d1 + across * fx.d1 + along * fy.d1;
    }
    if (g.absolute_heading)
      for (int d = 0; d < 2; ++d) ub[d] += g.bar(3 * g.channels + d, a);
  }
};

}  // namespace mg::abm::cuda
