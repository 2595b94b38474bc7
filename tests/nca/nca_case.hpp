#pragma once
#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "nca/nca_spec.hpp"
#include "tests/support/golden.hpp"

namespace mg::test {

/// Position of `name` among `names`, without regard to case; throws when it is none of them.
template <std::size_t N>
int name_index(const std::string_view (&names)[N], const std::string& name) {
  const auto same = [](char a, char b) { return std::tolower(a) == std::tolower(b); };
  for (std::size_t i = 0; i < N; ++i)
    if (std::equal(name.begin(), name.end(), names[i].begin(), names[i].end(), same)) return int(i);
  throw std::runtime_error("unknown name in a golden case: " + name);
}

/// The specification of a golden case of the families nca_* and gnca_*.
inline nca::NcaSpec golden_spec(const nlohmann::json& params, bool gated) {
  nca::NcaSpec s;
  s.gated = gated;
  s.perception.id = s.perception.lap = false;
  s.perception.original_scaled_kernels = true;
  for (const auto& [key, value] : params.items()) {
    if (key == "N_CHANNELS")
      s.channels = value;
    else if (key == "KERNEL_STR")
      for (const std::string kernel : value) {
        bool& flag = kernel == "ID"     ? s.perception.id
                     : kernel == "DIFF" ? s.perception.diff
                     : kernel == "GRAD" ? s.perception.grad
                     : kernel == "AV"   ? s.perception.av
                     : kernel == "LAP"  ? s.perception.lap
                                        : throw std::runtime_error("unknown kernel " + kernel);
        flag = true;
      }
    else if (key == "ACTIVATION")
      s.activation = Activation(name_index(kActivationNames, value));
    else if (key == "PADDING")
      s.perception.padding = Padding(name_index(kPaddingNames, value));
    else if (key == "FIRE_RATE")
      s.fire_rate = value;
    else if (key == "KERNEL_SCALE")
      s.perception.scale = value;
    else if (key == "boundary")
      s.boundary = value == "soft"   ? nca::Boundary::soft
                   : value == "hard" ? nca::Boundary::hard
                   : value == "none" ? nca::Boundary::none
                                     : throw std::runtime_error("unknown boundary");
    else
      throw std::runtime_error("unknown parameter of a golden case: " + key);
  }
  return s;
}

template <class T>
std::vector<T> cast(const std::vector<double>& v) {
  return {v.begin(), v.end()};
}

/// A field with its memory.
template <class T>
struct Field {
  Field() = default;
  explicit Field(Shape s) : shape(s), data(s.size()) {}
  Field(Shape s, const std::vector<double>& values) : shape(s), data(values.begin(), values.end()) {
    if (data.size() != s.size()) throw std::runtime_error("a tensor does not fit its shape");
  }
  View<T> view() { return {data.data(), shape}; }
  View<const T> view() const { return {data.data(), shape}; }
  Shape shape;
  std::vector<T> data;
};

/// (1, dims...) of a tensor [c, h, w].
inline Shape shape_of(const std::vector<std::size_t>& d) { return {1, int(d.at(0)), int(d.at(1)), int(d.at(2))}; }

}  // namespace mg::test
