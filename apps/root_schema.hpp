#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "apps/options.hpp"
#include "core/config.hpp"
#include "core/schema.hpp"

namespace mg::apps {

/// The schema of a whole configuration file, put together from those of the modules.
const Schema& root_schema();

/// Reads, overrides and validates a configuration file, and checks what only the models know.
/// @throws ConfigError with every error
Config load_root_config(const std::filesystem::path& file, const GlobalOptions& options);

}  // namespace mg::apps
