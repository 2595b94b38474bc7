#include "train/swarm_objective.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/error.hpp"
#include "train/cloud_loss.hpp"
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
  if (options_.distance == SwarmDistance::density) {
    std::vector<T> density(std::size_t(s.n) * s.plane());
    for (std::size_t b = 0; b < points.size(); ++b) {
      double sum = 0;
      const T* ink_of_b = &ink_[b * std::size_t(s.c) * s.plane()];
      for (std::size_t i = 0; i < s.plane(); ++i) sum += std::max(0.0, double(ink_of_b[i]));
      for (std::size_t i = 0; i < s.plane(); ++i)
        density[b * s.plane() + i] = T(std::max(0.0, double(ink_of_b[i])) / sum);
    }
    target_density_ = uploaded(exec, density);
  }
  distances_ = Buffer<double>(exec, std::size_t(s.n));
  reports_ = Buffer<SinkhornReport>(exec, std::size_t(s.n));
  terms_ = Buffer<double>(exec, std::size_t(s.n) * kSwarmTerms);
  sample_losses_ = Buffer<T>(exec, std::size_t(s.n));
  warm_ = false;
}

template <class T>
void SwarmObjective<T>::begin(const Exec&, const StepIndex& base, int) {
  if (nodes_.counts.empty()) throw std::logic_error("SwarmObjective: begin() before bind()");
  base_ = base;
}

/// Distance of all swarms and x_bar_, in boxes of side 1; of the density in nodes.
template <class T>
void SwarmObjective<T>::measure(const Exec& exec, const T* x, int agents) {
  const Shape s = inputs_.target.shape;
  const auto coordinates = 2 * std::size_t(agents) * std::size_t(s.n);
  if (points_.size() != coordinates) {
    points_ = Buffer<T>(exec, coordinates), x_bar_ = Buffer<T>(exec, coordinates);
    potentials_ = Buffer<T>(exec, 2 * std::size_t(s.n) * std::size_t(agents + nodes_.stride));
    warm_ = false;
  }
  const SinkhornOptions& o = options_.sinkhorn;
  if (options_.distance == SwarmDistance::density)
    return density_losses<T>(
        exec, options_.assignment, o.metric == CloudMetric::flat ? Domain::mirror : Domain::periodic, x, agents,
        {target_density_.data(), {s.n, 1, s.h, s.w}}, distances_.data(), x_bar_.data(), workspace_);
  for_plane_cells(exec, {1, 1, s.n * agents, 2}, UnitBoxes<T>{x, points_.data(), {T(s.h), T(s.w)}});
  const CloudBatch<T> cloud{std::vector<int>(std::size_t(s.n), agents), agents, points_.data(), nullptr};
  if (options_.distance == SwarmDistance::energy)
    return energy_distances<T>(exec, o.metric, o.length, cloud, nodes_, distances_.data(), x_bar_.data(), workspace_);
  if (options_.distance == SwarmDistance::sliced)
    return sliced_distances<T>(exec, options_.directions,
                               {base_.seed, RandomPurpose::loss_samples, std::uint32_t(base_.iteration)}, cloud, nodes_,
                               distances_.data(), x_bar_.data(), workspace_);
  sinkhorn_divergences<T>(exec, o, cloud, nodes_, warm_ && options_.warm_start,
                          {potentials_.data(), x_bar_.data(), nullptr, reports_.data()}, workspace_);
  warm_ = true;
}

template <class T>
void SwarmObjective<T>::value(const Exec& exec, int, int, ConstStateView<T> state) {
  const Shape s = inputs_.target.shape;
  if (options_.transport > 0) measure(exec, state.block(0), state.layout->at("x").dims[0]);
  double* squares = workspace_.get<double>(exec, "objective.squares", std::size_t(s.n));
  sample_sums(exec, {s.n, 1, s.h, s.w}, lattice_error(state), squares, workspace_);
  const bool solved = options_.distance == SwarmDistance::sinkhorn, measured = options_.transport > 0;
  for_samples(
      exec, s.n,
      SwarmSample<T>{measured && solved ? reports_.data() : nullptr, measured && !solved ? distances_.data() : nullptr,
                     squares, terms_.data(), sample_losses_.data(), s.plane(), options_.transport,
                     options_.require_convergence, options_.squared_lattice});
}

template <class T>
void SwarmObjective<T>::adjoint(const Exec& exec, int, int, ConstStateView<T> state, StateView<T> state_bar) {
  const Shape s = inputs_.target.shape;
  const int agents = state.layout->at("x").dims[0];
  const double transport = inputs_.weight * options_.transport;
  const bool in_nodes = options_.distance == SwarmDistance::density;
  if (transport > 0)
    for_plane_cells(exec, {1, 1, s.n * agents, 2},
                    UnitBoxesAdjoint<T>{x_bar_.data(),
                                        state_bar.block(0),
                                        {T(transport / (in_nodes ? 1 : s.h)), T(transport / (in_nodes ? 1 : s.w))}});
  for_plane_cells(
      exec, {s.n, 1, s.h, s.w},
      LatticePull<T>{lattice_error(state), state_bar.block(lattice_block(*state.layout)), terms_.data(),
                     inputs_.weight * (1 - options_.transport) / double(s.plane()), options_.squared_lattice});
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
  return Schema("swarm",
                "Swarms: the distance between the agents and the ink of a picture, and that of the first channel of "
                "the lattice "
                "from it, both of the last state")
      .number("transport", d.transport, {0, 1}, "share of the distance of the agents; the rest is the lattice")
      .choice(
          "distance", "sinkhorn", {"sinkhorn", "energy", "sliced", "density"},
          "Sinkhorn divergence, energy distance, sliced Wasserstein distance, or mean squared difference of densities")
      .integer("directions", d.directions, {1, 65536}, "projections of the sliced distance")
      .choice("assignment", "tsc", {"tsc", "cic"}, "how an agent spreads over nodes for the difference of densities")
      .choice("lattice", "rmse", {"rmse", "mse"}, "distance of the lattice: root of the mean square, or mean square")
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
  const auto distance = c.get<std::string>("distance");
  o.distance = distance == "energy"    ? SwarmDistance::energy
               : distance == "sliced"  ? SwarmDistance::sliced
               : distance == "density" ? SwarmDistance::density
                                       : SwarmDistance::sinkhorn;
  o.directions = c.get<int>("directions");
  o.assignment = c.get<std::string>("assignment") == "cic" ? Assignment::cic : Assignment::tsc;
  o.squared_lattice = c.get<std::string>("lattice") == "mse";
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
