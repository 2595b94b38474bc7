#pragma once
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mg {

/// One tensor of a safetensors file, converted on request.
struct Tensor {
  std::string dtype;  ///< "F64" "F32" "I64" "I32" "U8" "BOOL" ...
  std::vector<std::size_t> shape;
  std::vector<std::byte> bytes;           ///< little endian, C order
  std::size_t size() const;               ///< product of shape
  std::vector<double> as_double() const;  ///< any numeric dtype, exact; @throws DataError otherwise
};

/// A safetensors file in memory: named tensors and string metadata.
struct TensorFile {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;

  bool contains(const std::string& name) const { return tensors.contains(name); }
  /// @throws DataError naming the tensor and the known ones
  const Tensor& at(const std::string& name) const;
  /// Adds a copy of product(shape) elements: float, double, int64, int32 or uint8.
  template <class T>
  void add(std::string name, std::vector<std::size_t> shape, const T* data);
};

/// Reads with every check before any allocation: header length, JSON (depth, duplicates), dtypes, overflow-checked
/// sizes, offsets contiguous and covering the file exactly.
/// @throws DataError naming file and tensor; IoError when the file cannot be read
TensorFile read_safetensors(const std::filesystem::path& path);
/// The same from memory; `where` names the source in errors.
TensorFile parse_safetensors(std::string_view bytes, const std::string& where);
/// The bytes of such a file; the same content gives the same bytes. Data starts at a multiple of 64.
std::string safetensors_bytes(const TensorFile& file);

}  // namespace mg
