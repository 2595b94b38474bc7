#pragma once
#include <cstdint>

/// Vectors of the instruction set that the including file is compiled for. Everything lives in namespace MG_ISA, so that
/// no copy is linked in place of another.
namespace mg::nca::MG_ISA {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16, kRows = 8;
#elif defined(__AVX2__)
inline constexpr int kLanes = 8, kRows = 4;
#else
inline constexpr int kLanes = 4, kRows = 4;
#endif
inline constexpr int kCols = 3;               ///< vectors of a register tile: kRows x kCols accumulators
inline constexpr int kSpan = kCols * kLanes;  ///< cells of a register tile
inline constexpr int kBlock = 48;             ///< cells that go through the network together

typedef float V __attribute__((vector_size(kLanes * 4)));
typedef std::int32_t Vi __attribute__((vector_size(kLanes * 4)));
typedef std::uint32_t Vu __attribute__((vector_size(kLanes * 4)));

template <class W, class T>
inline W load(const T* p) {
  W v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline V load(const float* p) { return load<V>(p); }
template <class T, class W>
inline void store(T* p, W v) {
  __builtin_memcpy(p, &v, sizeof v);
}
inline V splat(float s) { return s - V{}; }  // not V{} + s, which is no copy of -0
inline V select(Vi mask, V a, V b) { return mask ? a : b; }
inline V vmax(V a, V b) { return select(a > b, a, b); }
inline V vmin(V a, V b) { return select(a < b, a, b); }

inline float sum(V v) {
  float s = 0;
  for (int i = 0; i < kLanes; ++i) s += v[i];
  return s;
}

/// Copies n floats in whole vectors: up to kLanes - 1 values more, which both arrays must have room for.
inline void copy_over(const float* from, float* to, int n) {
  for (int i = 0; i < n; i += kLanes) store(to + i, load(from + i));
}

}  // namespace mg::nca::MG_ISA
