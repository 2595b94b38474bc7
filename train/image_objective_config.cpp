#include "train/image_objective.hpp"

namespace mg::train {

Variants loss_variants() {
  return {
      {"l1", Schema("l1", "Mean absolute difference.")},
      {"l2", Schema("l2", "Mean squared difference.")},
      {"euclidean", Schema("euclidean", "Root of the mean squared difference.")},
      {"cosine", Schema("cosine", "Minus the cosine of the angle between the images.")
                     .choice("norm", "per_sample", {"per_sample", "global_norm"},
                             "global_norm: lengths over all samples and a mean over the cells, as the reference "
                             "implementation has it")},
      {"spectral", Schema("spectral", "Mean squared difference of the amplitudes of the Fourier transforms.")},
      {"spectral_full",
       Schema("spectral_full", "Mean squared modulus of the difference of the Fourier transforms.")
           .choice("square", "modulus", {"modulus", "complex_square"},
                   "complex_square: modulus of the mean of the squared complex differences, as the reference "
                   "implementation has it")},
      {"sliced_wasserstein",
       Schema("sliced_wasserstein",
              "How far the distributions of patches are apart, wherever the patches are: a texture loss that needs no "
              "weights. Mean squared difference of sorted projections on random directions. Host only.")
           .integer("projections", 64, {1, 4096}, "random directions")
           .integer("patch", 5, {1, 31}, "side of a patch")
           .integer("levels", 1, {1, 8}, "sizes: each level halves the picture by averaging 2 x 2 cells")},
  };
}

LossOptions loss_options_of(const Config& loss) {
  LossOptions options;
  if (loss.type() == "sliced_wasserstein") {
    options.projections = loss.get<int>("projections");
    options.patch = loss.get<int>("patch");
    options.levels = loss.get<int>("levels");
  }
  options.compat = (loss.type() == "cosine" && loss.get<std::string>("norm") == "global_norm") ||
                   (loss.type() == "spectral_full" && loss.get<std::string>("square") == "complex_square");
  return options;
}

Schema objective_schema() {
  const ImageObjectiveOptions d;
  return Schema("objective", "What training minimises: the distance of grown and wanted images, plus regularisers")
      .variant("loss", loss_variants(), nlohmann::json{{"type", d.loss}}, "distance of one sample from its target")
      .boolean("grad_loss", d.grad_loss, "compare what the model perceives of the observed channels, not they alone")
      .number("grad_weight", d.grad_weight, {}, "factor of all perceived features but the first block")
      .choice("at", "last", {"last", "mean", "random"},
              "the state that is compared: the last one, the mean loss over the last `window` ones, or a random one of "
              "them")
      .integer("window", d.window, {1, 1000000}, "number of last states for at = mean, random")
      .number("state_reg", d.state_reg, {0, 1e30}, "weight of the regulariser that keeps states in state_reg_range")
      .list("state_reg_channels", element::integer({0, 1 << 20}), nlohmann::json::array(),
            "first channel and the one after the last that state_reg acts on; empty means all, hidden ones too", 0, 2)
      .list("state_reg_range", element::number({}), nlohmann::json{0.0, 1.0}, "lowest and highest free value", 2, 2)
      .number("boundary_reg", d.boundary_reg, {0, 1e30}, "weight of the regulariser that pulls states to the boundary")
      .choice("boundary_reg_on", "reference", {"reference", "post_boundary", "pre_boundary"},
              "post_boundary: distance of the state from its boundary mask after every step (0 for soft and for 0/1 "
              "hard masks); pre_boundary: the same before the mask is applied; reference: as the reference "
              "implementation, where a soft mask pulls all channels of the last frame")
      .list("time_channel_mask", element::list(element::integer({0, 1})), nlohmann::json::array(),
            "one row of 0/1 per frame pair with one entry per observed channel: what counts in the loss; empty means "
            "everything");
}

ImageObjectiveOptions objective_options(const Config& config, const ImageModel& model) {
  ImageObjectiveOptions o;
  const Config loss = config.at("loss");
  o.loss = loss.type();
  o.loss_options = loss_options_of(loss);
  o.grad_loss = config.get<bool>("grad_loss");
  o.grad_weight = config.get<double>("grad_weight");
  const auto at = config.get<std::string>("at");
  o.at = at == "last"   ? ImageObjectiveOptions::At::last
         : at == "mean" ? ImageObjectiveOptions::At::mean
                        : ImageObjectiveOptions::At::random;
  o.window = config.get<int>("window");
  o.state_reg = config.get<double>("state_reg");
  o.boundary_reg = config.get<double>("boundary_reg");

  const auto channels = config.get<std::vector<int>>("state_reg_channels");
  if (!channels.empty()) {
    if (channels.size() != 2 || channels[0] >= channels[1] || channels[1] > model.channels)
      config.fail("state_reg_channels", "expected [first, end) with first < end <= " + std::to_string(model.channels) +
                                            ", the channels of the model");
    o.state_reg_begin = channels[0];
    o.state_reg_end = channels[1];
  }
  const auto range = config.get<std::vector<double>>("state_reg_range");
  if (range[0] > range[1]) config.fail("state_reg_range", "the lowest value is above the highest");
  o.state_reg_low = range[0];
  o.state_reg_high = range[1];

  const auto on = config.get<std::string>("boundary_reg_on");
  using On = ImageObjectiveOptions::BoundaryOn;
  o.boundary_on = on == "reference" ? On::reference : on == "post_boundary" ? On::post_boundary : On::pre_boundary;
  if (o.boundary_on == On::reference && o.boundary_reg > 0 && model.boundary == ImageModel::Boundary::soft &&
      model.boundary_rows != 1)
    config.fail("boundary_reg_on", "\"reference\" is defined for soft masks of one channel; this model has " +
                                       std::to_string(model.boundary_rows) +
                                       ": use \"post_boundary\" or \"pre_boundary\"");
  for (const auto& row : config.json().at("time_channel_mask")) {
    o.time_channel_mask.push_back(row.get<std::vector<int>>());
    if (int(row.size()) != model.observed)
      config.fail("time_channel_mask", "a row has " + std::to_string(row.size()) + " entries, the data have " +
                                           std::to_string(model.observed) + " channels");
  }
  return o;
}

template <class T>
std::unique_ptr<Objective<T>> make_objective(const Config& config, const ImageModel& model) {
  return std::make_unique<ImageObjective<T>>(model, objective_options(config, model));
}
template std::unique_ptr<Objective<float>> make_objective(const Config&, const ImageModel&);
template std::unique_ptr<Objective<double>> make_objective(const Config&, const ImageModel&);

}  // namespace mg::train
