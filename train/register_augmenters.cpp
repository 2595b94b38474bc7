#include "train/morph_augmenter.hpp"

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

template <class T>
void register_augmenters(Registry<Augmenter<T>, const AugmenterInputs<T>&>& registry) {
  registry.add("morph", morph_schema(), [](const Config& config, const AugmenterInputs<T>& inputs) {
    return std::make_unique<MorphAugmenter<T>>(morph_options(config), inputs);
  });
}
template void register_augmenters<float>(Registry<Augmenter<float>, const AugmenterInputs<float>&>&);
template void register_augmenters<double>(Registry<Augmenter<double>, const AugmenterInputs<double>&>&);

}  // namespace mg::train
