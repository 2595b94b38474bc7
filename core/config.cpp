#include "core/config.hpp"

#include <stdexcept>

#include "core/config_source.hpp"

namespace mg {

const nlohmann::json& Config::member(std::string_view key) const {
  const auto it = value_.find(std::string(key));
  if (it == value_.end()) throw std::logic_error("no key '" + std::string(key) + "' in the schema of " + pointer_);
  return *it;
}

Config Config::at(std::string_view key) const {
  return Config(member(key), pointer_ + "/" + escape_pointer(key), source_);
}

std::vector<Config> Config::list(std::string_view key) const {
  std::vector<Config> elements;
  const std::string pointer = pointer_ + "/" + escape_pointer(key);
  for (const auto& element : member(key))
    elements.emplace_back(element, pointer + "/" + std::to_string(elements.size()), source_);
  return elements;
}

bool Config::has(std::string_view key) const {
  const auto it = value_.find(std::string(key));
  return it != value_.end() && !it->is_null();
}

void Config::fail(std::string_view key, const std::string& message) const {
  const std::string pointer = key.empty() ? pointer_ : pointer_ + "/" + escape_pointer(key);
  throw ConfigError((source_ ? source_->describe(pointer) : pointer.empty() ? "" : pointer + ": ") + message);
}

}  // namespace mg
