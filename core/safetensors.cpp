#include "core/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "core/error.hpp"

namespace mg {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are stored little endian");

constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::size_t kMaxRank = 64;
constexpr std::size_t kAlignment = 64;

struct DtypeSize {
  std::string_view name;
  std::size_t bytes;
};
constexpr DtypeSize kDtypes[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
                                 {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
                                 {"U32", 4},  {"F32", 4}, {"I64", 8}, {"U64", 8},     {"F64", 8}};

/// 0 when the type is unknown.
std::size_t dtype_bytes(std::string_view name) {
  for (const auto& d : kDtypes)
    if (d.name == name) return d.bytes;
  return 0;
}

struct Entry {
  std::string name, dtype;
  std::vector<std::size_t> shape;
  std::vector<std::uint64_t> offsets;
  std::size_t bytes = 0;
};

struct Header {
  std::vector<Entry> entries;  // in the order of their data
  std::map<std::string, std::string> metadata;
};

/// Accepts exactly the grammar of a header, so its depth is bounded by construction.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  Header header;
  std::string error;

  bool start_object(std::size_t) override {
    if (at_ == At::start) return at_ = At::top, true;
    if (at_ == At::value && key_ == "__metadata__") return at_ = At::metadata, true;
    if (at_ != At::value) return fail("an object where none belongs");
    header.entries.emplace_back().name = key_;
    fields_.clear();
    return at_ = At::tensor, true;
  }
  bool end_object() override {
    if (at_ == At::tensor && fields_.size() != 3)
      return fail("tensor '" + header.entries.back().name + "' lacks dtype, shape or data_offsets");
    at_ = at_ == At::top ? At::end : At::top;
    return true;
  }
  bool key(std::string& k) override {
    key_ = k;
    if (at_ == At::top) {
      if (!names_.insert(k).second) return fail("duplicate name '" + k + "'");
      return at_ = At::value, true;
    }
    if (at_ == At::metadata) return header.metadata.emplace(k, "").second || fail("duplicate metadata '" + k + "'");
    if (k != "dtype" && k != "shape" && k != "data_offsets") return fail("unknown key '" + k + "' of a tensor");
    return fields_.insert(k).second || fail("duplicate key '" + k + "' of a tensor");
  }
  bool string(std::string& text) override {
    if (at_ == At::metadata) return header.metadata[key_] = text, true;
    if (at_ == At::tensor && key_ == "dtype") return header.entries.back().dtype = text, true;
    return fail("a string at '" + key_ + "'");
  }
  bool start_array(std::size_t) override {
    if (at_ != At::tensor || key_ == "dtype") return fail("an array at '" + key_ + "'");
    return at_ = At::list, true;
  }
  bool end_array() override { return at_ = At::tensor, true; }
  bool number_unsigned(std::uint64_t n) override {
    if (at_ != At::list) return fail("a number at '" + key_ + "'");
    auto& e = header.entries.back();
    if (key_ == "shape") return e.shape.push_back(n), e.shape.size() <= kMaxRank || fail("too many dimensions");
    return e.offsets.push_back(n), e.offsets.size() <= 2 || fail("more than two data_offsets");
  }
  bool null() override { return fail("null at '" + key_ + "'"); }
  bool boolean(bool) override { return fail("a boolean at '" + key_ + "'"); }
  bool binary(nlohmann::json::binary_t&) override { return fail("binary data"); }
  bool number_integer(std::int64_t) override { return fail("a negative number at '" + key_ + "'"); }
  bool number_float(double, const std::string& text) override { return fail("the number " + text); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    return fail("invalid JSON at byte " + std::to_string(position));
  }

 private:
  enum class At { start, top, value, metadata, tensor, list, end };
  bool fail(const std::string& why) {
    if (error.empty()) error = why;
    return false;
  }
  At at_ = At::start;
  std::string key_;
  std::set<std::string> names_, fields_;
};

/// Size in bytes of a tensor of `unit` bytes per element; false on overflow.
bool checked_bytes(const std::vector<std::size_t>& shape, std::size_t unit, std::size_t& bytes) {
  bytes = unit;
  if (std::find(shape.begin(), shape.end(), 0U) != shape.end()) return bytes = 0, true;
  for (const std::size_t n : shape)
    if (__builtin_mul_overflow(bytes, n, &bytes)) return false;
  return true;
}

Header parse_header(std::string_view text, std::uint64_t data_bytes, const std::string& where) {
  const auto fail = [&](const std::string& why) { throw DataError(where + ": not a safetensors file: " + why); };
  if (text.empty() || text.front() != '{') fail("the header does not start with '{'");
  HeaderReader reader;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &reader)) fail(reader.error);
  Header header = std::move(reader.header);
  for (auto& e : header.entries) {
    const std::string tensor = "tensor '" + e.name + "': ";
    const std::size_t unit = dtype_bytes(e.dtype);
    if (unit == 0) fail(tensor + "unknown dtype '" + e.dtype + "'");
    if (!checked_bytes(e.shape, unit, e.bytes)) fail(tensor + "its size overflows");
    if (e.offsets.size() != 2 || e.offsets[0] > e.offsets[1]) fail(tensor + "bad data_offsets");
    if (e.offsets[1] > data_bytes) fail(tensor + "its data lies behind the end of the file");
    if (e.offsets[1] - e.offsets[0] != e.bytes) fail(tensor + "its data_offsets contradict dtype and shape");
  }
  std::stable_sort(header.entries.begin(), header.entries.end(),
                   [](const Entry& a, const Entry& b) { return a.offsets < b.offsets; });
  std::uint64_t end = 0;
  for (const auto& e : header.entries) {
    if (e.offsets[0] != end) fail("tensor '" + e.name + "': a hole or an overlap before its data");
    end = e.offsets[1];
  }
  if (end != data_bytes)
    fail("the tensors cover " + std::to_string(end) + " of " + std::to_string(data_bytes) + " bytes");
  return header;
}

std::uint64_t header_length(const char* first8, std::uint64_t file_bytes, const std::string& where) {
  std::uint64_t n = 0;
  std::memcpy(&n, first8, 8);
  if (n > std::min(file_bytes - 8, kMaxHeader))
    throw DataError(where + ": not a safetensors file: header of " + std::to_string(n) + " bytes in a file of " +
                    std::to_string(file_bytes));
  return n;
}

/// `read(destination, bytes)` delivers the data of the file from its start on.
template <class Read>
TensorFile read_file(std::uint64_t file_bytes, const std::string& where, Read read) {
  if (file_bytes < 8) throw DataError(where + ": not a safetensors file: shorter than 8 bytes");
  char first8[8];
  read(first8, 8);
  std::string text(header_length(first8, file_bytes, where), '\0');
  read(text.data(), text.size());
  Header header = parse_header(text, file_bytes - 8 - text.size(), where);
  TensorFile file;
  file.metadata = std::move(header.metadata);
  for (auto& e : header.entries) {
    Tensor tensor{std::move(e.dtype), std::move(e.shape), std::vector<std::byte>(e.bytes)};
    read(reinterpret_cast<char*>(tensor.bytes.data()), e.bytes);
    file.tensors.emplace(std::move(e.name), std::move(tensor));
  }
  return file;
}

}  // namespace

TensorFile parse_safetensors(std::string_view bytes, const std::string& where) {
  std::size_t at = 0;
  return read_file(bytes.size(), where, [&](char* to, std::size_t n) {
    if (n > 0) std::memcpy(to, bytes.data() + at, n);
    at += n;
  });
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) throw IoError(path.string() + ": no such file");
  const auto size = std::filesystem::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  if (error || !in) throw IoError(path.string() + ": cannot be opened for reading");
  return read_file(size, path.string(), [&](char* to, std::size_t n) {
    if (!in.read(to, std::streamsize(n))) throw IoError(path.string() + ": read error");
  });
}

std::string safetensors_bytes(const TensorFile& file) {
  std::vector<std::pair<std::string, const Tensor*>> order;
  for (const auto& [name, tensor] : file.tensors) {
    std::size_t bytes = 0;
    const std::size_t unit = dtype_bytes(tensor.dtype);
    if (unit == 0 || !checked_bytes(tensor.shape, unit, bytes) || bytes != tensor.bytes.size())
      throw std::invalid_argument("safetensors: tensor '" + name + "' contradicts its dtype or shape");
    order.emplace_back(name, &tensor);
  }
  // Wide types first, so that every tensor is aligned to its type.
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return dtype_bytes(a.second->dtype) > dtype_bytes(b.second->dtype);
  });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  std::size_t end = 0;
  for (const auto& [name, tensor] : order) {
    const std::size_t begin = end;
    end += tensor->bytes.size();
    header[name] = {{"dtype", tensor->dtype}, {"shape", tensor->shape}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.append((kAlignment - (8 + text.size()) % kAlignment) % kAlignment, ' ');
  const std::uint64_t length = text.size();
  std::string bytes(reinterpret_cast<const char*>(&length), 8);
  bytes.reserve(8 + text.size() + end);
  bytes += text;
  for (const auto& [name, tensor] : order)
    bytes.append(reinterpret_cast<const char*>(tensor->bytes.data()), tensor->bytes.size());
  return bytes;
}

}  // namespace mg
