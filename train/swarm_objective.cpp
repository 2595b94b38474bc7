#include "train/swarm_objective.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/error.hpp"

namespace mg::train {

template <class T>
SwarmObjective<T>::SwarmObjective(SwarmObjectiveOptions options) : options_(std::move(options)) {
  if (!(options_.transport >= 0 && options_.transport <= 1))
    throw std::invalid_argument("swarm objective: transport must be in [0, 1], got " +
                                std::to_string(options_.transport));
}

template <class T>
void SwarmObjective<T>::bind(const Exec& exec, const ObjectiveInputs<T>& inputs) {
  if (exec.backend != Backend::host) throw DeviceError("the swarm objective runs on backend 'host' only");
  inputs_ = inputs;
  const Shape s = inputs.target.shape;
  samples_.resize(std::size_t(s.n));
  sample_losses_.assign(std::size_t(s.n), T(0));
  for (int b = 0; b < s.n; ++b) {
    Sample& sample = samples_[std::size_t(b)];
    sample.nodes.clear(), sample.weights.clear();
    const T* ink = inputs.target.plane(b, 0);
    for (int i = 0; i < s.h; ++i)
      for (int j = 0; j < s.w; ++j) {
        const T weight = ink[std::size_t(i) * s.w + j];
        if (!(weight > 0)) continue;
        sample.nodes.insert(sample.nodes.end(), {T(i) / T(s.h), T(j) / T(s.w)});
        sample.weights.push_back(weight);
      }
    if (sample.weights.empty())
      throw DataError("swarm objective: target " + std::to_string(b) + " has no ink: all its nodes are 0 or less");
  }
}

template <class T>
void SwarmObjective<T>::begin(const Exec&, const StepIndex&, int) {
  if (samples_.empty()) throw std::logic_error("SwarmObjective: begin() before bind()");
  converged_ = true;
  marginal_error_ = 0;
}

template <class T>
void SwarmObjective<T>::value(const Exec&, int, int, ConstStateView<T> state) {
  const Shape s = inputs_.target.shape;
  const auto agents = std::size_t(state.layout->at("x").dims[0]);
  const auto& blocks = state.layout->blocks();
  const auto lattice_block = std::size_t(&state.layout->at("lattice") - blocks.data());
  const View<const T> lattice = state.field(lattice_block);
  std::vector<T> points(2 * agents);
  for (int b = 0; b < s.n; ++b) {
    Sample& sample = samples_[std::size_t(b)];
    const T* x = state.block(0) + 2 * agents * std::size_t(b);
    for (std::size_t i = 0; i < agents; ++i)
      points[2 * i] = x[2 * i] / T(s.h), points[2 * i + 1] = x[2 * i + 1] / T(s.w);
    sample.x_bar.resize(points.size());
    if (options_.transport > 0 && std::all_of(points.begin(), points.end(), [](T v) { return std::isfinite(v); })) {
      sinkhorn_divergence<T>(options_.sinkhorn, {int(agents), points.data(), nullptr},
                             {int(sample.weights.size()), sample.nodes.data(), sample.weights.data()},
                             options_.warm_start, sample.result, sample.x_bar.data(), nullptr, workspace_);
      sample.transport = sample.result.divergence;
      converged_ = converged_ && sample.result.converged;
      marginal_error_ = std::max(marginal_error_, sample.result.column_error);
    } else if (options_.transport > 0) {  // a diverged swarm: the trainer sees a loss that is not finite
      sample.transport = std::numeric_limits<double>::quiet_NaN();
    }
    double sum = 0;
    const T *p = lattice.plane(b, 0), *y = inputs_.target.plane(b, 0);
    for (std::size_t i = 0; i < s.plane(); ++i) sum += double(p[i] - y[i]) * double(p[i] - y[i]);
    sample.lattice = std::sqrt(sum / double(s.plane()) + 1e-12);
    sample_losses_[std::size_t(b)] =
        T(options_.transport * sample.transport + (1 - options_.transport) * sample.lattice);
  }
}

template <class T>
void SwarmObjective<T>::adjoint(const Exec&, int, int, ConstStateView<T> state, StateView<T> state_bar) {
  const Shape s = inputs_.target.shape;
  const auto agents = std::size_t(state.layout->at("x").dims[0]);
  const auto lattice_block = std::size_t(&state.layout->at("lattice") - state.layout->blocks().data());
  const View<const T> lattice = state.field(lattice_block);
  const View<T> lattice_bar = state_bar.field(lattice_block);
  for (int b = 0; b < s.n; ++b) {
    const Sample& sample = samples_[std::size_t(b)];
    T* x_bar = state_bar.block(0) + 2 * agents * std::size_t(b);
    const double transport = inputs_.weight * options_.transport;
    for (std::size_t i = 0; i < agents && transport > 0; ++i) {
      x_bar[2 * i] += T(transport / s.h) * sample.x_bar[2 * i];
      x_bar[2 * i + 1] += T(transport / s.w) * sample.x_bar[2 * i + 1];
    }
    const double factor = inputs_.weight * (1 - options_.transport) / (double(s.plane()) * sample.lattice);
    const T *p = lattice.plane(b, 0), *y = inputs_.target.plane(b, 0);
    T* p_bar = lattice_bar.plane(b, 0);
    for (std::size_t i = 0; i < s.plane(); ++i) p_bar[i] += T(factor) * (p[i] - y[i]);
  }
}

template <class T>
void SwarmObjective<T>::totals(const Exec&, T* out) {
  double sums[3] = {};
  for (std::size_t b = 0; b < samples_.size(); ++b) {
    sums[0] += double(sample_losses_[b]);
    sums[1] += samples_[b].transport;
    sums[2] += samples_[b].lattice;
  }
  for (int k = 0; k < 3; ++k) out[k] = T(inputs_.weight * sums[k]);
}

template class SwarmObjective<float>;
template class SwarmObjective<double>;

Schema swarm_objective_schema() {
  const SwarmObjectiveOptions d;
  const double infinity = std::numeric_limits<double>::infinity();
  return Schema(
             "swarm",
             "Swarms: Sinkhorn divergence between the agents and the ink of a picture, and the distance of the first "
             "channel of the lattice from it, both of the last state")
      .number("transport", d.transport, {0, 1}, "share of the Sinkhorn divergence; the rest is the lattice")
      .choice("metric", "torus", {"flat", "torus", "chordal"},
              "distance between points in a box of side 1; torus and chordal are periodic")
      .number("epsilon", d.sinkhorn.epsilon, {0, infinity, true, true}, "entropic blur, squared")
      .boolean("epsilon_relative", d.sinkhorn.relative, "epsilon counts in units of the mean cost")
      .integer("iterations", d.sinkhorn.iterations, {1, 1000000}, "most Sinkhorn iterations")
      .number("threshold", d.sinkhorn.threshold, {0, 2}, "marginal error at which the iterations stop; 0: never")
      .number("annealing", d.sinkhorn.annealing, {0, 1, false, true},
              "factor by which epsilon falls at each iteration from the squared diameter on; 0: none")
      .boolean(
          "warm_start", d.warm_start,
          "start from the potentials of the iteration before; a resumed run then equals an uninterrupted one to the "
          "threshold only");
}

SwarmObjectiveOptions swarm_objective_options(const Config& c) {
  SwarmObjectiveOptions o;
  o.transport = c.get<double>("transport");
  const auto metric = c.get<std::string>("metric");
  o.sinkhorn.metric = metric == "flat"    ? CloudMetric::flat
                      : metric == "torus" ? CloudMetric::torus
                                          : CloudMetric::chordal;
  o.sinkhorn.epsilon = c.get<double>("epsilon");
  o.sinkhorn.relative = c.get<bool>("epsilon_relative");
  o.sinkhorn.iterations = c.get<int>("iterations");
  o.sinkhorn.threshold = c.get<double>("threshold");
  o.sinkhorn.annealing = c.get<double>("annealing");
  o.warm_start = c.get<bool>("warm_start");
  return o;
}

}  // namespace mg::train
