#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "core/eqx.hpp"

namespace mg::nca {

/// A relative of the plain automaton out of an equinox file. Kernels, padding and activation are not in such a file.
struct ImportedVariant {
  nlohmann::json model;  ///< its configuration, as far as the file says it
  int blocks = 0;        ///< of features that the kernels must give
  TensorFile params;     ///< in the names of variant_param_layout
};

/// Whether the leaves are those of hNCA, mNCA, aNCA or kaNCA.
bool is_eqx_variant(const EqxFile& file);

/// The heads of an aNCA are not in the file either: 4 when that fits, else as many as rows.
/// @throws DataError naming the leaf that does not fit
/// @source the reference implementation
ImportedVariant import_eqx_variant(const EqxFile& file, const std::string& where);

}  // namespace mg::nca
