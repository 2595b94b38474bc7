#include "core/distill.hpp"

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/file.hpp"

namespace mg {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t(64) << 20;
constexpr int kMaxDepth = 4;
constexpr std::int64_t kMaxWidth = 65536;

struct Layer {
  int in = 0, out = 0;
  double weight_scale = 0, bias_scale = 0;
  std::vector<std::uint8_t> bytes;  // [in + 1][out]

  double weight(int i, int o) const { return (value(i, o) / 255 - 0.5) * weight_scale; }
  double bias(int o) const { return (value(in, o) / 255 - 0.5) * bias_scale; }

 private:
  double value(int row, int column) const { return bytes[std::size_t(row) * std::size_t(out) + std::size_t(column)]; }
};

/// Six bits of a base64 digit, or -1.
int digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/// Exactly `size` bytes of padded base64; false when the text is anything else.
bool decode_base64(std::string_view text, std::size_t size, std::vector<std::uint8_t>& out) {
  if (text.size() != (size + 2) / 3 * 4) return false;
  out.reserve(size);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const bool padding = out.size() + k > size;  // the digit carries no byte of its own
      const int d = digit(text[i + k]);
      if (padding ? text[i + k] != '=' : d < 0) return false;
      word = word << 6 | std::uint32_t(padding ? 0 : d);
    }
    for (int shift = 16; shift >= 0 && out.size() < size; shift -= 8) out.push_back(std::uint8_t(word >> shift));
  }
  return true;
}

class LayerReader {
 public:
  LayerReader(const nlohmann::json& json, std::string place) : json_(json), place_(std::move(place)) {}

  Layer read() const {
    if (!json_.is_object()) fail("is not an object");
    if (json_.contains("type") && json_["type"] != "uint8") fail("has a type other than uint8");
    Layer layer;
    layer.in = width("in_ch");
    layer.out = width("out_ch");
    layer.weight_scale = number("weight_scale");
    layer.bias_scale = number("bias_scale");
    const auto data = json_.find("data_b64");
    if (data == json_.end() || !data->is_string()) fail("lacks the text data_b64");
    const std::size_t size = (std::size_t(layer.in) + 1) * std::size_t(layer.out);
    if (!decode_base64(data->get_ref<const std::string&>(), size, layer.bytes))
      fail("data_b64 is not the base64 of (in_ch + 1) out_ch = " + std::to_string(size) + " bytes");
    return layer;
  }
  [[noreturn]] void fail(const std::string& why) const { throw DataError(place_ + " " + why); }

 private:
  int width(const char* key) const {
    const auto v = json_.find(key);
    if (v == json_.end() || !v->is_number_unsigned() || v->get<std::uint64_t>() < 1 ||
        v->get<std::uint64_t>() > std::uint64_t(kMaxWidth))
      fail(std::string(key) + " is not an integer from 1 to " + std::to_string(kMaxWidth));
    return v->get<int>();
  }
  double number(const char* key) const {
    const auto v = json_.find(key);
    if (v == json_.end() || !v->is_number() || !std::isfinite(v->get<double>()))
      fail(std::string(key) + " is not a number");
    return v->get<double>();
  }
  const nlohmann::json& json_;
  std::string place_;
};

void add_layer(const Layer& layer, const std::string& name, TensorFile& params) {
  std::vector<double> weight, bias;
  for (int o = 0; o < layer.out; ++o) {
    for (int i = 0; i < layer.in; ++i) weight.push_back(layer.weight(i, o));
    bias.push_back(layer.bias(o));
  }
  params.add(name + ".weight", {std::size_t(layer.out), std::size_t(layer.in)}, weight.data());
  params.add(name + ".bias", {std::size_t(layer.out)}, bias.data());
}

}  // namespace

ImportedNca parse_distill_nca(std::string_view text, const std::string& where) {
  const auto bounded = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > kMaxDepth) throw DataError(where + ": nested too deeply");
    return true;
  };
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text.begin(), text.end(), bounded);
  } catch (const nlohmann::json::exception&) {
    throw DataError(where + ": is not valid JSON");
  }
  if (!json.is_array() || json.size() != 2) throw DataError(where + ": is not a list of two layers");
  const LayerReader first(json[0], where + ": layer 1"), second(json[1], where + ": layer 2");
  const Layer hidden = first.read(), output = second.read();
  if (hidden.out != output.in)
    second.fail("takes " + std::to_string(output.in) + " values, but layer 1 gives " + std::to_string(hidden.out));
  if (hidden.in != 3 * output.out)
    first.fail("takes " + std::to_string(hidden.in) + " features, but three per channel are " +
               std::to_string(3 * output.out));
  ImportedNca nca;
  nca.format = "distill";
  nca.channels = output.out;
  nca.features = hidden.in;
  nca.hidden = hidden.out;
  nca.kernels = {"ID", "GRAD"};
  // Bands identity, Sobel-x / 8 and Sobel-y / 8 of the file are the blocks ID, GRAD[0] and GRAD[1] in the same order.
  add_layer(hidden, "hidden", nca.params);
  add_layer(output, "output", nca.params);
  return nca;
}

ImportedNca read_distill_nca(const std::filesystem::path& path) {
  return parse_distill_nca(read_file(path, kMaxFile), path.string());
}

}  // namespace mg
