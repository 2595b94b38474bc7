#pragma once
#include <string_view>

#include "core/macros.hpp"

namespace mg {

/// What a stencil reads outside the lattice. @source the reference implementation
enum class Padding { zeros, reflect, replicate, circular };

inline constexpr std::string_view kPaddingNames[] = {"ZEROS", "REFLECT", "REPLICATE", "CIRCULAR"};

/// Index inside [0, n) that stands for k, or -1 where the value is 0 (zeros outside the lattice).
/// reflect mirrors without repeating the edge (period 2(n-1)), replicate clamps, circular wraps.
MG_HD int padded_index(Padding padding, int k, int n) {
  if (k >= 0 && k < n) return k;
  switch (padding) {
    case Padding::zeros:
      return -1;
    case Padding::replicate:
      return k < 0 ? 0 : n - 1;
    case Padding::circular: {
      const int r = k % n;
      return r < 0 ? r + n : r;
    }
    case Padding::reflect: {
      if (n == 1) return 0;
      const int period = 2 * (n - 1);
      int r = k % period;
      if (r < 0) r += period;
      return r < n ? r : period - r;
    }
  }
  return -1;
}

}  // namespace mg
