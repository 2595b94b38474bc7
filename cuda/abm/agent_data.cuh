#pragma once
#include "abm/agent_step.hpp"
#include "core/error.hpp"
#include "cuda/core/launch.cuh"

// What the kernels of agents take as one argument: the specification without vectors, and where arrays lie.
namespace mg::abm::cuda {

inline constexpr int kMostLayers = 8, kMostSpecies = 16, kMostRadius = 32;

/// One of the separable stencils.
template <class T>
struct Line {
  int radius = 0;
  T weight[2 * kMostRadius + 1] = {};

  explicit Line(const std::vector<double>& taps) : radius(int(taps.size()) / 2) {
    if (radius > kMostRadius)
      throw DeviceError("agents: stencils on CUDA reach at most " + std::to_string(kMostRadius) + " nodes, got " +
                        std::to_string(radius));
    for (std::size_t k = 0; k < taps.size(); ++k) weight[k] = T(taps[k]);
  }
  /// sum_a weight_a read(node of i + a)
  template <class Read>
  __device__ T at(Domain domain, int n, int i, const Read& read) const {
    T sum = 0;
    for (int a = -radius; a <= radius; ++a) sum += weight[a + radius] * read(wrapped_node(domain, i + a, n));
    return sum;
  }
  /// The transposed map at p: over all positions that stand for node p, of which only p itself is inside.
  template <class Read>
  __device__ T transposed_at(Domain domain, int n, int p, const Read& read) const {
    T sum = 0;
    const auto add = [&](int m) {
      for (int a = -radius; a <= radius; ++a)
        if (m - a >= 0 && m - a < n) sum += weight[a + radius] * read(m - a);
    };
    add(p);
    for (int k = 1; k <= radius; ++k) {
      if (wrapped_node(domain, -k, n) == p) add(-k);
      if (wrapped_node(domain, n - 1 + k, n) == p) add(n - 1 + k);
    }
    return sum;
  }
};

/// One chain of layers and the first row of each layer's outputs in the arrays of units.
struct Chain {
  int count = 0;
  bool activate_last = false;
  int input_row = 0;
  DenseLayer layer[kMostLayers];
  int row[kMostLayers];
  __host__ __device__ int last_row() const { return row[count - 1]; }
};

/// Arrays of units are [rows][agents of the whole batch]: row r of agent a is units[r * all + a].
template <class T>
struct Agents {
  int batch, agents, channels, h, w, features, arms, rows, species;
  int species_end[kMostSpecies];
  Assignment assignment;
  Domain domain;
  Sensing sensing;
  bool absolute_heading, renormalise;
  Activation activation;
  DepositActivation deposit_activation;
  TurnActivation turn_activation;
  FieldActivation field;
  T dt, max_speed, max_turn;
  Chain trunk, deposit, speed, turn;
  std::size_t policy_size, sensor_length, sensor_angles, decay, blend, rotation_noise, translation_noise;
  const T* params;
  const T *x, *u, *lattice;  // (batch, N, 2), (batch, N, 2), (batch, C, h, w)
  const T* slope[2];         // (batch, C, h, w)
  const T* noise;            // (batch, N, 3) or null
  T *units, *slopes, *bars;  // [rows][batch * N]

  Agents(const AgentStepInputs<T>& in, const T* parameters, AgentState<const T> state);

  __host__ __device__ std::size_t all() const { return std::size_t(batch) * std::size_t(agents); }
  __host__ __device__ std::size_t nodes() const { return std::size_t(h) * std::size_t(w); }
  __device__ T& unit(int row, std::size_t a) const { return units[std::size_t(row) * all() + a]; }
  __device__ T& unit_slope(int row, std::size_t a) const { return slopes[std::size_t(row) * all() + a]; }
  __device__ T& bar(int row, std::size_t a) const { return bars[std::size_t(row) * all() + a]; }
  __device__ const T* policy(std::size_t a) const {
    int s = 0;
    while (int(a % std::size_t(agents)) >= species_end[s]) ++s;
    return params + std::size_t(s) * policy_size;
  }
  __device__ const T* plane(const T* field_of, std::size_t sample, int c) const {
    return field_of + (sample * std::size_t(channels) + std::size_t(c)) * nodes();
  }
};

template <class T>
Agents<T>::Agents(const AgentStepInputs<T>& in, const T* parameters, AgentState<const T> state) {
  const AgentSpec& s = *in.spec;
  const AgentParams& p = *in.where;
  batch = in.batch, agents = s.agents(), channels = s.channels, h = in.h, w = in.w;
  features = s.features(), arms = int(s.sensor_angles.size()), species = int(s.species.size());
  if (species > kMostSpecies) throw DeviceError("agents: at most 16 species on CUDA, got " + std::to_string(species));
  for (int k = 0, end = 0; k < species; ++k) species_end[k] = end += s.species[std::size_t(k)];
  assignment = s.assignment, domain = s.domain, sensing = s.sensing;
  absolute_heading = s.absolute_heading, renormalise = s.renormalise, activation = s.activation;
  deposit_activation = s.deposit, turn_activation = s.turn, field = s.field;
  dt = T(s.dt), max_speed = T(s.max_speed), max_turn = T(s.max_turn);
  rows = features;
  const auto chain = [&](Chain& c, const std::vector<DenseLayer>& layers, bool activated, int input) {
    if (layers.size() > kMostLayers)
      throw DeviceError("agents: at most 8 layers in a row on CUDA, got " + std::to_string(layers.size()));
    c.count = int(layers.size()), c.activate_last = activated, c.input_row = input;
    for (int k = 0; k < c.count; ++k) {
      c.layer[k] = layers[std::size_t(k)];
      c.row[k] = rows;
      rows += c.layer[k].out;
    }
  };
  chain(trunk, p.trunk, true, 0);
  chain(deposit, p.deposit, false, trunk.last_row());
  chain(speed, p.speed, false, trunk.last_row());
  chain(turn, p.turn, false, trunk.last_row());
  policy_size = p.policy_size, sensor_length = p.sensor_length, sensor_angles = p.sensor_angles;
  decay = p.decay, blend = p.blend, rotation_noise = p.rotation_noise, translation_noise = p.translation_noise;
  params = parameters, x = state.x, u = state.u, lattice = state.lattice, noise = in.noise;
  slope[0] = slope[1] = nullptr;
  units = slopes = bars = nullptr;
}

}  // namespace mg::abm::cuda
