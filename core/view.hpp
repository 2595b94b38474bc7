#pragma once
#include <cassert>
#include <cstddef>
#include <type_traits>

#include "core/macros.hpp"

namespace mg {

/// Extent of a batch of 2-D fields: (n, c, h, w), w fastest. h counts rows (axis 0), w columns (axis 1).
struct Shape {
  int n = 1, c = 1, h = 1, w = 1;
  MG_HD std::size_t plane() const { return std::size_t(h) * w; }
  MG_HD std::size_t cells() const { return std::size_t(n) * h * w; }
  MG_HD std::size_t size() const { return cells() * c; }
  friend bool operator==(const Shape&, const Shape&) = default;
};

/// Non-owning view of a field, passed by value to kernels. Checks indices unless NDEBUG is set.
template <class T>
struct View {
  T* data = nullptr;
  Shape shape;

  MG_HD T& operator()(int n, int c, int y, int x) const {
    assert(n >= 0 && n < shape.n && c >= 0 && c < shape.c);
    assert(y >= 0 && y < shape.h && x >= 0 && x < shape.w);
    return data[((std::size_t(n) * shape.c + c) * shape.h + y) * shape.w + x];
  }
  /// First element of one channel plane (h, w).
  MG_HD T* plane(int n, int c) const { return data + (std::size_t(n) * shape.c + c) * shape.plane(); }

  /// View<T> -> View<const T>. A template, else nvcc warns about the identity conversion.
  template <class U>
  requires(std::is_same_v<U, const T> && !std::is_const_v<T>) MG_HD operator View<U>() const { return {data, shape}; }
};

/// A parameter of this type is not used for template deduction, so a View<T> converts to it.
template <class T>
using ConstView = View<const std::type_identity_t<T>>;

}  // namespace mg
