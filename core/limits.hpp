#pragma once
#include <cstddef>

namespace mg {

// What the host can do at best, measured now: benchmarks stand beside these figures. All threads work at once; the best of
// `repeats` short runs counts, so that other processes disturb little.

/// Multiply-adds of float vectors of the best instruction set, from registers. [flop/s]
double measure_fma_peak(int repeats);

/// Copying between two arrays of `bytes` each, read and written bytes counted. [byte/s]
double measure_copy_bandwidth(std::size_t bytes, int repeats);

}  // namespace mg
