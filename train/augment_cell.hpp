#pragma once
#include "core/philox.hpp"
#include "core/view.hpp"

// Per-cell maths of the augmenters, shared by the host loops and the device kernels.
namespace mg::train {

enum class NoiseChannels { all, observed, hidden };

/// What one callback of the morph augmenter does to one batch: all draws made, everything else in the arrays.
struct MorphBatch {
  Shape shape;                ///< (pairs, channels, h, w) of the batch
  int observed = 0;           ///< channels [0, observed) are compared with the data
  int shift[2] = {0, 0};      ///< cyclic roll of the result [cells on axis 1, on axis 0]
  int unshift[2] = {0, 0};    ///< roll that `previous` carries
  bool propagate = true;      ///< pair n starts from the end of pair n - 1; false: from the truth
  bool reset = false;         ///< observed channels of every pair start from the truth
  int circle[3] = {0, 0, 0};  ///< centre on axis 1, centre on axis 0, diameter; diameter 0 = no damage
  double noise = 0;           ///< x <- (1 - noise) x + noise g, g ~ N(0, 1), or U[0, 1) when `uniform`
  bool uniform = false;
  NoiseChannels noisy = NoiseChannels::all;
  RandomStream stream;  ///< of the noise; sample = global index of pair 0
};

/// i modulo n for any sign.
MG_HD int wrapped(int i, int n) {
  const int r = i % n;
  return r < 0 ? r + n : r;
}

/// Whether (y, x) lies in the closed disc of that diameter around (cy, cx): 4 d^2 <= diameter^2.
MG_HD bool in_circle(int y, int x, int cy, int cx, int diameter) {
  const int a = y - cy, b = x - cx;
  return 4 * (a * a + b * b) <= diameter * diameter;
}

/// Four standard normals (or uniforms) of one site.
MG_HD void noise_quad(const RandomStream& stream, std::uint32_t site, bool uniform, double out[4]) {
  const Philox4 w = stream.words(site);
  if (uniform) {
    for (int k = 0; k < 4; ++k) out[k] = uniform01<double>(w.v[k]);
    return;
  }
  normal2(w.v[0], w.v[1], out);
  normal2(w.v[2], w.v[3], out + 2);
}

/// New start value of channel c of pair n at cell (y, x), before noise. Positions are undone first: the value comes from
/// the unshifted frames, is rolled by `shift` and damaged.
template <class T>
MG_HD T morph_value(const MorphBatch& m, View<const T> previous, View<const T> truth, int n, int c, int y, int x) {
  if (m.circle[2] > 0 && in_circle(y, x, m.circle[1], m.circle[0], m.circle[2])) return T(0);
  const int h = m.shape.h, w = m.shape.w, i = wrapped(y - m.shift[1], h), j = wrapped(x - m.shift[0], w);
  if (n == 0 || !m.propagate || (m.reset && c < m.observed)) return truth(n, c, i, j);
  return previous(n - 1, c, wrapped(i + m.unshift[1], h), wrapped(j + m.unshift[0], w));
}

/// Start values of channels 4 q .. 4 q + 3 of pair n at cell (y, x).
/// @param g  (pairs, C, h, w) given noise instead of the drawn one; null data = draw
template <class T>
MG_HD void morph_cell(const MorphBatch& m, View<const T> previous, View<const T> truth, View<const T> g, View<T> out,
                      int n, int q, int y, int x) {
  double drawn[4] = {0, 0, 0, 0};
  if (m.noise > 0 && g.data == nullptr) {
    RandomStream stream = m.stream;
    stream.sample += std::uint32_t(n);
    noise_quad(stream, std::uint32_t((q * m.shape.h + y) * m.shape.w + x), m.uniform, drawn);
  }
  for (int k = 0; k < 4; ++k) {
    const int c = 4 * q + k;
    if (c >= m.shape.c) return;
    T value = morph_value(m, previous, truth, n, c, y, x);
    const bool noisy = m.noisy == NoiseChannels::all || (m.noisy == NoiseChannels::observed) == (c < m.observed);
    if (m.noise > 0 && noisy) {
      const T draw = g.data != nullptr ? g(n, c, y, x) : T(drawn[k]);
      value = T(1 - m.noise) * value + T(m.noise) * draw;
    }
    out(n, c, y, x) = value;
  }
}

/// target(n, c) rolled by `shift`.
template <class T>
MG_HD T rolled_value(const int shift[2], View<const T> truth, int n, int c, int y, int x) {
  return truth(n, c, wrapped(y - shift[1], truth.shape.h), wrapped(x - shift[0], truth.shape.w));
}

inline constexpr int kMaxPoolBatch = 256;

/// One batch drawn from a pool of stored samples; sample r of the batch is the one of rank r (worst first).
struct PoolBatch {
  Shape shape;               ///< (batch, channels, h, w)
  int observed = 0;          ///< channels compared with the target
  int targets = 1;           ///< slot p belongs to target p % targets
  bool reseed = true;        ///< rank 0 starts from the seed
  int damaged = 0;           ///< the last ranks (lowest loss) lose a disc
  RandomStream stream;       ///< of the discs; sample = rank
  int slots[kMaxPoolBatch];  ///< drawn slots of the pool, in drawing order
};

/// A disc in coordinates that run over [-1, 1] on both axes: centre U(-0.5, 0.5)^2, radius U(0.1, 0.4).
struct Disc {
  double cy, cx, r;
};
MG_HD Disc pool_disc(RandomStream stream, int rank) {
  stream.sample = std::uint32_t(rank);
  const Philox4 w = stream.words(0);
  return {uniform01<double>(w.v[0]) - 0.5, uniform01<double>(w.v[1]) - 0.5, 0.1 + 0.3 * uniform01<double>(w.v[2])};
}
/// Position i of n cells in [-1, 1].
MG_HD double unit_position(int i, int n) { return n > 1 ? 2.0 * i / (n - 1) - 1.0 : 0.0; }
MG_HD bool in_disc(const Disc& d, int y, int x, int h, int w) {
  const double a = unit_position(y, h) - d.cy, b = unit_position(x, w) - d.cx;
  return a * a + b * b < d.r * d.r;
}

/// Start values of all channels of rank r at cell (y, x).
/// @param pool (slots, C, h, w), seeds (targets, C, h, w), order [batch] position in `slots` of every rank
template <class T>
MG_HD void pool_cell(const PoolBatch& b, View<const T> pool, View<const T> seeds, const int* order, View<T> out, int r,
                     int y, int x) {
  const int slot = b.slots[order[r]];
  const bool seed = b.reseed && r == 0;
  const bool hole = !seed && r >= b.shape.n - b.damaged && in_disc(pool_disc(b.stream, r), y, x, b.shape.h, b.shape.w);
  for (int c = 0; c < b.shape.c; ++c)
    out(r, c, y, x) = hole ? T(0) : seed ? seeds(slot % b.targets, c, y, x) : pool(slot, c, y, x);
}

/// Squared distance of one stored cell from its target, over the observed channels.
template <class T>
MG_HD double pool_error(const PoolBatch& b, View<const T> pool, View<const T> targets, int k, int y, int x) {
  double sum = 0;
  for (int c = 0; c < b.observed; ++c) {
    const double d = double(pool(b.slots[k], c, y, x)) - double(targets(b.slots[k] % b.targets, c, y, x));
    sum += d * d;
  }
  return sum;
}

/// Rank of entry k: how many scores are higher; equal ones in drawing order, NaN first (it must be replaced).
MG_HD int pool_rank(const double* scores, int n, int k) {
  const bool nan = !(scores[k] == scores[k]);
  int rank = 0;
  for (int j = 0; j < n; ++j) {
    const bool j_nan = !(scores[j] == scores[j]);
    const bool before = j_nan != nan ? j_nan : (nan || scores[j] == scores[k]) ? j < k : scores[j] > scores[k];
    rank += int(before);
  }
  return rank;
}

}  // namespace mg::train
