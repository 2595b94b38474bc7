#pragma once
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "nca/isa_vector.hpp"

/// Philox 4x32-10 (core/philox.hpp) for kLanes sites at a time.
namespace mg::nca::MG_ISA {

typedef std::uint64_t Vw __attribute__((vector_size(kLanes * 4)));

/// Products of the even 32-bit words with b; the odd words of a are not looked at.
inline Vw even_products(Vw a, std::uint32_t b) {
#if defined(__AVX512F__)
  return (Vw)_mm512_maskz_mul_epu32(0xFF, (__m512i)a, (__m512i)(Vw{} + b));
#elif defined(__AVX2__)
  return (Vw)_mm256_mul_epu32((__m256i)a, (__m256i)(Vw{} + b));
#elif defined(__SSE2__)
  return (Vw)_mm_mul_epu32((__m128i)a, (__m128i)(Vw{} + b));
#else
  return (a & 0xFFFFFFFFU) * b;
#endif
}

struct Words {
  Vu v[4];
};

/// Every other site: the low halves of the 64-bit lanes; what lies in the high halves is never looked at.
struct HalfWords {
  Vw v[4];
  void round(std::uint32_t key0, std::uint32_t key1) {
    const Vw a = even_products(v[0], 0xD2511F53U), b = even_products(v[2], 0xCD9E8D57U);
    *this = {{(b >> 32) ^ v[1] ^ key0, b, (a >> 32) ^ v[3] ^ key1, a}};
  }
};

inline Words philox(Vu site, std::uint32_t c1, std::uint32_t c2, std::uint32_t c3, std::uint32_t key0,
                    std::uint32_t key1) {
  HalfWords even{{(Vw)site, Vw{} + c1, Vw{} + c2, Vw{} + c3}}, odd = even;
  odd.v[0] >>= 32;
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    even.round(key0, key1);
    odd.round(key0, key1);
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  const Vw lower = Vw{} + 0xFFFFFFFFU;
  Words out;
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) out.v[i] = (Vu)((even.v[i] & lower) | (odd.v[i] << 32));
  return out;
}

}  // namespace mg::nca::MG_ISA
