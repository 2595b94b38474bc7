#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <type_traits>

#include "core/error.hpp"
#include "core/safetensors.hpp"

namespace mg {
namespace {

template <class T>
std::vector<double> widen(const Tensor& t) {
  std::vector<double> out(t.bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, t.bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = double(value);
    if constexpr (sizeof(T) == 8 && std::is_integral_v<T>)
      if (std::abs(out[i]) > 9007199254740992.0) throw DataError("a " + t.dtype + " tensor holds integers beyond 2^53");
  }
  return out;
}

double half_to_double(std::uint16_t h) {
  const int exponent = (h >> 10) & 31, fraction = h & 1023;
  double v = 0;
  if (exponent == 31)
    v = fraction ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
  else
    v = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
  return (h & 0x8000) ? -v : v;
}

double bfloat_to_double(std::uint16_t h) { return double(std::bit_cast<float>(std::uint32_t(h) << 16)); }

std::vector<double> widen16(const Tensor& t, double (*convert)(std::uint16_t)) {
  std::vector<double> out(t.bytes.size() / 2);
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint16_t h;
    std::memcpy(&h, t.bytes.data() + 2 * i, 2);
    out[i] = convert(h);
  }
  return out;
}

template <class T>
constexpr std::string_view dtype_of() {
  if constexpr (std::is_same_v<T, float>) return "F32";
  if constexpr (std::is_same_v<T, double>) return "F64";
  if constexpr (std::is_same_v<T, std::int64_t>) return "I64";
  if constexpr (std::is_same_v<T, std::int32_t>) return "I32";
  if constexpr (std::is_same_v<T, std::uint8_t>) return "U8";
}

}  // namespace

std::size_t Tensor::size() const {
  std::size_t n = 1;
  for (const std::size_t d : shape) n *= d;
  return n;
}

std::vector<double> Tensor::as_double() const {
  if (dtype == "F64") return widen<double>(*this);
  if (dtype == "F32") return widen<float>(*this);
  if (dtype == "I64") return widen<std::int64_t>(*this);
  if (dtype == "U64") return widen<std::uint64_t>(*this);
  if (dtype == "I32") return widen<std::int32_t>(*this);
  if (dtype == "U32") return widen<std::uint32_t>(*this);
  if (dtype == "I16") return widen<std::int16_t>(*this);
  if (dtype == "U16") return widen<std::uint16_t>(*this);
  if (dtype == "I8") return widen<std::int8_t>(*this);
  if (dtype == "U8" || dtype == "BOOL") return widen<std::uint8_t>(*this);
  if (dtype == "F16") return widen16(*this, half_to_double);
  if (dtype == "BF16") return widen16(*this, bfloat_to_double);
  throw DataError("a tensor of dtype '" + dtype + "' cannot be read as numbers");
}

const Tensor& TensorFile::at(const std::string& name) const {
  const auto it = tensors.find(name);
  if (it != tensors.end()) return it->second;
  std::string known;
  for (const auto& [other, tensor] : tensors) known += (known.empty() ? "" : ", ") + other;
  throw DataError("no tensor '" + name + "'; the file holds: " + known);
}

template <class T>
void TensorFile::add(std::string name, std::vector<std::size_t> shape, const T* data) {
  Tensor tensor{std::string(dtype_of<T>()), std::move(shape), {}};
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  tensor.bytes.assign(bytes, bytes + tensor.size() * sizeof(T));
  if (name == "__metadata__" || !tensors.emplace(name, std::move(tensor)).second)
    throw std::invalid_argument("TensorFile: the name '" + name + "' is taken");
}

template void TensorFile::add(std::string, std::vector<std::size_t>, const float*);
template void TensorFile::add(std::string, std::vector<std::size_t>, const double*);
template void TensorFile::add(std::string, std::vector<std::size_t>, const std::int64_t*);
template void TensorFile::add(std::string, std::vector<std::size_t>, const std::int32_t*);
template void TensorFile::add(std::string, std::vector<std::size_t>, const std::uint8_t*);

}  // namespace mg
