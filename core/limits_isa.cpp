#include <cstddef>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

// Loops that do nothing but use one resource of the machine. Plain functions only: see core/cpu.hpp.
namespace mg::MG_ISA {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
typedef float V __attribute__((vector_size(kBytes)));

/// 12 independent chains of x = x m + a, `rounds` long; flop counts them.
float fma_burst(long rounds, double& flop) {
  constexpr int kChains = 12, kLanes = kBytes / 4;
  V x[kChains], m, a;
  for (int i = 0; i < kLanes; ++i) m[i] = 0.999F, a[i] = 0.001F;
  for (int c = 0; c < kChains; ++c)
    for (int i = 0; i < kLanes; ++i) x[c][i] = float(c);
  for (long r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) x[c] = x[c] * m + a;
  }
  flop = 2.0 * kChains * kLanes * double(rounds);
  float sum = 0;
  for (int c = 0; c < kChains; ++c) sum += x[c][0];
  return sum;
}

/// Copies n floats, a multiple of 16, between 64-byte aligned arrays, past the caches where the machine can.
void copy_stream(const float* from, float* to, std::size_t n) {
#if defined(__AVX2__)
  for (std::size_t i = 0; i < n; i += 8) _mm256_stream_ps(to + i, _mm256_load_ps(from + i));
  _mm_sfence();
#elif defined(__SSE2__)
  for (std::size_t i = 0; i < n; i += 4) _mm_stream_ps(to + i, _mm_load_ps(from + i));
  _mm_sfence();
#else
  for (std::size_t i = 0; i < n; ++i) to[i] = from[i];
#endif
}

}  // namespace mg::MG_ISA
