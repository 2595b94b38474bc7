#include "apps/root_schema.hpp"

#include <stdexcept>

#include "apps/data.hpp"
#include "apps/registries.hpp"
#include "apps/sweep_points.hpp"
#include "core/start.hpp"
#include "core/times.hpp"
#include "core/validate.hpp"
#include "train/class_objective.hpp"
#include "train/image_objective.hpp"
#include "train/swarm_objective.hpp"
#include "train/train_config.hpp"
#include "train/trajectory_objective.hpp"

namespace mg::apps {

namespace {

Schema make_root_schema() {
  const auto& all = registries<float>();
  Schema schema("morphogen", "One experiment: what is trained, on what, towards what, and how.");
  schema.integer("config_version", 1, {1, 1}, "version of this format")
      .identifier("name", "run", "names the run directory")
      .integer("seed", 0, {0, std::numeric_limits<std::int64_t>::max()}, "key of every random number of the run")
      .choice("precision", "f32", {"f32", "f64"}, "floating-point type of states and parameters")
      .variant("model", all.systems.variants(), std::nullopt, "the system that is trained")
      .variant("start", start_variants(), std::nullopt,
               "where run and simulate begin; null = with the first frame of the data")
      .nullable()
      .variant("times", times_variants(), std::nullopt,
               "what run and simulate show; null = the times of the data, or whole steps")
      .nullable()
      .variant("data", data_variants(), std::nullopt, "what it learns; needed for training")
      .nullable()
      .variant("augment", all.augmenters.variants(), "morph", "how the data become start states and targets")
      .variant("objective",
               {{"image", train::objective_schema()},
                {"trajectory", train::trajectory_objective_schema()},
                {"swarm", train::swarm_objective_schema()},
                {"classes", train::class_objective_schema()}},
               "image", "what training minimises")
      .default_type("image")
      .variant("optimiser", train::optimiser_variants(), "nadam", "how parameters follow the gradient")
      .variant("sweep", sweep_variants(), std::nullopt, "points of \"morphogen sweep\": overrides of other keys")
      .nullable()
      .object("train", train::train_schema(), "the training loop")
      .object("checkpoint", train::checkpoint_schema(), "what a run keeps to go on from");
  return schema;
}

}  // namespace

const Schema& root_schema() {
  static const Schema schema = make_root_schema();
  return schema;
}

Config load_root_config(const std::filesystem::path& file, const GlobalOptions& options) {
  Config config = load_config(root_schema(), file, options.overrides());
  const Config model = config.at("model");
  try {
    registries<float>().systems.create(model);
  } catch (const std::invalid_argument& contradiction) {
    model.fail("", contradiction.what());
  }
  return config;
}

}  // namespace mg::apps
