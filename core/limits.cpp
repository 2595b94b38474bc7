#include "core/limits.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/buffer.hpp"
#include "core/cpu.hpp"
#include "core/threads.hpp"

namespace mg {

#define MG_LIMIT_LOOPS(isa)                            \
  namespace isa {                                      \
  float fma_burst(long rounds, double& flop);          \
  void copy_stream(const float*, float*, std::size_t); \
  }
MG_LIMIT_LOOPS(isa_baseline)
MG_LIMIT_LOOPS(isa_avx2)
MG_LIMIT_LOOPS(isa_avx512)

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

float burst(long rounds, double& flop) {
  return of_isa(best_isa(), isa_baseline::fma_burst, isa_avx2::fma_burst, isa_avx512::fma_burst)(rounds, flop);
}

void copy(const float* from, float* to, std::size_t n) {
  of_isa(best_isa(), isa_baseline::copy_stream, isa_avx2::copy_stream, isa_avx512::copy_stream)(from, to, n);
}

/// Seconds of the best of `repeats` runs in which every thread calls body(thread) once.
template <class Body>
double best_time(int repeats, const Body& body) {
  double best = 1e30;
  for (int r = 0; r <= repeats; ++r) {
    const double start = now();
    parallel_for(max_threads(), [&](int i, int) { body(i); });
    if (r > 0) best = std::min(best, now() - start);  // the first run warms up
  }
  return best;
}

}  // namespace

double measure_fma_peak(int repeats) {
  constexpr long kRounds = 200000;  // about 1 ms
  std::vector<double> flop(static_cast<std::size_t>(max_threads()));
  volatile float sink = 0;
  const double seconds = best_time(repeats, [&](int i) { sink = burst(kRounds, flop[std::size_t(i)]); });
  double sum = 0;
  for (double f : flop) sum += f;
  return sum / seconds;
}

double measure_copy_bandwidth(std::size_t bytes, int repeats) {
  const std::size_t part = bytes / sizeof(float) / std::size_t(max_threads()) / 16 * 16;
  Buffer<float> from({}, part * std::size_t(max_threads())), to({}, from.size());
  from.zero();
  to.zero();
  const double seconds = best_time(repeats, [&](int i) { copy(from.data() + part * i, to.data() + part * i, part); });
  return 2.0 * double(from.size()) * sizeof(float) / seconds;
}

}  // namespace mg
