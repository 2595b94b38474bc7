#pragma once
#include <cstddef>
#include <cstdint>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

/// Vectors of cells of the instruction set that the including file is compiled for, in namespaces of their own.
namespace mg::pde::reaction::MG_ISA {
namespace {

// What a vector of cells needs is inlined, so that rows and passes stay local objects that no store can change.
#define MG_INLINE __attribute__((always_inline)) inline

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif

template <class T>
struct Vector {
  static constexpr int kLanes = kBytes / int(sizeof(T));
  using Word = decltype([] {
    if constexpr (sizeof(T) == 4)
      return std::int32_t{};
    else
      return std::int64_t{};
  }());
  typedef T V __attribute__((vector_size(kBytes)));
  typedef Word M __attribute__((vector_size(kBytes)));

  static MG_INLINE V load(const T* p) {
    V v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
  static MG_INLINE V load(const T* p, int count, T rest) {
    V v;
    for (int i = 0; i < kLanes; ++i) v[i] = i < count ? p[i] : rest;
    return v;
  }
  /// Each lane's left neighbour in a row: the last lane of `before`, then all but the last of v.
  static MG_INLINE V left(V before, V v) {
    M m;
    for (int i = 0; i < kLanes; ++i) m[i] = Word(kLanes - 1 + i);
    return __builtin_shuffle(before, v, m);
  }
  /// Each lane's right neighbour: all but the first of v, then the first of `after`.
  static MG_INLINE V right(V v, V after) {
    M m;
    for (int i = 0; i < kLanes; ++i) m[i] = Word(i + 1);
    return __builtin_shuffle(v, after, m);
  }
  static MG_INLINE void stream(T* p, V v) {
#if defined(__AVX512F__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(p), reinterpret_cast<__m512i>(v));
#elif defined(__AVX2__)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), reinterpret_cast<__m256i>(v));
#elif defined(__SSE2__)
    _mm_stream_si128(reinterpret_cast<__m128i*>(p), reinterpret_cast<__m128i>(v));
#else
    __builtin_memcpy(p, &v, sizeof v);
#endif
  }
};

}  // namespace
}  // namespace mg::pde::reaction::MG_ISA
