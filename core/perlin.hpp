#pragma once
#include <cstdint>
#include <vector>

namespace mg {

/// Lattice gradient noise on h x w points, values in [-1, 1], not periodic. Octave o = 0 .. octaves - 1 has 2^o lattice
/// cells on the longer side and amplitude 2^-o; the corners have gradients along one axis, picked by a permutation of
/// 0 .. max(h, w) - 1 of that octave; both blends use 6 t^5 - 15 t^4 + 10 t^3; the sum is mapped so that its smallest
/// value is -1 and its largest 1 (0 everywhere if it is constant).
/// @param permutations  [octaves][max(h, w)]
/// @throws std::invalid_argument when the finest lattice has more cells than the side has points, or sizes do not fit
/// @source Perlin, Improving noise, SIGGRAPH 2002; the reference implementation
std::vector<double> perlin(int h, int w, const std::vector<std::vector<int>>& permutations);

/// A permutation of 0 .. n - 1 for every octave, keyed by seed, iteration and sample.
std::vector<std::vector<int>> perlin_permutations(int octaves, int n, std::uint64_t seed, std::uint32_t iteration,
                                                  std::uint32_t sample);

/// Octaves that a lattice can hold: 2^(octaves - 1) <= max(h, w), `wanted` at most.
int perlin_octaves(int h, int w, int wanted);

}  // namespace mg
