#pragma once
#include <atomic>
#include <cmath>

#include "abm/agent_cell.hpp"
#include "abm/assignment_cell.hpp"

// One particle of a rule-based Physarum model and one node of its trail, written once for every backend.
namespace mg::abm {

/// @source Jones, Characteristics of pattern formation and evolution in approximations of Physarum transport networks,
///         Artificial Life 16 (2010): a motor stage, then a sensory stage, then diffusion and decay
struct PhysarumSpec {
  int agents = 1000;
  Domain domain = Domain::periodic;
  double step = 1;                             ///< [nodes]
  double sensor_offset = 9;                    ///< [nodes]
  double sensor_angle = 0.7853981633974483;    ///< [rad]
  double rotation_angle = 0.7853981633974483;  ///< [rad]
  double deposit = 5;
  double decay = 0.1;     ///< the trail is multiplied by 1 - decay
  bool exclusive = true;  ///< one particle per node: a blocked one takes a random direction and deposits nothing
};

/// Integer sums and minima come out the same in whatever order particles meet.
MG_HD void atomic_add(unsigned* to, unsigned value) {
#ifdef __CUDA_ARCH__
  atomicAdd(to, value);
#else
  std::atomic_ref<unsigned>(*to).fetch_add(value, std::memory_order_relaxed);
#endif
}
MG_HD void atomic_min(unsigned* to, unsigned value) {
#ifdef __CUDA_ARCH__
  atomicMin(to, value);
#else
  std::atomic_ref<unsigned> a(*to);
  unsigned seen = a.load(std::memory_order_relaxed);
  while (value < seen && !a.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
#endif
}

/// The nearest integer, half to even, of |x| < 2^22 (float), 2^51: rint() without a call where there is no instruction.
MG_HD int nearest(float x) { return int((x + 12582912.0F) - 12582912.0F); }
MG_HD int nearest(double x) { return int((x + 6755399441055744.0) - 6755399441055744.0); }

/// Arrays of a batch during one step.
template <class T>
struct PhysarumPass {
  PhysarumSpec spec;
  StepIndex index;
  int batch, h, w;
  const T *x, *u;                          // (batch, N, 2)
  T *x_next, *u_next;                      // (batch, N, 2)
  T* trail;                                // (batch, h, w) with the deposits of this step
  unsigned *occupied, *claimed, *arrived;  // (batch, h, w) particles before the step; lowest bid for a node; deposits
  T cosine_sensor, sine_sensor, cosine_turn, sine_turn;

  MG_HD std::size_t node(std::size_t sample, const T* at) const {
    const int i = wrapped_node(spec.domain, nearest(at[0]), h), j = wrapped_node(spec.domain, nearest(at[1]), w);
    return (sample * std::size_t(h) + std::size_t(i)) * std::size_t(w) + std::size_t(j);
  }
  MG_HD Philox4 random(std::size_t sample, std::size_t agent, std::uint32_t use) const {
    RandomStream stream;
    stream.seed = index.seed;
    stream.purpose = RandomPurpose::agents;
    stream.iteration = std::uint32_t(index.iteration) * 2 + use;
    stream.step = std::uint32_t(index.step);
    stream.sample = std::uint32_t(index.sample0) + std::uint32_t(sample);
    return stream.words(std::uint32_t(agent));
  }
  /// Who goes first when two want one node: another order at every step, the number breaks ties.
  MG_HD unsigned bid(std::size_t agent) const {
    const auto n = std::uint32_t(spec.agents);
    const std::uint32_t shift = philox4x32({{std::uint32_t(index.step), 0, 0, 0}}, std::uint32_t(index.seed), 17).v[0];
    return (std::uint32_t(agent) + shift % n) % n;
  }
  struct Target {
    Vec2<T> x, u;
  };
  MG_HD Target forward(std::size_t k) const {
    Target t;
    for (int d = 0; d < 2; ++d) {
      const int n = d == 0 ? h : w;
      const T y = x[2 * k + d] + T(spec.step) * u[2 * k + d];
      const bool inside = spec.domain == Domain::periodic && y >= 0 && y < T(n);  // spares most agents a division
      const WallResult<T> wall = inside ? WallResult<T>{y, T(1)} : meet_walls(spec.domain, y, n);
      t.x[d] = wall.x;
      t.u[d] = wall.sign * u[2 * k + d];
    }
    return t;
  }

  MG_HD void occupy(std::size_t k) const { atomic_add(occupied + node(k / spec.agents, x + 2 * k), 1); }
  MG_HD void claim(std::size_t k) const {
    const std::size_t sample = k / spec.agents, to = node(sample, forward(k).x.v);
    if (to == node(sample, x + 2 * k) || occupied[to] == 0) atomic_min(claimed + to, bid(k % spec.agents));
  }
  /// Motor stage: forward and deposit, or, where the node is another's, a random direction.
  MG_HD void move(std::size_t k) const {
    const std::size_t sample = k / spec.agents, agent = k % spec.agents;
    Target t = forward(k);
    const std::size_t to = node(sample, t.x.v);
    if (spec.exclusive && claimed[to] != bid(agent)) {
      const T angle = T(6.283185307179586) * uniform01<T>(random(sample, agent, 0).v[0]);
      t = {{{x[2 * k], x[2 * k + 1]}}, {{T(cos(angle)), T(sin(angle))}}};
    } else {
      atomic_add(arrived + to, 1);
    }
    for (int d = 0; d < 2; ++d) x_next[2 * k + d] = t.x[d], u_next[2 * k + d] = t.u[d];
  }
  MG_HD T smell(std::size_t sample, std::size_t k, T cosine, T sine) const {
    const Vec2<T> ahead = rotated(Vec2<T>{{u_next[2 * k], u_next[2 * k + 1]}}, cosine, sine);
    const T at[2] = {x_next[2 * k] + T(spec.sensor_offset) * ahead[0],
                     x_next[2 * k + 1] + T(spec.sensor_offset) * ahead[1]};
    return trail[node(sample, at)];
  }
  /// Sensory stage: towards the strongest of three smells.
  MG_HD void sense(std::size_t k) const {
    const std::size_t sample = k / spec.agents;
    const T front = smell(sample, k, 1, 0), left = smell(sample, k, cosine_sensor, sine_sensor),
            right = smell(sample, k, cosine_sensor, -sine_sensor);
    if (front > left && front > right) return;
    T sine;
    if (front < left && front < right)
      sine = random(sample, k % spec.agents, 1).v[0] >> 31 ? sine_turn : -sine_turn;
    else if (left < right)
      sine = -sine_turn;
    else if (right < left)
      sine = sine_turn;
    else
      return;
    const Vec2<T> turned = rotated(Vec2<T>{{u_next[2 * k], u_next[2 * k + 1]}}, cosine_turn, sine);
    const T length = T(sqrt(turned[0] * turned[0] + turned[1] * turned[1]));
    for (int d = 0; d < 2; ++d) u_next[2 * k + d] = turned[d] / length;
  }
  /// Mean of the 3 x 3 nodes around (i, j), decayed.
  MG_HD T fade(std::size_t sample, int i, int j) const {
    T sum = 0;
    for (int a = -1; a <= 1; ++a) {
      const T* row =
          trail + (sample * std::size_t(h) + std::size_t(wrapped_node(spec.domain, i + a, h))) * std::size_t(w);
      for (int b = -1; b <= 1; ++b) sum += row[wrapped_node(spec.domain, j + b, w)];
    }
    return T(1 - spec.decay) * sum / 9;
  }
};

}  // namespace mg::abm
