#pragma once
#include <string>

#include "tests/support/config.hpp"
#include "train/optimiser.hpp"

namespace mg::test {

/// The validated configuration of one optimiser, from JSON text.
inline Config optimiser_config(const std::string& json) {
  const Schema schema =
      Schema("test", "").variant("optimiser", train::optimiser_variants(), std::nullopt, "optimiser under test");
  return configure(schema, R"({"optimiser": )" + json + "}").at("optimiser");
}

}  // namespace mg::test
