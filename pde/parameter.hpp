#pragma once
#include <string_view>

namespace mg::pde {

/// One scalar parameter of a right-hand side: trainable, one element of the flat buffer.
struct Parameter {
  std::string_view name;
  double value;           ///< initial value
  bool negative = false;  ///< whether it may be below 0
  std::string_view doc = "";
};

}  // namespace mg::pde
