#pragma once
#include <cmath>
#include <cstdint>

#include "core/macros.hpp"

namespace mg {

struct Philox4 {
  std::uint32_t v[4];
};

/// Philox 4x32-10: ten rounds of the counter-based generator.
/// @source Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC'11; Random123 vectors are the test
MG_HD Philox4 philox4x32(Philox4 counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * counter.v[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57U} * counter.v[2];
    counter = {{std::uint32_t(p1 >> 32) ^ counter.v[1] ^ key0, std::uint32_t(p1),
                std::uint32_t(p0 >> 32) ^ counter.v[3] ^ key1, std::uint32_t(p0)}};
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return counter;
}

/// What a random number is for. Two purposes never share a counter.
enum class RandomPurpose : std::uint32_t {
  fire = 1,
  init = 2,
  shift = 3,
  circle = 4,
  noise = 5,
  pool = 6,
  steps = 7,
  loss_samples = 8,
  run = 9,
  agents = 10,
  start = 11,
  test = 15
};

/// Counter-based stream: the numbers depend only on (seed, purpose, iteration, step, sample, site), so they are the
/// same on every backend, in the replay of an adjoint, after a resume and for any number of ranks.
struct RandomStream {
  std::uint64_t seed = 0;
  RandomPurpose purpose = RandomPurpose::test;
  std::uint32_t iteration = 0;
  std::uint32_t step = 0;    ///< < 2^24
  std::uint32_t sample = 0;  ///< global sample index

  /// Four independent 32-bit words of one site.
  MG_HD Philox4 words(std::uint32_t site) const {
    return philox4x32({{site, step | (std::uint32_t(purpose) << 24), sample, iteration}}, std::uint32_t(seed),
                      std::uint32_t(seed >> 32));
  }
};

/// Uniform in [0, 1) with 24 random bits (float) or 32 (double): k / 2^24, k / 2^32.
template <class T>
MG_HD T uniform01(std::uint32_t word) {
  if constexpr (sizeof(T) == 4) return T(word >> 8) * T(0x1p-24);
  return T(word) * T(0x1p-32);
}

/// Whether an event of probability p happens: word < p 2^32, exactly always for p = 1.
/// `threshold` is bernoulli_threshold(p).
MG_HD bool bernoulli(std::uint32_t word, std::uint64_t threshold) { return word < threshold; }
MG_HD std::uint64_t bernoulli_threshold(double p) { return std::uint64_t(p * 4294967296.0 + 0.5); }

/// Uniform integer in [0, n): the high word of word * n (bias < n / 2^32).
MG_HD std::uint32_t uniform_below(std::uint32_t word, std::uint32_t n) {
  return std::uint32_t((std::uint64_t(word) * n) >> 32);
}

/// Two standard normals from two words by Box-Muller, evaluated in double for the same bits on every host compiler.
MG_HD void normal2(std::uint32_t a, std::uint32_t b, double out[2]) {
  const double u = (double(a) + 0.5) * 0x1p-32, phi = 6.283185307179586 * (double(b) * 0x1p-32);
  const double r = std::sqrt(-2.0 * std::log(u));
  out[0] = r * std::cos(phi);
  out[1] = r * std::sin(phi);
}

}  // namespace mg
