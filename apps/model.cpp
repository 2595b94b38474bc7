#include "apps/model.hpp"

#include <fstream>

#include "apps/registries.hpp"
#include "apps/root_schema.hpp"
#include "core/log.hpp"
#include "core/safetensors.hpp"
#include "core/validate.hpp"
#include "train/checked_system.hpp"
#include "train/model_file.hpp"

namespace mg::apps {

namespace fs = std::filesystem;

namespace {

/// What a model file alone can say, and --set can change of it.
Schema model_schema() {
  Schema schema("model file", "A trained model.");
  schema.integer("seed", 0, {0, std::numeric_limits<std::int64_t>::max()}, "key of the random numbers")
      .choice("precision", "f32", {"f32", "f64"}, "floating-point type")
      .variant("model", registries<float>().systems.variants(), std::nullopt, "the system");
  return schema;
}

/// The configuration of the run that a file or folder belongs to: beside it or up to three folders above.
std::optional<fs::path> run_configuration(fs::path folder) {
  for (int level = 0; level < 4 && !folder.empty(); ++level, folder = folder.parent_path()) {
    std::error_code error;
    if (fs::is_regular_file(folder / "config.resolved.json", error)) return folder / "config.resolved.json";
    if (folder == folder.parent_path()) break;
  }
  return std::nullopt;
}

ModelSource from_experiment(Config experiment) {
  ModelSource source;
  source.model = experiment.at("model");
  source.precision = experiment.get<std::string>("precision");
  source.seed = experiment.get<std::uint64_t>("seed");
  source.experiment = std::move(experiment);
  return source;
}

[[noreturn]] void refer_to_import(const fs::path& file) {
  throw CheckpointError(file.string() + ": a model of another project; convert it first: morphogen import " +
                        file.string() + " -o model.safetensors");
}

/// Whether the first character that is not blank is '[': a Growing-NCA model, never a configuration.
bool is_list(const fs::path& file) {
  std::ifstream in(file);
  char first = 0;
  in >> first;
  return first == '[';
}

ModelSource from_metadata(const fs::path& file, const GlobalOptions& options) {
  const TensorFile tensors = read_safetensors(file);
  const auto it = tensors.metadata.find("model");
  if (it == tensors.metadata.end())
    throw CheckpointError(file.string() + ": holds no description of a model; give its configuration with --config");
  const Schema schema = model_schema();
  Document document = parse_config(it->second, file.string() + " (metadata \"model\")");
  document.value = nlohmann::json{{"model", document.value}};
  for (const auto& assignment : options.overrides()) apply_override(schema, document, assignment);
  const Config config = validate_config(schema, document);
  ModelSource source;
  source.model = config.at("model");
  source.precision = config.get<std::string>("precision");
  source.seed = config.get<std::uint64_t>("seed");
  return source;
}

}  // namespace

template <class T>
std::unique_ptr<System<T>> make_system(const Config& model, const GlobalOptions& options) {
  auto system = registries<T>().systems.create(model);
  if (options.backend != "check") return system;
  return std::make_unique<train::CheckedSystem<T>>(std::move(system), train::kCompareEvery);
}

ModelSource find_model(const fs::path& path, const std::string& config_file, const GlobalOptions& options) {
  std::error_code error;
  if (!fs::exists(path, error)) throw CheckpointError(path.string() + ": no such file or folder");
  const std::string extension = path.extension().string();
  if (extension == ".eqx") refer_to_import(path);
  if (extension == ".json" && !fs::is_directory(path, error)) {
    if (is_list(path)) refer_to_import(path);
    return from_experiment(load_root_config(path, options));
  }

  const fs::path weights = train::find_model_file(path);
  std::optional<fs::path> beside = run_configuration(fs::absolute(weights).parent_path());
  if (!config_file.empty()) beside = config_file;
  ModelSource source = beside ? from_experiment(load_root_config(*beside, options)) : from_metadata(weights, options);
  source.weights = weights;
  return source;
}

template <class T>
Model<T> build_model(const ModelSource& source, const GlobalOptions& options) {
  Model<T> model;
  model.system = make_system<T>(source.model, options);
  const Layout& layout = model.system->param_layout();
  if (source.weights) {
    model.params = train::model_params<T>(read_safetensors(*source.weights), layout, source.weights->string());
  } else {
    model.params.resize(layout.size());
    std::vector<T> other(layout.size());
    model.system->initialise(source.seed, model.params);
    model.system->initialise(source.seed + 1, other);
    if (other != model.params)
      log::warn("the model is not trained: its parameters are the initial ones");  // random ones
  }
  return model;
}

template std::unique_ptr<System<float>> make_system(const Config&, const GlobalOptions&);
template std::unique_ptr<System<double>> make_system(const Config&, const GlobalOptions&);
template Model<float> build_model(const ModelSource&, const GlobalOptions&);
template Model<double> build_model(const ModelSource&, const GlobalOptions&);

}  // namespace mg::apps
