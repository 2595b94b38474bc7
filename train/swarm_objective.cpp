#include "train/swarm_objective.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/error.hpp"
#include "train/plane_ops_host.hpp"
#include "train/samples.hpp"
#include "train/swarm_cell.hpp"

namespace mg::train {
namespace {

std::size_t lattice_block(const Layout& layout) { return std::size_t(&layout.at("lattice") - layout.blocks().data()); }

}  // namespace

template <class T>
SwarmObjective<T>::SwarmObjective(SwarmObjectiveOptions options) : options_(std::move(options)) {
  if (!(options_.transport >= 0 && options_.transport <= 1))
    throw std::invalid_argument("swarm objective: transport must be in [0, 1], got " +
                                std::to_string(options_.transport));
}

template <class T>
void SwarmObjective<T>::bind(const Exec& exec, const ObjectiveInputs<T>& inputs) {
  inputs_ = inputs;
  const Shape s = inputs.target.shape;
  std::vector<T> ink(s.size());
  copy_bytes(exec, ink.data(), Backend::host, inputs.target.data, exec.backend, ink.size() * sizeof(T));
  synchronise(exec);
  if (ink == ink_ && nodes_.counts.size() == std::size_t(s.n)) return;  // bound to them already
  ink_ = std::move(ink);
  nodes_ = {};
  std::vector<std::vector<T>> points(std::size_t(s.n)), weights(std::size_t(s.n));
  for (int b = 0; b < s.n; ++b) {
    for (std::size_t i = 0; i < s.plane(); ++i) {
      const T weight = ink_[std::size_t(b) * s.c * s.plane() + i];
      if (!(weight > 0)) continue;
      points[std::size_t(b)].push_back(T(i / std::size_t(s.w)) / T(s.h));
      points[std::size_t(b)].push_back(T(i % std::size_t(s.w)) / T(s.w));
      weights[std::size_t(b)].push_back(weight);
    }
    if (weights[std::size_t(b)].empty())
      throw DataError("swarm objective: target " + std::to_string(b) + " has no ink: all its nodes are 0 or less");
    nodes_.counts.push_back(int(weights[std::size_t(b)].size()));
    nodes_.stride = std::max(nodes_.stride, nodes_.counts.back());
  }
  std::vector<T> all_points, all_weights;
  for (std::size_t b = 0; b < points.size(); ++b) {
    points[b].resize(2 * std::size_t(nodes_.stride)), weights[b].resize(std::size_t(nodes_.stride));
    all_points.insert(all_points.end(), points[b].begin(), points[b].end());
    all_weights.insert(all_weights.end(), weights[b].begin(), weights[b].end());
  }
  node_points_ = uploaded(exec, all_points), node_weights_ = uploaded(exec, all_weights);
  nodes_.points = node_points_.data(), nodes_.weights = node_weights_.data();
  reports_ = Buffer<SinkhornReport>(exec, std::size_t(s.n));
  terms_ = Buffer<double>(exec, std::size_t(s.n) * kSwarmTerms);
  sample_losses_ = Buffer<T>(exec, std::size_t(s.n));
  warm_ = false;
}

template <class T>
void SwarmObjective<T>::begin(const Exec&, const StepIndex&, int) {
  if (nodes_.counts.empty()) throw std::logic_error("SwarmObjective: begin() before bind()");
}

template <class T>
void SwarmObjective<T>::value(const Exec& exec, int, int, ConstStateView<T> state) {
  const Shape s = inputs_.target.shape;
  const int agents = state.layout->at("x").dims[0];
  const auto coordinates = 2 * std::size_t(agents) * std::size_t(s.n);
  if (points_.size() != coordinates) {
    points_ = Buffer<T>(exec, coordinates), x_bar_ = Buffer<T>(exec, coordinates);
    potentials_ = Buffer<T>(exec, 2 * std::size_t(s.n) * std::size_t(agents + nodes_.stride));
    warm_ = false;
  }
  if (options_.transport > 0) {
    for_plane_cells(exec, {1, 1, s.n * agents, 2}, UnitBoxes<T>{state.block(0), points_.data(), {T(s.h), T(s.w)}});
    const CloudBatch<T> cloud{std::vector<int>(std::size_t(s.n), agents), agents, points_.data(), nullptr};
    sinkhorn_divergences<T>(exec, options_.sinkhorn, cloud, nodes_, warm_ && options_.warm_start,
                            {potentials_.data(), x_bar_.data(), nullptr, reports_.data()}, workspace_);
    warm_ = true;
  }
  double* squares = workspace_.get<double>(exec, "objective.squares", std::size_t(s.n));
  sample_sums(exec, {s.n, 1, s.h, s.w}, lattice_error(state), squares, workspace_);
  for_samples(exec, s.n,
              SwarmSample<T>{options_.transport > 0 ? reports_.data() : nullptr, squares, terms_.data(),
                             sample_losses_.data(), s.plane(), options_.transport, options_.require_convergence});
}

template <class T>
void SwarmObjective<T>::adjoint(const Exec& exec, int, int, ConstStateView<T> state, StateView<T> state_bar) {
  const Shape s = inputs_.target.shape;
  const int agents = state.layout->at("x").dims[0];
  const double transport = inputs_.weight * options_.transport;
  if (transport > 0)
    for_plane_cells(exec, {1, 1, s.n * agents, 2},
                    UnitBoxesAdjoint<T>{x_bar_.data(), state_bar.block(0), {T(transport / s.h), T(transport / s.w)}});
  for_plane_cells(exec, {s.n, 1, s.h, s.w},
                  LatticePull<T>{lattice_error(state), state_bar.block(lattice_block(*state.layout)), terms_.data(),
                                 inputs_.weight * (1 - options_.transport) / double(s.plane())});
}

template <class T>
void SwarmObjective<T>::totals(const Exec& exec, T* out) {
  for_samples(exec, kSwarmTerms, SwarmTotals<T>{terms_.data(), int(nodes_.counts.size()), inputs_.weight, out});
}

template <class T>
LatticeError<T> SwarmObjective<T>::lattice_error(ConstStateView<T> state) const {
  const auto field = state.field(lattice_block(*state.layout));
  return {field.data, inputs_.target.data, field.shape.plane(), field.shape.c};
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
          "threshold only")
      .choice(
          "unconverged", "accept", {"accept", "refuse"},
          "a solve that misses its threshold counts as it is, with its marginal error among the metrics, or makes the "
          "loss NaN, for \"train.on_divergence\" to deal with");
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
  o.require_convergence = c.get<std::string>("unconverged") == "refuse";
  return o;
}

}  // namespace mg::train
