#include <zlib.h>

#include <algorithm>
#include <stdexcept>

#include "core/npy.hpp"

namespace mg {
namespace {

constexpr std::uint32_t kDosDate = 0x0021;  // 1980-01-01, so that the bytes do not depend on the clock

/// Little endian fields of the zip format.
class Fields {
 public:
  Fields& u16(std::uint64_t v) { return put(v, 2); }
  Fields& u32(std::uint64_t v) { return put(v, 4); }
  Fields& u64(std::uint64_t v) { return put(v, 8); }
  Fields& text(const std::string& s) { return bytes += s, *this; }
  std::string bytes;

 private:
  Fields& put(std::uint64_t v, int n) {
    for (int i = 0; i < n; ++i) bytes += char(v >> (8 * i) & 255);
    return *this;
  }
};

std::uint32_t crc_of(std::uint32_t crc, const void* data, std::uint64_t size) {
  return std::uint32_t(::crc32_z(crc, static_cast<const unsigned char*>(data), size));
}

}  // namespace

void NpzWriter::begin(const std::string& name, const std::string& dtype, const std::vector<std::size_t>& shape) {
  const std::string file_name = name + ".npy";
  const bool taken = std::any_of(entries_.begin(), entries_.end(), [&](auto& e) { return e.name == file_name; });
  if (name.empty() || name.size() > 1000 || name.find('\0') != name.npos || taken)
    throw std::invalid_argument("npz: bad or repeated name '" + name + "'");
  if (missing_ > 0) throw std::logic_error("npz: '" + entries_.back().name + "' is not complete");
  const std::string header = npy_header_bytes(dtype, shape);
  missing_ = npy_data_bytes(dtype, shape);
  Entry entry{file_name, crc_of(0, header.data(), header.size()), header.size() + missing_, file_.written()};
  const bool wide = entry.bytes >= zip64_from_;
  Fields f;
  f.u32(0x04034b50).u16(wide ? 45 : 20).u16(0).u16(0).u16(0).u16(kDosDate).u32(0);  // the checksum comes last
  f.u32(wide ? 0xFFFFFFFF : entry.bytes).u32(wide ? 0xFFFFFFFF : entry.bytes);
  f.u16(entry.name.size()).u16(wide ? 20 : 0).text(entry.name);
  if (wide) f.u16(1).u16(16).u64(entry.bytes).u64(entry.bytes);
  file_.write(f.bytes);
  file_.write(header);
  entries_.push_back(std::move(entry));
  append(nullptr, 0);
}

void NpzWriter::append(const void* data, std::size_t bytes) {
  if (bytes > missing_) throw std::logic_error("npz: more data than '" + entries_.back().name + "' has room for");
  constexpr std::uint64_t kChecksum = 14;  // its place in the header of an entry
  Entry& entry = entries_.back();
  if (bytes > 0) {
    entry.crc = crc_of(entry.crc, data, bytes);
    file_.write({static_cast<const char*>(data), bytes});
  }
  missing_ -= bytes;
  if (missing_ == 0) file_.overwrite(entry.offset + kChecksum, Fields().u32(entry.crc).bytes);
}

void NpzWriter::add(const std::string& name, const std::string& dtype, const std::vector<std::size_t>& shape,
                    const void* data) {
  begin(name, dtype, shape);
  if (missing_ > 0) append(data, missing_);
}

void NpzWriter::finish() {
  if (missing_ > 0) throw std::logic_error("npz: '" + entries_.back().name + "' is not complete");
  const std::uint64_t start = file_.written();
  for (const auto& e : entries_) {
    const bool wide_size = e.bytes >= zip64_from_, wide_offset = e.offset >= zip64_from_;
    const int extra = 16 * wide_size + 8 * wide_offset;
    Fields f;
    f.u32(0x02014b50).u16(45).u16(extra ? 45 : 20).u16(0).u16(0).u16(0).u16(kDosDate).u32(e.crc);
    f.u32(wide_size ? 0xFFFFFFFF : e.bytes).u32(wide_size ? 0xFFFFFFFF : e.bytes);
    f.u16(e.name.size()).u16(extra ? extra + 4 : 0).u16(0).u16(0).u16(0).u32(0);
    f.u32(wide_offset ? 0xFFFFFFFF : e.offset).text(e.name);
    if (extra) f.u16(1).u16(extra);
    if (wide_size) f.u64(e.bytes).u64(e.bytes);
    if (wide_offset) f.u64(e.offset);
    file_.write(f.bytes);
  }
  const std::uint64_t size = file_.written() - start, count = entries_.size();
  const bool wide = start >= zip64_from_ || size >= zip64_from_ || count >= 0xFFFF;
  Fields f;
  if (wide) {
    f.u32(0x06064b50).u64(44).u16(45).u16(45).u32(0).u32(0).u64(count).u64(count).u64(size).u64(start);
    f.u32(0x07064b50).u32(0).u64(start + size).u32(1);
  }
  const std::uint64_t short_count = wide ? 0xFFFF : count;
  f.u32(0x06054b50).u16(0).u16(0).u16(short_count).u16(short_count);
  f.u32(wide ? 0xFFFFFFFF : size).u32(wide ? 0xFFFFFFFF : start).u16(0);
  file_.write(f.bytes);
  file_.commit(false);
}

}  // namespace mg
