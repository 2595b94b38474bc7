#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "core/imported_nca.hpp"

namespace mg {

/// Reads a model of the Growing-NCA article: JSON with two layers of base64 bytes; weight = (byte / 255 - 1/2) scale,
/// the last row of each layer being its bias. Such a model perceives ID and GRAD under zero padding, has relu, a fire
/// mask per cell and alive masking on channel 3 before and after the step.
/// @throws DataError naming `where` and the layer; sizes are checked before anything is allocated
/// @source Mordvintsev et al., Growing Neural Cellular Automata, Distill 2020
ImportedNca parse_distill_nca(std::string_view json, const std::string& where);
ImportedNca read_distill_nca(const std::filesystem::path& path);

}  // namespace mg
