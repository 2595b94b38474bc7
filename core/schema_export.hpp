#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "core/schema.hpp"

namespace mg {

/// The schema of a configuration file as JSON Schema (draft 2020-12), for editors and other checkers. Keys in the order
/// of the schema.
nlohmann::ordered_json json_schema(const Schema& schema);

/// Reference of every key as Markdown: one section and table per object and variant.
std::string markdown_reference(const Schema& schema);

/// Keys of one schema as plain text for help pages: "key  takes  (default ...)" and the meaning below.
std::string plain_reference(const Schema& schema, const std::string& indent = "  ");

}  // namespace mg
