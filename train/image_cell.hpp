#pragma once
#include <cmath>
#include <cstddef>

#include "core/macros.hpp"
#include "train/plane_ops.hpp"

// Per-cell maths of the features and regularisers of images, each beside its adjoint. `plane` = n C + c.
namespace mg::train {

/// Derivative of |v|: +1 at 0, as the automatic differentiation of the reference has it.
template <class T>
MG_HD T slope_of_abs(T v) {
  return v >= T(0) ? T(1) : T(-1);
}

// ---- channels and features -----------------------------------------------------------------------------------------
/// to[n, c] = from[n, c] for the c < to_channels first channels.
template <class T>
struct GatherChannels {
  const T* from;
  T* to;
  std::size_t cells;
  int from_channels, to_channels;
  MG_HD std::size_t source(std::size_t plane) const {
    return plane / std::size_t(to_channels) * std::size_t(from_channels) + plane % std::size_t(to_channels);
  }
  MG_HD void operator()(std::size_t plane, std::size_t cell) const {
    to[plane * cells + cell] = from[source(plane) * cells + cell];
  }
};

/// Adjoint of GatherChannels: from_bar[n, c] += to_bar[n, c].
template <class T>
struct ScatterChannels {
  GatherChannels<T> gather;  // cells and channel counts only
  const T* to_bar;
  T* from_bar;
  MG_HD void operator()(std::size_t plane, std::size_t cell) const {
    from_bar[gather.source(plane) * gather.cells + cell] += to_bar[plane * gather.cells + cell];
  }
};

/// p[n, c] *= factor for c >= first; its own adjoint.
template <class T>
struct ScaleChannels {
  T* p;
  std::size_t cells;
  int channels, first;
  T factor;
  MG_HD void operator()(std::size_t plane, std::size_t cell) const {
    if (int(plane % std::size_t(channels)) >= first) p[plane * cells + cell] *= factor;
  }
};

/// The mask of every channel, repeated for all blocks: to[n, block C + c] = from[n, c].
template <class T>
struct TileMask {
  const T* from;
  T* to;
  std::size_t cells;  // of a mask plane: 1 or h w
  int channels, blocks;
  MG_HD void operator()(std::size_t plane, std::size_t cell) const {
    const std::size_t c = std::size_t(channels), n = plane / (c * std::size_t(blocks));
    to[plane * cells + cell] = from[(n * c + plane % c) * cells + cell];
  }
};

// ---- state regulariser ---------------------------------------------------------------------------------------------
/// Channels [begin, end) held in [low, high]: r = |x - low| + |x - high| - (high - low), 0 inside. Its derivative is 0
/// from low (included) to high, +2 from high on, -2 below low.
template <class T>
struct StateBand {
  int channels, begin, end;
  T low, high;
  MG_HD bool counts(std::size_t plane) const {
    const int c = int(plane % std::size_t(channels));
    return c >= begin && c < end;
  }
};

template <class T>
struct StateSums {
  static constexpr int kSums = 1;
  const T* x;
  std::size_t cells;
  StateBand<T> band;
  MG_HD Sums<1> operator()(std::size_t plane, std::size_t cell) const {
    if (!band.counts(plane)) return {{0.0}};
    const T v = x[plane * cells + cell], a = v - band.low, b = v - band.high;
    return {{double(std::abs(a) + std::abs(b) - (band.high - band.low))}};
  }
};

template <class T>
struct StatePull {
  const T* x;
  std::size_t cells;
  StateBand<T> band;
  T factor;
  T* x_bar;
  MG_HD void operator()(std::size_t plane, std::size_t cell) const {
    if (!band.counts(plane)) return;
    const std::size_t i = plane * cells + cell;
    x_bar[i] += factor * (slope_of_abs(x[i] - band.low) + slope_of_abs(x[i] - band.high));
  }
};

// ---- boundary regulariser ------------------------------------------------------------------------------------------
/// What the boundary regulariser compares: |x - boundary(x)| for
///   hard           x mask, every channel
///   soft           the mask in the last `rows` channels
///   soft_frames    the mask of row 0 in all channels of the last sample of every batch of `per_batch` samples
enum class BoundaryTerm { hard, soft, soft_frames };

template <class T>
struct BoundaryDifference {
  BoundaryTerm term;
  const T *x, *mask;  // (n, channels, cells), (n, rows, cells)
  std::size_t cells;
  int channels, rows, per_batch;

  /// d = x - boundary(x), and its derivative by x.
  MG_HD T operator()(std::size_t plane, std::size_t cell, T& derivative) const {
    const std::size_t n = plane / std::size_t(channels);
    const int row = int(plane % std::size_t(channels)) - (channels - rows);
    const T v = x[plane * cells + cell];
    derivative = T(0);
    if (term == BoundaryTerm::hard) {
      derivative = T(1) - mask[n * cells + cell];
      return v * derivative;
    }
    if (term == BoundaryTerm::soft_frames ? int(n % std::size_t(per_batch)) != per_batch - 1 : row < 0) return T(0);
    derivative = T(1);
    const std::size_t at = term == BoundaryTerm::soft_frames ? 0 : std::size_t(row);
    return v - mask[(n * std::size_t(rows) + at) * cells + cell];
  }
};

template <class T>
struct BoundarySums {
  static constexpr int kSums = 1;
  BoundaryDifference<T> difference;
  MG_HD Sums<1> operator()(std::size_t plane, std::size_t cell) const {
    T derivative;
    const T d = difference(plane, cell, derivative);
    return {{double(d < T(0) ? -d : d)}};
  }
};

/// x_bar += factor (d |d| / dd) dd/dx.
template <class T>
struct BoundaryPull {
  BoundaryDifference<T> difference;
  T factor;
  T* x_bar;
  MG_HD void operator()(std::size_t plane, std::size_t cell) const {
    T derivative;
    const T d = difference(plane, cell, derivative);
    x_bar[plane * difference.cells + cell] += factor * slope_of_abs(d) * derivative;
  }
};

// ---- bookkeeping of the terms --------------------------------------------------------------------------------------
inline constexpr int kTerms = 3;  // loss, state, boundary

/// terms[n][term] += factor sums[n].
struct AddTerm {
  const double* sums;  // [n]
  double* terms;       // [n][kTerms]
  int term;
  double factor;
  MG_HD void operator()(int n) const { terms[n * kTerms + term] += factor * sums[n]; }
};

/// terms[n][0] += factor losses[n]; sample_losses[n] is its running value.
template <class T>
struct AddLoss {
  const T* losses;   // [n]
  double* terms;     // [n][kTerms]
  T* sample_losses;  // [n]
  double factor;
  MG_HD void operator()(int n) const {
    terms[n * kTerms] += factor * double(losses[n]);
    sample_losses[n] = T(terms[n * kTerms]);
  }
};

template <class T>
struct FillSamples {
  T* to;
  T value;
  MG_HD void operator()(int n) const { to[n] = value; }
};

/// out[term] = weight sum_n terms[n][term], in the order of n.
template <class T>
struct SumTerms {
  const double* terms;  // [samples][kTerms]
  int samples;
  double weight;
  T* out;  // [kTerms]
  MG_HD void operator()(int term) const {
    double sum = 0;
    for (int n = 0; n < samples; ++n) sum += terms[n * kTerms + term];
    out[term] = T(weight * sum);
  }
};

}  // namespace mg::train
