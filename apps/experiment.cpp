#include "apps/experiment.hpp"

#include <algorithm>
#include <iterator>

#include "apps/data.hpp"
#include "apps/registries.hpp"
#include "core/fft.hpp"
#include "nca/pre_boundary.hpp"
#include "nca/variant_system.hpp"
#include "train/checked_system.hpp"
#include "train/class_objective.hpp"
#include "train/loss.hpp"
#include "train/sharded_augmenter.hpp"
#include "train/swarm_objective.hpp"
#include "train/train_config.hpp"

namespace mg::apps {

train::ImageModel image_model(const Config& model, int observed) {
  using Kind = train::ImageModel::Boundary;
  const nca::NcaSpec spec = nca::objective_spec(model);
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
  if (!objective.json().contains("loss")) return;  // a swarm is judged without
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

/// Whether the model has a solver, and so a time of its own.
bool runs_in_time(const Config& model) { return model.json().contains("solver"); }

bool adaptive(const Config& model) {
  if (!runs_in_time(model)) return false;
  const Config solver = model.at("solver");
  return solver.json().contains("adaptive") && solver.has("adaptive");
}

/// What does not go together is refused before anything is loaded.
void require_consistent(const Config& root) {
  const std::string augment = root.at("augment").type(), objective = root.at("objective").type();
  const bool timed = augment == "trajectory" || augment == "textures";
  if (runs_in_time(root.at("model")) && !timed)
    root.fail("augment", "\"" + augment + "\" counts steps, but the model \"" + root.at("model").type() +
                             "\" is solved in time; use \"trajectory\" or \"textures\"");
  if (!runs_in_time(root.at("model")) && augment == "textures")
    root.fail("augment", "\"textures\" needs a model that is solved in time; use \"pool\" or \"morph\"");
  if (timed != (objective == "trajectory"))
    root.fail("objective",
              "the augmenter \"" + augment + "\" and the objective \"" + objective +
                  "\" do not go together; \"trajectory\" and \"textures\" have the objective \"trajectory\"");
  if ((augment == "swarm") != (objective == "swarm"))
    root.fail("objective", "the augmenter \"" + augment + "\" and the objective \"" + objective +
                               "\" do not go together; use \"swarm\" for both or for none");
  const std::string model = root.at("model").type();
  if ((model == "image_classifier") != (augment == "classes") || (augment == "classes") != (objective == "classes") ||
      (augment == "classes") != (root.at("data").type() == "idx"))
    root.fail("augment",
              "the model \"image_classifier\", the augmenter and objective \"classes\" and data of type \"idx\" go "
              "together, and with nothing else");
  if (models_agents(model) != (augment == "swarm"))
    root.fail("augment", "\"" + augment + "\" does not fit the model \"" + model +
                             "\": agents, and only they, train with \"swarm\"");
}

train::TrajectoryModel trajectory_model(const Config& model, int observed) {
  if (!runs_in_time(model)) {
    const PerceptionSpec perception = image_model(model, observed).perception;
    return {observed, perception.padding, perception.dx};
  }
  train::TrajectoryModel m;
  m.observed = observed;
  const auto name = model.get<std::string>("padding");
  m.padding = Padding(std::find(std::begin(kPaddingNames), std::end(kPaddingNames), name) - std::begin(kPaddingNames));
  m.dx = model.get<double>("dx");
  return m;
}

/// The steps that the image objective of an automaton with a boundary must see.
template <class T>
std::unique_ptr<System<T>> pre_boundary_system(const Config& root, int observed) {
  if (root.at("objective").type() != "image") return nullptr;
  const auto model = image_model(root.at("model"), observed);
  require_free_channels(model, root.at("model"));
  const auto options = train::objective_options(root.at("objective"), model);
  if (options.boundary_on != train::ImageObjectiveOptions::BoundaryOn::pre_boundary || options.boundary_reg <= 0 ||
      model.boundary == train::ImageModel::Boundary::none)
    return nullptr;
  const std::string type = root.at("model").type();
  if (type != "nca" && type != "gnca")
    root.at("objective").fail("boundary_reg_on", "\"pre_boundary\" is for nca and gnca, the model is \"" + type + "\"");
  return std::make_unique<nca::PreBoundarySystem<T>>(nca::nca_spec(root.at("model"), type == "gnca"));
}

}  // namespace

template <class T>
std::unique_ptr<train::Objective<T>> make_objective(const Config& root, int observed) {
  const Config objective = root.at("objective");
  if (objective.type() == "swarm")
    return std::make_unique<train::SwarmObjective<T>>(train::swarm_objective_options(objective));
  if (objective.type() == "classes") return std::make_unique<train::ClassObjective<T>>();
  if (objective.type() == "image") return train::make_objective<T>(objective, image_model(root.at("model"), observed));
  return std::make_unique<train::TrajectoryObjective<T>>(trajectory_model(root.at("model"), observed),
                                                         train::trajectory_objective_options(objective));
}
template std::unique_ptr<train::Objective<float>> make_objective<float>(const Config&, int);
template std::unique_ptr<train::Objective<double>> make_objective<double>(const Config&, int);

template <class T>
Experiment<T>::Experiment(const Config& root, const Exec& where, bool checked, Communicator* comm, int memory_sharers)
    : exec(where), seed(std::uint64_t(root.get<std::int64_t>("seed"))) {
  const auto& all = registries<T>();
  if (!root.has("data")) root.fail("data", "training needs data; see \"morphogen config docs data\"");
  require_consistent(root);
  require_fft(root.at("objective"), exec);
  system = all.systems.create(root.at("model"));
  data = load_data(root.at("data"), exec);
  const int observed = data.front().channels;
  rollout_system = pre_boundary_system<T>(root, observed);
  const train::AugmenterInputs<T> inputs{exec, system.get(), data, seed, adaptive(root.at("model"))};
  augmenter = all.augmenters.create(root.at("augment"), inputs);
  if (comm != nullptr && comm->size() > 1)
    augmenter = std::make_unique<train::ShardedAugmenter<T>>(exec, std::move(augmenter), *comm);
  optimiser = train::make_optimiser<T>(root.at("optimiser"), system->param_layout(), exec);
  std::vector<std::unique_ptr<train::Objective<T>>> objectives;
  for (std::size_t g = 0; g < augmenter->groups().size(); ++g) objectives.push_back(make_objective<T>(root, observed));
  if (checked)
    rollout_system = std::make_unique<train::CheckedSystem<T>>(
        rollout_system ? std::move(rollout_system) : all.systems.create(root.at("model")), train::kCompareEvery);
  std::vector<T> params(system->param_layout().size());
  system->initialise(seed, params);
  auto training = train::trainer_options(root.at("train"));
  training.memory_sharers = memory_sharers;
  trainer = std::make_unique<train::Trainer<T>>(exec, rollout_system ? *rollout_system : *system, *augmenter,
                                                std::move(objectives), *optimiser, training, seed, params, comm);
  for (std::size_t g = 0; g < augmenter->groups().size(); ++g) trainer->first_plan(g);
}

template struct Experiment<float>;
template struct Experiment<double>;

}  // namespace mg::apps
