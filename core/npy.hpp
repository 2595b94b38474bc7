#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.hpp"
#include "core/safetensors.hpp"

namespace mg {

/// Takes one NPY record (versions 1 to 3) off the front of `stream`. Fortran order is turned into C order. Types:
/// booleans, integers and floats of little endian byte order, and V2 as bfloat16; never pickled objects.
/// Header (at most 10000 bytes), type and size are checked against the bytes left before anything is allocated.
/// @throws DataError naming `where`
Tensor take_npy(std::string_view& stream, const std::string& where);

/// A record exactly as NumPy writes it (version 1.0, C order, data at a multiple of 64).
std::string npy_bytes(const Tensor& tensor);

/// The part of npy_bytes before the data, and the size of the data; `dtype` as in safetensors ("F32" ...).
/// @throws std::invalid_argument for a type without a NumPy name
std::string npy_header_bytes(std::string_view dtype, const std::vector<std::size_t>& shape);
std::size_t npy_data_bytes(std::string_view dtype, const std::vector<std::size_t>& shape);

/// Writes arrays into an .npz file (uncompressed zip, readable by numpy.load) one by one, so that no more than one has
/// to be in memory. The file appears with finish(). The same arrays give the same bytes.
class NpzWriter {
 public:
  explicit NpzWriter(const std::filesystem::path& path) : file_(path) {}
  /// Appends `product(shape)` elements of a safetensors dtype ("F32" ...) as `name`.npy.
  /// @throws std::invalid_argument on a repeated or empty name, IoError
  void add(const std::string& name, const std::string& dtype, const std::vector<std::size_t>& shape, const void* data);
  void add(const std::string& name, const std::vector<std::size_t>& shape, const float* data) {
    add(name, "F32", shape, data);
  }
  void add(const std::string& name, const std::vector<std::size_t>& shape, const double* data) {
    add(name, "F64", shape, data);
  }
  /// Starts an array whose elements follow by append(), in C order: for what is not in memory as a whole.
  /// @throws std::invalid_argument as add(), std::logic_error while another array is not complete
  void begin(const std::string& name, const std::string& dtype, const std::vector<std::size_t>& shape);
  /// @throws std::logic_error for more bytes than the shape has
  void append(const void* data, std::size_t bytes);
  /// @throws std::logic_error while an array is not complete
  void finish();
  /// Entries and offsets from this size on use the 64-bit fields of the format; tests lower it.
  void set_zip64_threshold(std::uint64_t bytes) { zip64_from_ = bytes; }

 private:
  struct Entry {
    std::string name;
    std::uint32_t crc = 0;
    std::uint64_t bytes = 0, offset = 0;
  };
  AtomicFile file_;
  std::vector<Entry> entries_;
  std::uint64_t zip64_from_ = 0xFFFFFFFF;
  std::uint64_t missing_ = 0;  // bytes of the last entry that append() has not brought yet
};

}  // namespace mg
