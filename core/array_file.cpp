#include "core/array_file.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "core/error.hpp"
#include "core/npy.hpp"

namespace mg {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t(1) << 36, kMostUnpacked = std::uint64_t(1) << 32;
constexpr std::uint64_t kBestRatio = 1032;  // of deflate

[[noreturn]] void refuse(const std::string& where, const std::string& why) { throw DataError(where + ": " + why); }

/// Little endian integers of a zip file at checked places.
class ZipBytes {
 public:
  ZipBytes(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}
  std::string_view at(std::uint64_t from, std::uint64_t size) const {
    if (from > bytes_.size() || size > bytes_.size() - from) refuse(where_, "truncated zip file");
    return bytes_.substr(from, size);
  }
  std::uint64_t number(std::uint64_t from, int size) const {
    const std::string_view b = at(from, std::uint64_t(size));
    std::uint64_t v = 0;
    for (int k = size; k-- > 0;) v = v << 8 | static_cast<unsigned char>(b[std::size_t(k)]);
    return v;
  }
  std::uint64_t size() const { return bytes_.size(); }
  const std::string& where() const { return where_; }

 private:
  std::string_view bytes_;
  const std::string& where_;
};

struct Entry {
  std::string name;
  std::uint64_t method = 0, crc = 0, packed = 0, unpacked = 0, offset = 0, flags = 0;
};
struct Directory {
  std::uint64_t start = 0, count = 0;
};

Directory find_directory(const ZipBytes& zip) {
  constexpr std::uint64_t kEnd = 22, kComment = 65535;
  for (std::uint64_t back = kEnd; back <= zip.size() && back <= kEnd + kComment; ++back) {
    const std::uint64_t at = zip.size() - back;
    if (zip.number(at, 4) != 0x06054b50) continue;
    Directory directory{zip.number(at + 16, 4), zip.number(at + 10, 2)};
    const bool wide = directory.start == 0xFFFFFFFF || directory.count == 0xFFFF;
    if (!wide || at < 20 || zip.number(at - 20, 4) != 0x07064b50) return directory;
    const std::uint64_t record = zip.number(at - 12, 8);
    if (zip.number(record, 4) != 0x06064b50) refuse(zip.where(), "bad zip64 record");
    return {zip.number(record + 48, 8), zip.number(record + 32, 8)};
  }
  refuse(zip.where(), "not an npz file: no zip directory");
}

/// The 64-bit sizes of a directory entry whose short fields are full.
void widen(const ZipBytes& zip, std::uint64_t extra, std::uint64_t length, Entry& entry) {
  for (std::uint64_t at = extra; at + 4 <= extra + length;) {
    const std::uint64_t size = zip.number(at + 2, 2);
    std::uint64_t field = at + 4;
    if (zip.number(at, 2) == 1)
      for (std::uint64_t* value : {&entry.unpacked, &entry.packed, &entry.offset})
        if (*value == 0xFFFFFFFF) {
          if (field + 8 > at + 4 + size) refuse(zip.where(), "bad zip64 sizes");
          *value = zip.number(field, 8);
          field += 8;
        }
    at += 4 + size;
  }
}

Entry take_entry(const ZipBytes& zip, std::uint64_t& at) {
  if (zip.number(at, 4) != 0x02014b50) refuse(zip.where(), "bad zip directory");
  const std::uint64_t name = zip.number(at + 28, 2), extra = zip.number(at + 30, 2), comment = zip.number(at + 32, 2);
  Entry entry;
  entry.flags = zip.number(at + 8, 2);
  entry.method = zip.number(at + 10, 2);
  entry.crc = zip.number(at + 16, 4);
  entry.packed = zip.number(at + 20, 4);
  entry.unpacked = zip.number(at + 24, 4);
  entry.offset = zip.number(at + 42, 4);
  entry.name = std::string(zip.at(at + 46, name));
  widen(zip, at + 46 + name, extra, entry);
  at += 46 + name + extra + comment;
  return entry;
}

/// Inflates exactly `size` bytes. @param window_bits -15 for raw deflate, 31 for gzip
std::string inflated(std::string_view packed, std::uint64_t size, int window_bits, const std::string& where) {
  if (size > kMostUnpacked) refuse(where, "unpacks to more than 4 GB");
  if (size / kBestRatio > packed.size() + 64) refuse(where, "claims more data than its bytes can hold");
  std::string out(std::size_t(size), '\0');
  z_stream stream{};
  if (inflateInit2(&stream, window_bits) != Z_OK) refuse(where, "zlib does not start");
  constexpr std::size_t kChunk = std::size_t(1) << 30;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  std::size_t in = packed.size(), room = out.size();
  int status = Z_OK;
  while (status == Z_OK) {
    const std::size_t more_in = std::min(in, kChunk - stream.avail_in);
    const std::size_t more_out = std::min(room, kChunk - stream.avail_out);
    stream.avail_in += uInt(more_in), in -= more_in;
    stream.avail_out += uInt(more_out), room -= more_out;
    status = inflate(&stream, Z_NO_FLUSH);
  }
  const bool whole = status == Z_STREAM_END && stream.avail_out == 0 && room == 0;
  inflateEnd(&stream);
  if (!whole) refuse(where, "damaged compressed data");
  return out;
}

std::string entry_bytes(const ZipBytes& zip, const Entry& entry, const std::string& where) {
  if (entry.flags & 1) refuse(where, "is encrypted");
  if (zip.number(entry.offset, 4) != 0x04034b50) refuse(where, "bad zip entry");
  const std::uint64_t start = entry.offset + 30 + zip.number(entry.offset + 26, 2) + zip.number(entry.offset + 28, 2);
  const std::string_view packed = zip.at(start, entry.packed);
  std::string bytes;
  if (entry.method == 8)
    bytes = inflated(packed, entry.unpacked, -15, where);
  else if (entry.method == 0 && entry.packed == entry.unpacked)
    bytes = std::string(packed);
  else
    refuse(where, "an unknown way of compression");
  if (std::uint64_t(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size())) != entry.crc)
    refuse(where, "wrong checksum");
  return bytes;
}

struct IdxType {
  int code;
  const char* dtype;
  std::size_t bytes;
};
constexpr IdxType kIdxTypes[] = {{0x08, "U8", 1},  {0x09, "I8", 1},  {0x0B, "I16", 2},
                                 {0x0C, "I32", 4}, {0x0D, "F32", 4}, {0x0E, "F64", 8}};

std::uint32_t big_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t v = 0;
  for (std::size_t k = 0; k < 4; ++k) v = v << 8 | static_cast<unsigned char>(bytes[at + k]);
  return v;
}

}  // namespace

TensorFile parse_npz(std::string_view bytes, const std::string& where) {
  const ZipBytes zip(bytes, where);
  const Directory directory = find_directory(zip);
  TensorFile file;
  std::uint64_t at = directory.start;
  for (std::uint64_t k = 0; k < directory.count; ++k) {
    const Entry entry = take_entry(zip, at);
    const std::string place = where + ": " + entry.name;
    if (entry.name.size() < 5 || entry.name.substr(entry.name.size() - 4) != ".npy") refuse(place, "is no array");
    const std::string data = entry_bytes(zip, entry, place);
    std::string_view stream = data;
    Tensor tensor = take_npy(stream, place);
    if (!stream.empty()) refuse(place, "bytes after the array");
    if (!file.tensors.emplace(entry.name.substr(0, entry.name.size() - 4), std::move(tensor)).second)
      refuse(place, "is there twice");
  }
  return file;
}

TensorFile read_npz(const std::filesystem::path& path) { return parse_npz(read_file(path, kMostBytes), path.string()); }

Tensor parse_idx(std::string_view bytes, const std::string& where) {
  std::string unpacked;
  if (bytes.size() >= 18 && bytes[0] == '\x1f' && bytes[1] == '\x8b') {
    std::uint64_t size = 0;
    for (std::size_t k = 4; k-- > 0;) size = size << 8 | static_cast<unsigned char>(bytes[bytes.size() - 4 + k]);
    unpacked = inflated(bytes, size, 31, where);
    bytes = unpacked;
  }
  if (bytes.size() < 4 || bytes[0] != 0 || bytes[1] != 0) refuse(where, "not an IDX file");
  const int code = static_cast<unsigned char>(bytes[2]);
  const std::size_t rank = static_cast<unsigned char>(bytes[3]), start = 4 + 4 * rank;
  const auto* type = std::find_if(std::begin(kIdxTypes), std::end(kIdxTypes), [&](auto& t) { return t.code == code; });
  if (type == std::end(kIdxTypes)) refuse(where, "unknown type of numbers in an IDX file");
  if (rank < 1 || rank > 8 || bytes.size() < start) refuse(where, "bad header of an IDX file");
  Tensor tensor{type->dtype, {}, {}};
  std::size_t size = type->bytes;
  for (std::size_t k = 0; k < rank; ++k) {
    tensor.shape.push_back(big_endian(bytes, 4 + 4 * k));
    if (__builtin_mul_overflow(size, tensor.shape.back(), &size)) refuse(where, "the size of the array overflows");
  }
  if (size != bytes.size() - start)
    refuse(where, "its header promises " + std::to_string(size) + " bytes of data, it holds " +
                      std::to_string(bytes.size() - start));
  const auto* data = reinterpret_cast<const std::byte*>(bytes.data() + start);
  tensor.bytes.assign(data, data + size);
  for (std::size_t at = 0; at < size; at += type->bytes)
    std::reverse(tensor.bytes.begin() + std::ptrdiff_t(at), tensor.bytes.begin() + std::ptrdiff_t(at + type->bytes));
  return tensor;
}

Tensor read_idx(const std::filesystem::path& path) { return parse_idx(read_file(path, kMostBytes), path.string()); }

std::string idx_bytes(const Tensor& tensor) {
  if (tensor.dtype != "U8" || tensor.bytes.size() != tensor.size())
    throw std::invalid_argument("idx_bytes: expected a tensor of U8");
  std::string bytes("\0\0\x08", 3);
  bytes += char(tensor.shape.size());
  for (const std::size_t n : tensor.shape)
    for (int shift = 24; shift >= 0; shift -= 8) bytes += char(n >> shift & 255);
  return bytes.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
}

Tensor read_array(const std::filesystem::path& path, const std::string& key) {
  const std::string name = path.filename().string(), extension = path.extension().string();
  if (extension == ".npy") {
    const std::string bytes = read_file(path, kMostBytes);
    std::string_view stream = bytes;
    return take_npy(stream, path.string());
  }
  if (extension == ".npz") {
    TensorFile file = read_npz(path);
    if (file.tensors.empty()) refuse(path.string(), "holds no array");
    if (!key.empty() && !file.contains(key)) refuse(path.string(), "no array \"" + key + "\"");
    const std::string wanted = !key.empty() ? key : file.contains("states") ? "states" : file.tensors.begin()->first;
    if (key.empty() && !file.contains("states") && file.tensors.size() != 1)
      refuse(path.string(), "holds several arrays and none called \"states\"; say which by its name");
    return std::move(file.tensors.at(wanted));
  }
  if (extension == ".idx" || extension == ".gz" || name.find("-ubyte") != std::string::npos) return read_idx(path);
  refuse(path.string(), "expected a file that ends in .npy, .npz, .idx, .gz or -ubyte");
}

}  // namespace mg
