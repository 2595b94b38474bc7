#include "train/image_objective.hpp"
#include "train/trajectory_objective.hpp"

namespace mg::train {

Schema trajectory_objective_schema() {
  const TrajectoryObjectiveOptions d;
  return Schema("trajectory objective", "The distance of a trajectory from the data at their times")
      .variant("loss", loss_variants(), nlohmann::json{{"type", d.loss}}, "distance of one sample from its target")
      .integer("random_samples", d.random_samples, {0, 1 << 30},
               "of l1, l2, euclidean: so many random (channel, cell) count, new ones every iteration; 0 = all")
      .number("grad_weight", d.grad_weight, {0, 1e30},
              "weight of the same loss of the derivatives (both gradients, Laplacian) of the observed channels")
      .choice("times", "all", {"all", "last"}, "the saves that are compared")
      .integer("skip", d.skip, {0, 1000000}, "of times = all: saves left out at the start")
      .integer("sampling", d.sampling, {1, 1000000}, "of times = all: every so many-th save");
}

TrajectoryObjectiveOptions trajectory_objective_options(const Config& config) {
  TrajectoryObjectiveOptions o;
  const Config loss = config.at("loss");
  o.loss = loss.type();
  o.loss_options = loss_options_of(loss);
  o.random_samples = config.get<int>("random_samples");
  if (o.random_samples > 0 && o.loss != "euclidean" && o.loss != "l1" && o.loss != "l2")
    config.fail("random_samples", "has no meaning for the loss \"" + o.loss + "\"");
  if (o.loss == "cosine" && o.loss_options.compat)
    config.fail("loss", "the cosine with lengths over all samples is not defined save by save; use norm per_sample");
  o.grad_weight = config.get<double>("grad_weight");
  o.all_times = config.get<std::string>("times") == "all";
  o.skip = config.get<int>("skip");
  o.sampling = config.get<int>("sampling");
  return o;
}

}  // namespace mg::train
