#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/layout.hpp"
#include "core/safetensors.hpp"

namespace mg::train {

/// A trained model as a file: one tensor per block of the parameter layout; metadata "format" = "morphogen.model" and
/// "model" = its resolved configuration, as JSON.
template <class T>
TensorFile model_file(const Layout& layout, const std::vector<T>& params, const std::string& model_json);

/// The flat parameters of `layout`, from a file that holds exactly its tensors (F32 or F64, converted).
/// @throws CheckpointError naming the tensor that is missing, unknown or of another shape
template <class T>
std::vector<T> model_params(const TensorFile& file, const Layout& layout, const std::string& where);

/// The model file that a user means: the file itself; of a run directory the best one, else the last; of a checkpoint
/// directory its model.
/// @throws CheckpointError when there is none
std::filesystem::path find_model_file(const std::filesystem::path& path);

}  // namespace mg::train
