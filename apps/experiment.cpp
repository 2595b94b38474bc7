#include "apps/experiment.hpp"

#include "apps/data.hpp"
#include "apps/registries.hpp"
#include "core/fft.hpp"
#include "nca/pre_boundary.hpp"
#include "train/checked_system.hpp"
#include "train/loss.hpp"
#include "train/train_config.hpp"

namespace mg::apps {

train::ImageModel image_model(const Config& model, int observed) {
  using Kind = train::ImageModel::Boundary;
  const nca::NcaSpec spec = nca::nca_spec(model, model.type() == "gnca");
  train::ImageModel image;
  image.channels = spec.channels;
  image.observed = observed;
  image.perception = spec.perception;
  image.boundary = spec.boundary == nca::Boundary::none   ? Kind::none
                   : spec.boundary == nca::Boundary::soft ? Kind::soft
                                                          : Kind::hard;
  image.boundary_rows = spec.mask_rows();
  return image;
}

namespace {

void require_fft(const Config& objective, const Exec& exec) {
  const std::string loss = objective.at("loss").type();
  if (exec.backend == Backend::host && train::needs_fft(loss) && host_fft_library().empty())
    objective.fail("loss", "\"" + loss + "\": " + kNoHostFft);
}

/// A soft boundary that covered an observed channel would hold it at the mask: it could never learn its target.
void require_free_channels(const train::ImageModel& image, const Config& model) {
  if (image.boundary == train::ImageModel::Boundary::soft && image.observed + image.boundary_rows > image.channels)
    model.fail("boundary_channels", "a soft boundary of " + std::to_string(image.boundary_rows) +
                                        " channels and pictures of " + std::to_string(image.observed) +
                                        " need at least " + std::to_string(image.observed + image.boundary_rows) +
                                        " channels, the model has " + std::to_string(image.channels));
}

}  // namespace

template <class T>
Experiment<T>::Experiment(const Config& root, const Exec& where, bool checked)
    : exec(where), seed(std::uint64_t(root.get<std::int64_t>("seed"))) {
  const auto& all = registries<T>();
  if (!root.has("data")) root.fail("data", "training needs data; see \"morphogen config docs data\"");
  require_fft(root.at("objective"), exec);
  system = all.systems.create(root.at("model"));
  data = load_data(root.at("data"), exec);
  const auto model = image_model(root.at("model"), data.front().channels);
  require_free_channels(model, root.at("model"));
  const train::AugmenterInputs<T> inputs{exec, system.get(), data, seed};
  augmenter = all.augmenters.create(root.at("augment"), inputs);
  optimiser = train::make_optimiser<T>(root.at("optimiser"), system->param_layout(), exec);
  std::vector<std::unique_ptr<train::Objective<T>>> objectives;
  for (std::size_t g = 0; g < augmenter->groups().size(); ++g)
    objectives.push_back(train::make_objective<T>(root.at("objective"), model));
  const auto options = train::objective_options(root.at("objective"), model);
  if (options.boundary_on == train::ImageObjectiveOptions::BoundaryOn::pre_boundary && options.boundary_reg > 0 &&
      model.boundary != train::ImageModel::Boundary::none)
    rollout_system =
        std::make_unique<nca::PreBoundarySystem<T>>(nca::nca_spec(root.at("model"), root.at("model").type() == "gnca"));
  if (checked)
    rollout_system = std::make_unique<train::CheckedSystem<T>>(
        rollout_system ? std::move(rollout_system) : all.systems.create(root.at("model")), train::kCompareEvery);
  std::vector<T> params(system->param_layout().size());
  system->initialise(seed, params);
  auto training = train::trainer_options(root.at("train"));
  trainer = std::make_unique<train::Trainer<T>>(exec, rollout_system ? *rollout_system : *system, *augmenter,
                                                std::move(objectives), *optimiser, training, seed, params);
  for (std::size_t g = 0; g < augmenter->groups().size(); ++g) trainer->plan(g, augmenter->steps(0));
}

template struct Experiment<float>;
template struct Experiment<double>;

}  // namespace mg::apps
