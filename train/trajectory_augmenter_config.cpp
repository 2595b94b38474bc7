#include "train/trajectory_augmenter.hpp"

namespace mg::train {
namespace {

NoiseChannels channels_of(const std::string& name) {
  return name == "observed" ? NoiseChannels::observed : name == "hidden" ? NoiseChannels::hidden : NoiseChannels::all;
}

}  // namespace

Schema trajectory_schema() {
  const TrajectoryAugmenterOptions d;
  const NumberRange share{0, 1};
  return Schema("trajectory", "Series in time: rollouts run from one frame over the times of the next ones")
      .integer("length", d.length, {1, 1000000}, "frames of a window after its first")
      .number("increment_prob", d.increment_prob, share, "chance that a window moves on by one frame")
      .number("reset_prob", d.reset_prob, share, "chance that a window goes back to the first frame")
      .number("noise", d.noise, share, "the start x becomes (1 - noise) x + noise N(0, 1)")
      .choice("noise_channels", "all", {"all", "observed", "hidden"}, "channels that get noise")
      .boolean("random_lengths", d.random_lengths, "each iteration draws 1 .. length - 1 frames")
      .choice("batching", "auto", {"auto", "together", "separate"},
              "samples solved on one time grid, or on one each; auto: together unless steps are adaptive or frames at "
              "uneven "
              "times")
      .choice("fit_initial", "none", {"none", "all", "observed", "hidden"},
              "channels of the first frames that are fitted along with the parameters")
      .variant("initial_optimiser", optimiser_variants(), nlohmann::json{{"type", "nadam"}, {"lr", 1e-3}},
               "of the first frames")
      .object("compat",
              Schema("compat", "As the reference implementation has it")
                  .boolean("shifted_hidden", d.shifted_hidden,
                           "hidden channels are stored at the position after the window has moved")
                  .boolean("skip_last", d.skip_last, "the last window is never used")
                  .boolean("overwrite_observed", d.overwrite_observed,
                           "observed channels of the data are overwritten, which destroys the data"),
              "compatibility");
}

TrajectoryAugmenterOptions trajectory_options(const Config& c, bool own_grids) {
  using Batching = TrajectoryAugmenterOptions::Batching;
  TrajectoryAugmenterOptions o;
  o.length = c.get<int>("length");
  o.increment_prob = c.get<double>("increment_prob");
  o.reset_prob = c.get<double>("reset_prob");
  o.noise = c.get<double>("noise");
  o.noise_channels = channels_of(c.get<std::string>("noise_channels"));
  o.random_lengths = c.get<bool>("random_lengths");
  const auto batching = c.get<std::string>("batching");
  o.batching = batching == "separate" || (batching == "auto" && own_grids) ? Batching::separate
               : batching == "together"                                    ? Batching::together
                                                                           : Batching::automatic;
  if (own_grids && o.batching == Batching::together)
    c.fail("batching", "adaptive steps depend on the state: every sample needs its own; use auto or separate");
  o.fit_initial = channels_of(c.get<std::string>("fit_initial"));
  const Config compat = c.at("compat");
  o.shifted_hidden = compat.get<bool>("shifted_hidden");
  o.skip_last = compat.get<bool>("skip_last");
  o.overwrite_observed = compat.get<bool>("overwrite_observed");
  return o;
}

}  // namespace mg::train
