#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/options.hpp"
#include "core/config.hpp"
#include "core/system.hpp"

namespace mg::apps {

/// The system that "model" of a configuration describes; under --backend check it compares CUDA with the host.
template <class T>
std::unique_ptr<System<T>> make_system(const Config& model, const GlobalOptions& options);

/// What a user names as a model, found but not yet built.
struct ModelSource {
  std::optional<Config> experiment;  ///< the whole configuration, when it is known
  Config model;                      ///< its "model"
  std::string precision;             ///< "f32" or "f64"
  std::uint64_t seed = 0;
  std::optional<std::filesystem::path> weights;  ///< none: not trained, initial parameters
};

/// `path` is a run directory, a checkpoint directory, a model file (.safetensors) or a configuration. `config_file`
/// (may be empty) replaces the configuration found beside a model. --set and --seed apply.
/// @throws ConfigError, CheckpointError, DataError; files of other projects are referred to `import`
ModelSource find_model(const std::filesystem::path& path, const std::string& config_file, const GlobalOptions& options);

/// A system with its parameters in host memory.
template <class T>
struct Model {
  std::unique_ptr<System<T>> system;
  std::vector<T> params;  // [param_layout().size()]
};
template <class T>
Model<T> build_model(const ModelSource& source, const GlobalOptions& options);

}  // namespace mg::apps
