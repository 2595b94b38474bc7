#pragma once
#include <string>

#include "core/error.hpp"
#include "core/validate.hpp"

namespace mg::test {

/// The configuration that `text` gives under `schema`; errors name the file "test.json".
inline Config configure(const Schema& schema, const std::string& text) {
  return validate_config(schema, parse_config(text, "test.json"));
}

/// The text of the ConfigError that `body` throws; empty when it throws none.
template <class Body>
std::string config_error(const Body& body) {
  try {
    body();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace mg::test
