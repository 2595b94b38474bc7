#pragma once
#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.hpp"

/// What the configurations of the neural right-hand sides share.
namespace mg::pde {

template <std::size_t N>
std::vector<std::string> names_of(const std::string_view (&names)[N]) {
  return {std::begin(names), std::end(names)};
}

/// The enumerator of `E` whose name the key holds; the schema has checked that it is one of `names`.
template <class E, std::size_t N>
E named(const Config& config, const char* key, const std::string_view (&names)[N]) {
  return E(std::find(std::begin(names), std::end(names), config.get<std::string>(key)) - std::begin(names));
}

}  // namespace mg::pde
