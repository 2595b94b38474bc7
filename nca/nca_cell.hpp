#pragma once
#include <cstdint>

#include "core/activation.hpp"
#include "core/padding.hpp"
#include "core/philox.hpp"
#include "nca/nca_spec.hpp"

// Per-cell maths of a step and its adjoint, the same text for the host loops and the device kernels.
namespace mg::nca {

/// Which cells and channels of one step fire; a pure function of the StepIndex.
struct FireRule {
  RandomStream stream;  ///< its `sample` is the one of batch index 0
  std::uint64_t threshold = 0;
  bool always = true, per_cell = false;

  /// The words that decide channels 4 group ... 4 group + 3 of cell y w + x of sample n; plane = h w.
  MG_HD Philox4 words(int n, int group, std::uint32_t cell, std::uint32_t plane) const {
    RandomStream s = stream;
    s.sample += std::uint32_t(n);
    return s.words(std::uint32_t(group) * plane + cell);
  }
  /// Whether channel c fires, given words(n, per_cell ? 0 : c / 4, ...).
  MG_HD bool fires(const Philox4& words, int c) const {
    return bernoulli(per_cell ? words.v[0] : words.v[c & 3], threshold);
  }
  /// Both in one, for code that visits single channels.
  MG_HD bool fires(int n, int c, std::uint32_t cell, std::uint32_t plane) const {
    return always || fires(words(n, per_cell ? 0 : c / 4, cell, plane), c);
  }
};

inline FireRule fire_rule(const NcaSpec& spec, const StepIndex& index) {
  FireRule rule;
  rule.stream = {index.seed, RandomPurpose::fire, std::uint32_t(index.iteration), std::uint32_t(index.step),
                 std::uint32_t(index.sample0)};
  rule.threshold = bernoulli_threshold(spec.fire_rate);
  rule.always = spec.fire_rate >= 1;
  rule.per_cell = spec.fire_mask == FireMask::cell;
  return rule;
}

/// alive(z) at (y, x): whether any value of the 3x3 neighbourhood exceeds the threshold. A neighbour outside the lattice
/// is the cell that `padding` puts there; with zero padding it never counts.
/// @param alpha  alpha(y, x) of a cell inside the lattice
template <class T, class Load>
MG_HD bool alive_around(Padding padding, int h, int w, int y, int x, T threshold, const Load& alpha) {
  for (int dy = -1; dy <= 1; ++dy) {
    const int yy = padded_index(padding, y + dy, h);
    for (int dx = -1; dx <= 1; ++dx) {
      const int xx = padded_index(padding, x + dx, w);
      if (yy >= 0 && xx >= 0 && alpha(yy, xx) > threshold) return true;
    }
  }
  return false;
}

/// Row of the boundary mask that acts on channel c, or -1: soft has one row for each of the last `rows` channels, hard
/// one for all.
MG_HD int boundary_row(Boundary kind, int channels, int rows, int c) {
  if (kind == Boundary::hard) return 0;
  return kind == Boundary::soft && c >= channels - rows ? c - (channels - rows) : -1;
}
/// soft: the mask itself; hard: y times the mask.
template <class T>
MG_HD T apply_boundary(Boundary kind, T y, T mask) {
  return kind == Boundary::soft ? mask : y * mask;
}
/// y_bar from the cotangent behind the boundary: 0 (soft), times the mask (hard).
template <class T>
MG_HD T apply_boundary_adjoint(Boundary kind, T next_bar, T mask) {
  return kind == Boundary::soft ? T(0) : next_bar * mask;
}

/// Gated linear unit: d = u sigmoid(g).
template <class T>
MG_HD T gate(T u, T g) {
  return u * sigmoid(g);
}
/// (u_bar, g_bar) = d_bar (s, u s (1 - s)) with s = sigmoid(g).
template <class T>
MG_HD void gate_adjoint(T u, T g, T d_bar, T& u_bar, T& g_bar) {
  const T s = sigmoid(g);
  u_bar = d_bar * s;
  g_bar = d_bar * u * s * (T(1) - s);
}

}  // namespace mg::nca
