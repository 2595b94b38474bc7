#include "train/model_file.hpp"

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/file.hpp"

namespace mg::train {
namespace fs = std::filesystem;
namespace {

std::vector<std::size_t> extents(const Block& block) { return {block.dims.begin(), block.dims.end()}; }

std::string text(const std::vector<std::size_t>& shape) {
  std::string out = "[";
  for (std::size_t k = 0; k < shape.size(); ++k) out.append(k ? ", " : "").append(std::to_string(shape[k]));
  return out.append("]");
}

}  // namespace

template <class T>
TensorFile model_file(const Layout& layout, const std::vector<T>& params, const std::string& model_json) {
  TensorFile file;
  file.metadata["format"] = "morphogen.model";
  file.metadata["model"] = model_json;
  for (const auto& block : layout.blocks()) file.add(block.name, extents(block), params.data() + block.offset);
  return file;
}

template <class T>
std::vector<T> model_params(const TensorFile& file, const Layout& layout, const std::string& where) {
  std::vector<T> params(layout.size());
  for (const auto& block : layout.blocks()) {
    if (!file.contains(block.name)) throw CheckpointError(where + ": has no tensor '" + block.name + "'");
    const Tensor& tensor = file.at(block.name);
    if (tensor.shape != extents(block))
      throw CheckpointError(where + ": tensor '" + block.name + "' has shape " + text(tensor.shape) +
                            ", the model needs " + text(extents(block)));
    const auto values = tensor.as_double();
    for (std::size_t k = 0; k < values.size(); ++k) params[block.offset + k] = T(values[k]);
  }
  for (const auto& [name, tensor] : file.tensors)
    if (!layout.contains(name)) throw CheckpointError(where + ": tensor '" + name + "' is none of this model");
  return params;
}

fs::path find_model_file(const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return path;
  if (fs::is_regular_file(path / "model.safetensors", error)) return path / "model.safetensors";
  const fs::path store = fs::is_directory(path / "checkpoints", error) ? path / "checkpoints" : path;
  for (const char* pointer : {"best.json", "last.json"}) {
    if (!fs::is_regular_file(store / pointer, error)) continue;
    const auto json = nlohmann::json::parse(read_file(store / pointer, 1 << 20), nullptr, false);
    if (!json.is_object() || !json.contains("directory") || !json["directory"].is_string()) continue;
    const fs::path file = fs::path(json["directory"].get<std::string>()).filename() /
                          fs::path(json.value("file", std::string("model.safetensors"))).filename();
    if (fs::is_regular_file(store / file, error)) return store / file;
  }
  throw CheckpointError(path.string() + ": neither a model file, nor a checkpoint, nor a run directory with one");
}

template TensorFile model_file<float>(const Layout&, const std::vector<float>&, const std::string&);
template TensorFile model_file<double>(const Layout&, const std::vector<double>&, const std::string&);
template std::vector<float> model_params<float>(const TensorFile&, const Layout&, const std::string&);
template std::vector<double> model_params<double>(const TensorFile&, const Layout&, const std::string&);

}  // namespace mg::train
