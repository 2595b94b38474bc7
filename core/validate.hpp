#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/config_source.hpp"
#include "core/schema.hpp"

namespace mg {

/// Checks `document` against `schema` and fills in every default. Validating the result again changes nothing.
/// @throws ConfigError with every error, one a line: "file:line:col: /pointer: expected ..., got ..."
Config validate_config(const Schema& schema, const Document& document);

/// Applies one "path=value" of --set: keys joined by dots, list elements by number. The value is read as JSON, else as
/// a bare string where the schema says text, path or choice. A new "type" replaces the whole object.
/// @throws ConfigError "--set path=value: /pointer: ..." for an unknown path or a value that is neither
void apply_override(const Schema& schema, Document& document, const std::string& assignment);

/// read_config, apply_override for each of `overrides`, validate_config.
Config load_config(const Schema& schema, const std::filesystem::path& file,
                   const std::vector<std::string>& overrides = {});

/// What the property takes, in words: "integer in [1, 1024]", `one of "a", "b"`, "list of number > 0".
std::string expected_text(const Property& property);

/// A value in words, shortened: `string "fast"`, "integer 3", "list of 4".
std::string value_text(const nlohmann::json& value);

/// The resolved configuration as text, keys in the order of the schema; the same value gives the same bytes.
std::string resolved_text(const Schema& schema, const nlohmann::json& value);

}  // namespace mg
