#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace mg {

class SourceMap;  // JSON pointer -> file:line:column or the --set it came from (core/config_source.hpp)

/// A validated configuration object: types and ranges hold and every default is filled in, so that a builder reads
/// without checking. fail() reports a contradiction that only the builder can see, with the place in the file.
class Config {
 public:
  Config() = default;
  Config(nlohmann::json value, std::string pointer = "", std::shared_ptr<const SourceMap> source = {})
      : value_(std::move(value)), pointer_(std::move(pointer)), source_(std::move(source)) {}

  /// @throws std::logic_error when the schema has no such key (a bug, not a user error)
  template <class T>
  T get(std::string_view key) const {
    return member(key).template get<T>();
  }
  Config at(std::string_view key) const;                 ///< a nested object or variant
  std::vector<Config> list(std::string_view key) const;  ///< a list of objects or variants
  bool has(std::string_view key) const;                  ///< present and not null
  std::string type() const { return get<std::string>("type"); }

  const nlohmann::json& json() const { return value_; }
  const std::string& pointer() const { return pointer_; }

  /// @throws ConfigError "file:line:col: /pointer/key: message"; an empty key means the object itself
  [[noreturn]] void fail(std::string_view key, const std::string& message) const;

 private:
  const nlohmann::json& member(std::string_view key) const;
  nlohmann::json value_;
  std::string pointer_;
  std::shared_ptr<const SourceMap> source_;
};

}  // namespace mg
