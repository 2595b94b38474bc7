#include "core/eqx.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/npy.hpp"

namespace mg {
namespace {

constexpr std::size_t kMaxJson = 1 << 20, kMaxDepth = 32, kMaxLeaves = 100000;
constexpr std::uint64_t kMaxFile = std::uint64_t(4) << 30;
constexpr int kMaxWidth = 1 << 20;  // of channels and features

/// Counts brackets outside of strings, so that nothing deep reaches a parser.
bool shallow(std::string_view json) {
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted && c == '\\') ++i;
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == '{' || c == '[') && ++depth > kMaxDepth) return false;
    if (!quoted && (c == '}' || c == ']') && depth > 0) --depth;
  }
  return true;
}

class LeafReader {
 public:
  LeafReader(const EqxFile& file, const std::string& where) : file_(file), where_(where) {}

  [[noreturn]] void fail(std::size_t leaf, const std::string& why) const {
    throw DataError(where_ + ": leaf " + std::to_string(leaf) + ": " + why);
  }
  const Tensor& array(std::size_t leaf, const char* name, const std::vector<std::size_t>& shape) const {
    const Tensor& t = file_.leaves[leaf];
    if (t.dtype != "F32" && t.dtype != "F64") fail(leaf, std::string(name) + " has dtype " + t.dtype);
    if (t.shape != shape) fail(leaf, std::string(name) + " has shape " + text(t.shape) + ", expected " + text(shape));
    return t;
  }
  double scalar(std::size_t leaf, const char* name) const {
    const Tensor& t = file_.leaves[leaf];
    if (!t.shape.empty() || (t.dtype != "I64" && t.dtype != "I32" && t.dtype != "F64" && t.dtype != "F32"))
      fail(leaf, std::string(name) + " is not a number, but " + t.dtype + " of shape " + text(t.shape));
    return t.as_double()[0];
  }
  int count(std::size_t leaf, const char* name) const {
    const double v = scalar(leaf, name);
    if (!(v >= 1 && v <= kMaxWidth) || v != std::floor(v)) fail(leaf, std::string(name) + " is not a positive integer");
    return int(v);
  }
  static std::string text(const std::vector<std::size_t>& shape) {
    std::string s = "(";
    for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
    return s + ")";
  }

 private:
  const EqxFile& file_;
  const std::string& where_;
};

Tensor reshaped(Tensor tensor, std::vector<std::size_t> shape) {
  tensor.shape = std::move(shape);
  return tensor;
}

/// Half-width and smoothing of the stencils in leaves 7..10.
void read_stencils(const LeafReader& leaves, const EqxFile& file, ImportedNca& nca) {
  const auto& shape = file.leaves[7].shape;
  const std::size_t side = shape.size() == 4 ? shape[3] : 0;
  if (side < 3 || side > 63 || side % 2 == 0) leaves.fail(7, "stencil of shape " + LeafReader::text(shape));
  for (std::size_t k = 7; k < 11; ++k) leaves.array(k, "stencil", {1, 1, side, side});
  nca.scale = int(side) / 2;
  nca.smoothing = nca.scale > 1 || file.leaves[7].as_double()[0] != 0 ? 1 : 0;
}

}  // namespace

EqxFile parse_eqx(std::string_view bytes, const std::string& where) {
  EqxFile file;
  if (!bytes.empty() && bytes.front() == '{') {
    const std::size_t end = bytes.substr(0, kMaxJson).find('\n');
    if (end == bytes.npos) throw DataError(where + ": the JSON line has no end within 1 MiB");
    const std::string_view line = bytes.substr(0, end);
    if (!shallow(line) || !nlohmann::json::accept(line.begin(), line.end()))
      throw DataError(where + ": the first line is not valid JSON");
    file.json = std::string(line);
    bytes.remove_prefix(end + 1);
  }
  while (!bytes.empty()) {
    if (file.leaves.size() == kMaxLeaves) throw DataError(where + ": too many leaves");
    file.leaves.push_back(take_npy(bytes, where + ": leaf " + std::to_string(file.leaves.size())));
  }
  if (file.leaves.empty() && !file.json) throw DataError(where + ": is empty");
  return file;
}

EqxFile read_eqx(const std::filesystem::path& path) { return parse_eqx(read_file(path, kMaxFile), path.string()); }

std::string eqx_bytes(const EqxFile& file) {
  std::string bytes = file.json ? *file.json + "\n" : "";
  for (const auto& leaf : file.leaves) bytes += npy_bytes(leaf);
  return bytes;
}

ImportedNca import_eqx_nca(const EqxFile& file, const std::string& where) {
  if (file.leaves.size() != 11)
    throw DataError(where + ": holds " + std::to_string(file.leaves.size()) +
                    " leaves; a plain or gated NCA has 11 (other models cannot be imported)");
  const LeafReader leaves(file, where);
  ImportedNca nca;
  nca.format = "eqx";
  nca.channels = leaves.count(3, "N_CHANNELS");
  nca.features = nca.hidden = leaves.count(4, "N_FEATURES");
  if (nca.features % nca.channels != 0)
    leaves.fail(4, "N_FEATURES = " + std::to_string(nca.features) +
                       " is no multiple of N_CHANNELS = " + std::to_string(nca.channels));
  const std::size_t c = std::size_t(nca.channels), f = std::size_t(nca.features);
  nca.gated = !file.leaves[1].shape.empty() && file.leaves[1].shape[0] == 2 * c;
  const std::size_t outputs = nca.gated ? 2 * c : c;
  auto& params = nca.params.tensors;
  params["hidden.weight"] = reshaped(leaves.array(0, "hidden weight", {f, f, 1, 1}), {f, f});
  params["output.weight"] = reshaped(leaves.array(1, "output weight", {outputs, f, 1, 1}), {outputs, f});
  params["output.bias"] = reshaped(leaves.array(2, "output bias", {outputs, 1, 1}), {outputs});
  nca.fire_rate = leaves.scalar(5, "FIRE_RATE");
  if (!(nca.fire_rate > 0 && nca.fire_rate <= 1)) leaves.fail(5, "FIRE_RATE lies outside (0, 1]");
  nca.dx = leaves.scalar(6, "dx");
  if (!(nca.dx > 0 && std::isfinite(nca.dx))) leaves.fail(6, "dx is not positive");
  read_stencils(leaves, file, nca);
  return nca;
}

}  // namespace mg
