#pragma once
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/config.hpp"
#include "core/schema.hpp"

namespace mg {

/// Builds a `Base` from a validated {"type": name, ...}. Filled by explicit calls (nca/register.cpp), never by static
/// objects: a linker drops those from a static library when their file is otherwise unused.
template <class Base, class... Args>
class Registry {
 public:
  using Make = std::function<std::unique_ptr<Base>(const Config&, Args...)>;

  void add(const std::string& name, Schema schema, Make make) {
    if (!makers_.emplace(name, std::pair{std::move(schema), std::move(make)}).second)
      throw std::logic_error("registered twice: " + name);
  }
  std::unique_ptr<Base> create(const Config& config, Args... args) const {
    const auto it = makers_.find(config.type());
    if (it == makers_.end()) throw std::logic_error("not registered: " + config.type());
    return it->second.second(config, args...);
  }
  /// For Schema::variant.
  std::vector<std::pair<std::string, Schema>> variants() const {
    std::vector<std::pair<std::string, Schema>> all;
    for (const auto& [name, entry] : makers_) all.emplace_back(name, entry.first);
    return all;
  }

 private:
  std::map<std::string, std::pair<Schema, Make>> makers_;
};

}  // namespace mg
