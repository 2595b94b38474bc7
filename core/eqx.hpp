#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/imported_nca.hpp"
#include "core/safetensors.hpp"

namespace mg {

/// An equinox file: the leaves of a model depth-first without names, after an optional line of JSON.
struct EqxFile {
  std::optional<std::string> json;  ///< the line without its end; a JSON object
  std::vector<Tensor> leaves;       ///< Python numbers are of shape ()
};

/// @throws DataError naming `where` and the leaf; at most 100000 leaves, JSON of at most 1 MiB and depth 32
EqxFile parse_eqx(std::string_view bytes, const std::string& where);
EqxFile read_eqx(const std::filesystem::path& path);
/// The inverse of parse_eqx, byte by byte for files that equinox wrote.
std::string eqx_bytes(const EqxFile& file);

/// Takes a plain or gated NCA of the reference out of its 11 leaves. Kernel list, padding and activation are not in
/// such a file.
/// @throws DataError naming the leaf that does not fit
/// @source the reference implementation
ImportedNca import_eqx_nca(const EqxFile& file, const std::string& where);

}  // namespace mg
