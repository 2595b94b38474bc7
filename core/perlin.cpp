#include "core/perlin.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/philox.hpp"

namespace mg {
namespace {

double fade(double t) { return t * t * t * (t * (6 * t - 15) + 10); }

/// The gradient of a corner times the way (du, dv) from it.
double corner(const std::vector<int>& p, int a, int b, double du, double dv) {
  const int n = int(p.size());
  const auto at = [&](int i) { return p[std::size_t(i % n)]; };
  switch (at(at(a) + b) % 4) {
    case 0:
      return dv;
    case 1:
      return -dv;
    case 2:
      return du;
    default:
      return -du;
  }
}

double octave(const std::vector<int>& p, double u, double v) {
  const int a = int(u), b = int(v);
  const double x = u - a, y = v - b, fx = fade(x);
  const double low = corner(p, a, b, x, y) * (1 - fx) + corner(p, a + 1, b, x - 1, y) * fx;
  const double high = corner(p, a, b + 1, x, y - 1) * (1 - fx) + corner(p, a + 1, b + 1, x - 1, y - 1) * fx;
  return low + fade(y) * (high - low);
}

}  // namespace

int perlin_octaves(int h, int w, int wanted) {
  int octaves = 1;
  while (octaves < wanted && (1 << octaves) <= std::max(h, w)) ++octaves;
  return octaves;
}

std::vector<double> perlin(int h, int w, const std::vector<std::vector<int>>& permutations) {
  const int side = std::max(h, w), octaves = int(permutations.size());
  if (h < 1 || w < 1 || octaves < 1 || octaves > 30 || (1 << (octaves - 1)) > side)
    throw std::invalid_argument("perlin: " + std::to_string(octaves) + " octaves on " + std::to_string(h) + " x " +
                                std::to_string(w) + " points");
  for (const auto& p : permutations)
    if (int(p.size()) != side) throw std::invalid_argument("perlin: a permutation of " + std::to_string(p.size()));
  std::vector<double> out(std::size_t(h) * std::size_t(w));
  for (int i = 0; i < h; ++i)
    for (int j = 0; j < w; ++j)
      for (int o = 0; o < octaves; ++o) {
        const double f = double(1 << o);
        out[std::size_t(i) * std::size_t(w) + std::size_t(j)] +=
            octave(permutations[std::size_t(o)], j * f / side, i * f / side) / f;
      }
  const auto [low, high] = std::minmax_element(out.begin(), out.end());
  const double from = *low, span = *high - *low;
  for (double& v : out) v = span > 0 ? 2 * (v - from) / span - 1 : 0;
  return out;
}

std::vector<std::vector<int>> perlin_permutations(int octaves, int n, std::uint64_t seed, std::uint32_t iteration,
                                                  std::uint32_t sample) {
  std::vector<std::vector<int>> all;
  for (int o = 0; o < octaves; ++o) {
    const RandomStream stream{seed, RandomPurpose::noise, iteration, std::uint32_t(o), sample};
    std::vector<int> p(static_cast<std::size_t>(n));
    std::iota(p.begin(), p.end(), 0);
    for (int k = n; k > 1; --k)
      std::swap(p[std::size_t(k - 1)], p[uniform_below(stream.words(std::uint32_t(k)).v[0], std::uint32_t(k))]);
    all.push_back(std::move(p));
  }
  return all;
}

}  // namespace mg
