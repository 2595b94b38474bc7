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

/// The 64-bit products a b of every lane, as high and low words.
inline void wide_product(Vu a, std::uint32_t b, Vu& high, Vu& low) {
  const Vw even = even_products((Vw)a, b), odd = even_products((Vw)a >> 32, b);
  const Vw upper = Vw{} + 0xFFFFFFFF00000000U;
  high = (Vu)((even >> 32) | (odd & upper));
  low = (Vu)((even & ~upper) | (odd << 32));
}

struct Words {
  Vu v[4];
};

inline Words philox(Vu site, std::uint32_t c1, std::uint32_t c2, std::uint32_t c3, std::uint32_t key0,
                    std::uint32_t key1) {
  Words c{{site, Vu{} + c1, Vu{} + c2, Vu{} + c3}};
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    Vu h0, l0, h1, l1;
    wide_product(c.v[0], 0xD2511F53U, h0, l0);
    wide_product(c.v[2], 0xCD9E8D57U, h1, l1);
    c = {{h1 ^ c.v[1] ^ key0, l1, h0 ^ c.v[3] ^ key1, l0}};
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return c;
}

}  // namespace mg::nca::MG_ISA
