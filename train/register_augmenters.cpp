#include "train/class_augmenter.hpp"
#include "train/morph_augmenter.hpp"
#include "train/pool_augmenter.hpp"
#include "train/swarm_augmenter.hpp"
#include "train/texture_augmenter.hpp"
#include "train/trajectory_augmenter.hpp"
#include "train/window_augmenter.hpp"

namespace mg::train {

Schema morph_schema() {
  const MorphOptions d;
  return Schema("morph", "Image sequences: every pair of frames starts from where the previous pair ended")
      .integer("steps", d.steps, {1, 1000000}, "system steps between two frames")
      .integer("duplicate", d.duplicate, {1, 4096}, "copies of every trajectory")
      .choice("duplicate_order", "tile", {"tile", "repeat"}, "copies as d0 d1 d0 d1 (tile) or d0 d0 d1 d1 (repeat)")
      .integer("shift", d.shift, {0, 100000}, "cyclic rolls are drawn from -shift to shift - 1 cells")
      .boolean("shift_inclusive", d.shift_inclusive, "rolls may reach +shift too")
      .integer("damage_until", d.damage_until, {0, std::int64_t(1) << 40},
               "one random disc a batch is zeroed before this iteration")
      .number("noise", d.noise, {0, 1}, "x becomes (1 - noise) x + noise g")
      .choice("noise_kind", "gaussian", {"gaussian", "uniform"}, "g ~ N(0, 1) or U[0, 1)")
      .choice("noise_channels", "all", {"all", "observed", "hidden"}, "channels that get noise")
      .choice("truth_reset", "even", {"even", "none", "fraction"},
              "batches whose observed channels go back to the data after every iteration; even leaves a single batch "
              "alone")
      .number("reset_fraction", 0.5, {0, 1}, "share of the batches that are reset, for truth_reset = fraction")
      .boolean("propagate_on_load", d.propagate_on_load, "already the first start states are moved on by one frame");
}

MorphOptions morph_options(const Config& c) {
  MorphOptions o;
  o.steps = c.get<int>("steps");
  o.duplicate = c.get<int>("duplicate");
  o.repeat_order = c.get<std::string>("duplicate_order") == "repeat";
  o.shift = c.get<int>("shift");
  o.shift_inclusive = c.get<bool>("shift_inclusive");
  o.damage_until = c.get<std::int64_t>("damage_until");
  o.noise = c.get<double>("noise");
  o.uniform_noise = c.get<std::string>("noise_kind") == "uniform";
  const auto channels = c.get<std::string>("noise_channels");
  o.noise_channels = channels == "all"        ? NoiseChannels::all
                     : channels == "observed" ? NoiseChannels::observed
                                              : NoiseChannels::hidden;
  const auto reset = c.get<std::string>("truth_reset");
  o.reset_even = reset == "even";
  o.reset_fraction = reset == "fraction" ? c.get<double>("reset_fraction") : 0.0;
  o.propagate_on_load = c.get<bool>("propagate_on_load");
  return o;
}

Schema pool_schema() {
  const PoolOptions d;
  return Schema("pool", "Growing-NCA recipe: rollouts start from a seed, or from a pool of earlier results")
      .choice("regime", "persistent", {"growing", "persistent", "regenerating"},
              "growing: always from the seed; persistent: from a pool, its worst sample replaced by the seed; "
              "regenerating: the best samples are damaged, too")
      .integer("size", d.size, {1, 1 << 24}, "samples in the pool")
      .integer("batch", d.batch, {1, kMaxPoolBatch}, "samples of one iteration")
      .integer("damage", d.damage, {0, kMaxPoolBatch}, "samples that lose a disc, of regenerating")
      .integer("steps_min", d.steps_min, {1, 1000000}, "fewest system steps of an iteration")
      .integer("steps_max", d.steps_max, {1, 1000000}, "most system steps of an iteration");
}

PoolOptions pool_options(const Config& c) {
  PoolOptions o;
  const auto regime = c.get<std::string>("regime");
  o.regime = regime == "growing"      ? PoolOptions::Regime::growing
             : regime == "persistent" ? PoolOptions::Regime::persistent
                                      : PoolOptions::Regime::regenerating;
  o.size = c.get<int>("size");
  o.batch = c.get<int>("batch");
  o.damage = c.get<int>("damage");
  o.steps_min = c.get<int>("steps_min");
  o.steps_max = c.get<int>("steps_max");
  if (o.steps_max < o.steps_min) c.fail("steps_max", "is below steps_min = " + std::to_string(o.steps_min));
  if (o.regime != PoolOptions::Regime::growing && o.size < o.batch)
    c.fail("size", "a pool of " + std::to_string(o.size) + " cannot fill a batch of " + std::to_string(o.batch));
  if (o.regime == PoolOptions::Regime::regenerating && o.damage >= o.batch)
    c.fail("damage", "must leave the seed alone: at most batch - 1 = " + std::to_string(o.batch - 1));
  return o;
}

Schema window_schema() {
  const WindowOptions d;
  return Schema("windows", "Long series, for models that count steps: windows of pairs of neighbouring frames")
      .integer("steps", d.steps, {1, 1000000}, "system steps between two frames")
      .integer("frames", d.frames, {1, 1000000}, "pairs of frames in a window, and iterations before it is drawn anew")
      .integer("duplicate", d.duplicate, {1, 4096}, "windows of every trajectory")
      .number("noise", d.noise, {0, 1}, "x becomes (1 - noise) x + noise N(0, 1) in a new window")
      .choice("noise_channels", "hidden", {"all", "observed", "hidden"}, "channels that get noise");
}

WindowOptions window_options(const Config& c) {
  WindowOptions o;
  o.steps = c.get<int>("steps");
  o.frames = c.get<int>("frames");
  o.duplicate = c.get<int>("duplicate");
  o.noise = c.get<double>("noise");
  const auto channels = c.get<std::string>("noise_channels");
  o.noise_channels = channels == "all"        ? NoiseChannels::all
                     : channels == "observed" ? NoiseChannels::observed
                                              : NoiseChannels::hidden;
  return o;
}

Schema texture_schema() {
  const TextureOptions d;
  return Schema("textures", "Pictures that a model solved in time makes from noise: starts from a pool of its results")
      .integer("batch", d.batch, {1, 4096}, "samples of one iteration; the second half of them starts from fresh noise")
      .integer("pool_factor", d.pool_factor, {1, 4096}, "states in the pool for every sample")
      .number("time", d.time, {0, 1e9, true, false}, "end of a rollout [model time]")
      .integer("saves", d.saves, {1, 1000000}, "states of a rollout that are compared, evenly spaced, the end included")
      .number("seeded", d.seeded, {0, 1}, "share of the picture in states that begin with it, the rest is noise")
      .integer("octaves", d.octaves, {1, 16}, "of the smooth noise; fewer where the lattice is too small");
}

TextureOptions texture_options(const Config& c) {
  TextureOptions o;
  o.batch = c.get<int>("batch");
  o.pool_factor = c.get<int>("pool_factor");
  o.time = c.get<double>("time");
  o.saves = c.get<int>("saves");
  o.seeded = c.get<double>("seeded");
  o.octaves = c.get<int>("octaves");
  return o;
}

template <class T>
void register_augmenters(Registry<Augmenter<T>, const AugmenterInputs<T>&>& registry) {
  registry.add("morph", morph_schema(), [](const Config& config, const AugmenterInputs<T>& inputs) {
    return std::make_unique<MorphAugmenter<T>>(morph_options(config), inputs);
  });
  registry.add("trajectory", trajectory_schema(), [](const Config& config, const AugmenterInputs<T>& inputs) {
    auto made = std::make_unique<TrajectoryAugmenter<T>>(trajectory_options(config, inputs.own_grids), inputs);
    if (config.get<std::string>("fit_initial") != "none")
      made->learn_initial(
          [&](const Layout& start) { return make_optimiser<T>(config.at("initial_optimiser"), start, inputs.exec); });
    return made;
  });
  registry.add("pool", pool_schema(), [](const Config& config, const AugmenterInputs<T>& inputs) {
    return std::make_unique<PoolAugmenter<T>>(pool_options(config), inputs);
  });
  registry.add("windows", window_schema(), [](const Config& config, const AugmenterInputs<T>& inputs) {
    return std::make_unique<WindowAugmenter<T>>(window_options(config), inputs);
  });
  registry.add("textures", texture_schema(), [](const Config& config, const AugmenterInputs<T>& inputs) {
    return std::make_unique<TextureAugmenter<T>>(texture_options(config), inputs);
  });
  registry.add("classes", class_schema(), [](const Config& config, const AugmenterInputs<T>& inputs) {
    return std::make_unique<ClassAugmenter<T>>(class_options(config), inputs);
  });
  registry.add("swarm", swarm_schema(), [](const Config& config, const AugmenterInputs<T>& inputs) {
    return std::make_unique<SwarmAugmenter<T>>(swarm_options(config), inputs);
  });
}
template void register_augmenters<float>(Registry<Augmenter<float>, const AugmenterInputs<float>&>&);
template void register_augmenters<double>(Registry<Augmenter<double>, const AugmenterInputs<double>&>&);

}  // namespace mg::train
