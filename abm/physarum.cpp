#include "abm/physarum.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

namespace mg::abm {

template <class T>
PhysarumSystem<T>::PhysarumSystem(const PhysarumSpec& spec) : spec_(spec) {
  if (spec.agents < 1 || !(spec.step > 0) || !(spec.sensor_offset >= 0) || !(spec.decay >= 0 && spec.decay < 1))
    throw std::invalid_argument("physarum: needs agents >= 1, step > 0, sensor_offset >= 0 and 0 <= decay < 1");
}

template <class T>
Layout PhysarumSystem<T>::state_layout(Grid grid) const {
  Layout layout;
  layout.add("x", {spec_.agents, 2}).add("u", {spec_.agents, 2}).add("lattice", {1, grid.h, grid.w});
  return layout;
}

template <class T>
void PhysarumSystem<T>::step(const Exec& exec, const StepIndex& index, const T*, ConstStateView<T>,
                             ConstStateView<T> state, StateView<T> next, Workspace& workspace) const {
  const auto& dims = state.layout->at("lattice").dims;
  const std::size_t nodes = std::size_t(state.batch) * std::size_t(dims[1]) * std::size_t(dims[2]);
  PhysarumPass<T> p{};
  p.spec = spec_, p.index = index;
  p.batch = state.batch, p.h = dims[1], p.w = dims[2];
  p.x = state.block(0), p.u = state.block(1);
  p.x_next = next.block(0), p.u_next = next.block(1);
  p.trail = workspace.get<T>(exec, "abm.trail", nodes);
  unsigned* counts = workspace.get<unsigned>(exec, "abm.counts", 3 * nodes);
  p.occupied = counts, p.arrived = counts + nodes, p.claimed = counts + 2 * nodes;
  p.cosine_sensor = T(std::cos(spec_.sensor_angle)), p.sine_sensor = T(std::sin(spec_.sensor_angle));
  p.cosine_turn = T(std::cos(spec_.rotation_angle)), p.sine_turn = T(std::sin(spec_.rotation_angle));
  physarum_step(exec, p, state.block(2), next.block(2));
}

template class PhysarumSystem<float>;
template class PhysarumSystem<double>;

namespace host {

/// PhysarumPass::fade of row r of the batch: the nodes that have all neighbours beside them in one vector loop.
template <class T>
void fade_row(const PhysarumPass<T>& p, std::ptrdiff_t r, T* out) {
  const auto sample = std::size_t(r / p.h);
  const int i = int(r % p.h), w = p.w;
  const auto row = [&](int a) {
    return p.trail +
           (sample * std::size_t(p.h) + std::size_t(wrapped_node(p.spec.domain, i + a, p.h))) * std::size_t(w);
  };
  const T *above = row(-1), *here = row(0), *below = row(1);
  const T kept = T(1 - p.spec.decay);
  for (int j = 1; j < w - 1; ++j) {
    T sum = 0;  // in the order of fade()
    sum += above[j - 1], sum += above[j], sum += above[j + 1];
    sum += here[j - 1], sum += here[j], sum += here[j + 1];
    sum += below[j - 1], sum += below[j], sum += below[j + 1];
    out[j] = kept * sum / 9;
  }
  out[0] = p.fade(sample, i, 0);
  out[w - 1] = p.fade(sample, i, w - 1);
}

template <class T>
void physarum_step(const PhysarumPass<T>& p, const T* lattice, T* lattice_next) {
  const auto nodes = std::ptrdiff_t(p.batch) * p.h * p.w, agents = std::ptrdiff_t(p.batch) * p.spec.agents;
#pragma omp parallel if (agents + nodes > 32768)
  {
    // Of a static schedule every loop ends in a barrier, except where the next one touches nothing of it.
#pragma omp for schedule(static)
    for (std::ptrdiff_t i = 0; i < nodes; ++i) p.arrived[i] = 0;
    if (p.spec.exclusive) {
#pragma omp for schedule(static)
      for (std::ptrdiff_t i = 0; i < nodes; ++i) p.occupied[i] = 0, p.claimed[i] = ~0U;
#pragma omp for schedule(static)
      for (std::ptrdiff_t k = 0; k < agents; ++k) p.occupy(std::size_t(k));
#pragma omp for schedule(static)
      for (std::ptrdiff_t k = 0; k < agents; ++k) p.claim(std::size_t(k));
    }
#pragma omp for schedule(static)
    for (std::ptrdiff_t k = 0; k < agents; ++k) p.move(std::size_t(k));
#pragma omp for schedule(static)
    for (std::ptrdiff_t i = 0; i < nodes; ++i) p.trail[i] = lattice[i] + T(p.spec.deposit) * T(p.arrived[i]);
#pragma omp for schedule(static) nowait
    for (std::ptrdiff_t k = 0; k < agents; ++k) p.sense(std::size_t(k));
#pragma omp for schedule(static)
    for (std::ptrdiff_t r = 0; r < std::ptrdiff_t(p.batch) * p.h; ++r) fade_row(p, r, lattice_next + r * p.w);
  }
}

}  // namespace host
#if MG_WITH_CUDA
namespace cuda {
template <class T>
void physarum_step(CUstream_st* stream, const PhysarumPass<T>& p, const T* lattice, T* lattice_next);
}
#endif

template <class T>
void physarum_step(const Exec& exec, const PhysarumPass<T>& p, const T* lattice, T* lattice_next) {
  MG_DISPATCH(exec, physarum_step<T>, p, lattice, lattice_next);
}
template void physarum_step(const Exec&, const PhysarumPass<float>&, const float*, float*);
template void physarum_step(const Exec&, const PhysarumPass<double>&, const double*, double*);

Schema physarum_schema() {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return Schema("physarum",
                "Rule-based particles that follow and leave a trail (Jones 2010): transport networks. To run, not to "
                "train.")
      .integer("agents", 10000, {1, 1 << 28}, "particles")
      .choice("domain", "periodic", {"periodic", "mirror"}, "torus, or box with reflecting walls")
      .number("step", 1.0, {0, kInfinity, true, true}, "nodes that a particle moves at each step")
      .number("sensor_offset", 9.0, {0, 1e6}, "distance of the sensors in nodes")
      .number("sensor_angle", 0.7853981633974483, {0, 3.2}, "angle of the outer sensors to the heading in radians")
      .number("rotation_angle", 0.7853981633974483, {0, 3.2}, "turn towards the stronger sensor in radians")
      .number("deposit", 5.0, {0, kInfinity, false, true}, "what a particle that moved leaves on the trail")
      .number("decay", 0.1, {0, 1, false, true}, "share of the trail that fades at each step")
      .boolean("exclusive", true, "at most one particle per node: a blocked one takes a random direction");
}

PhysarumSpec physarum_spec(const Config& c) {
  PhysarumSpec s;
  s.agents = c.get<int>("agents");
  s.domain = c.get<std::string>("domain") == "mirror" ? Domain::mirror : Domain::periodic;
  s.step = c.get<double>("step");
  s.sensor_offset = c.get<double>("sensor_offset");
  s.sensor_angle = c.get<double>("sensor_angle");
  s.rotation_angle = c.get<double>("rotation_angle");
  s.deposit = c.get<double>("deposit");
  s.decay = c.get<double>("decay");
  s.exclusive = c.get<bool>("exclusive");
  return s;
}

}  // namespace mg::abm
