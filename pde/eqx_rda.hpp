#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "core/eqx.hpp"

namespace mg::pde {

/// A reaction-diffusion-advection model and its solver from a file of the reference.
struct ImportedRda {
  nlohmann::json model;  ///< {"type": "rda", ..., "solver": {...}}
  TensorFile params;     ///< in the names of neural_param_layout
};

/// Whether `file` says that it holds a stored PDE solver: its line of JSON names a "pde".
bool is_eqx_pde(const EqxFile& file);

/// Takes the model out of the leaves that the line of JSON promises. Terms that the reference does not know, which it
/// passes over in silence, are left out.
/// @throws DataError naming the key or the leaf that does not fit
/// @source the reference implementation
ImportedRda import_eqx_rda(const EqxFile& file, const std::string& where);

}  // namespace mg::pde
