#pragma once
#include "train/augment_cell.hpp"
#include "train/image_cell.hpp"

// Per-sample and per-cell maths of objectives and augmenters of trajectories.
namespace mg::train {

/// terms[n][term] += factor losses[n].
template <class T>
struct AddLossTerm {
  const T* losses;  // [n]
  double* terms;    // [n][kTerms]
  int term;
  double factor;
  MG_HD void operator()(int n) const { terms[n * kTerms + term] += factor * double(losses[n]); }
};

/// x = (1 - noise) x + noise g on the chosen channels, g ~ N(0, 1).
template <class T>
struct BlendNoise {
  T* x;            // (n, channels, cells)
  const T* given;  // (n, channels, cells) g, or null = draw
  std::size_t cells;
  int channels, observed;
  double noise;
  NoiseChannels noisy;
  RandomStream stream;  // sample = global index of sample 0
  MG_HD void operator()(std::size_t plane, std::size_t cell) const {
    const int c = int(plane % std::size_t(channels));
    if (noisy != NoiseChannels::all && (noisy == NoiseChannels::observed) != (c < observed)) return;
    const std::size_t i = plane * cells + cell;
    double drawn[2];
    if (given != nullptr) {
      drawn[0] = double(given[i]);
    } else {
      RandomStream own = stream;
      own.sample += std::uint32_t(plane / std::size_t(channels));
      const Philox4 w = own.words(std::uint32_t(std::size_t(c) * cells + cell));
      normal2(w.v[0], w.v[1], drawn);
    }
    x[i] = T(noise) * T(drawn[0]) + T(1 - noise) * x[i];
  }
};

/// Zeroes the observed channels of one sample, or the others.
template <class T>
struct KeepChannels {
  T* x;  // (channels, cells)
  std::size_t cells;
  int observed;
  bool keep_observed;
  MG_HD void operator()(std::size_t plane, std::size_t cell) const {
    if ((int(plane) < observed) != keep_observed) x[plane * cells + cell] = T(0);
  }
};

/// x = factor (x with the observed channels of frames [begin, end) as predicted + x).
template <class T>
struct OverwriteFrames {
  T* x;                // (frames, channels, cells)
  const T* predicted;  // (end - begin, channels, cells)
  std::size_t cells;
  int channels, observed, begin, end;
  T factor;
  MG_HD void operator()(std::size_t plane, std::size_t cell) const {
    const int t = int(plane) / channels, c = int(plane) % channels;
    T& v = x[plane * cells + cell];
    const bool inside = t >= begin && t < end && c < observed;
    const T other = inside ? predicted[(plane - std::size_t(begin) * std::size_t(channels)) * cells + cell] : v;
    v = factor * (other + v);
  }
};

}  // namespace mg::train
