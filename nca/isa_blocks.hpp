#pragma once
#include <cstddef>
#include <cstdint>

#include "nca/isa_philox.hpp"
#include "nca/isa_stencil.hpp"
#include "nca/isa_vector.hpp"
#include "nca/nca_fast.hpp"

/// A strip cut into blocks of kBlock cells: their features, their places and their fire mask.
namespace mg::nca::MG_ISA {

inline constexpr int kAhead = 2;                 ///< rows that are fetched before they are needed
inline constexpr int kStride = kBlock + kLanes;  ///< of feature rows: a block grows by whole vectors

/// Scratch of one thread, cut from one allocation.
struct Scratch {
  static std::size_t size(const Step& s) {
    Scratch t(s, nullptr);
    return t.used_;
  }
  Scratch(const Step& s, float* base) : base_(base) {
    const std::size_t strip = std::size_t(s.strip_rows) * s.w;
    ring = take(Strip::ring_size(s));
    y_bar = take(s.C * strip);
    p_bar = take(2 * kLanes + s.Fp * (strip + kStride)) + 2 * kLanes;
    row = take(std::size_t(s.F) * (s.w + kLanes));
    p = take(std::size_t(s.F) * kStride);
    pt = take(std::size_t(kBlock) * s.Fv);
    a = take(std::size_t(s.Hp) * kBlock);
    slope = take(std::size_t(s.gated ? s.Hp : kRows) * kBlock);
    z_bar = take(std::size_t(s.Hp) * kBlock);
    u = take(std::size_t(s.Op) * kBlock);
    u_bar = take(std::size_t(s.O) * kBlock);
    ut = take(std::size_t(kBlock) * s.Ov);
    fire = take(std::size_t(s.C) * kBlock);
    where = reinterpret_cast<std::int32_t*>(take(kStride));
    active = reinterpret_cast<std::uint8_t*>(take(s.w / 4 + kLanes));
  }
  float* ring;           // rows of x, then of x_bar, with padding
  float* y_bar;          // [C][strip cells]
  float* p_bar;          // [Fp][strip cells + kStride]
  float* row;            // [F][w + kLanes] features of one row
  float* p;              // [F][kStride] features of the block
  float* pt;             // [kBlock][Fv] transposed
  float* a;              // [Hp][kBlock] hidden layer of the block
  float* slope;          // act' of a tile, or of all when gated
  float* z_bar;          // [Hp][kBlock]
  float *u, *u_bar;      // [Op][kBlock], [O][kBlock]
  float* ut;             // [kBlock][Ov] u_bar transposed
  float* fire;           // [C][kBlock]
  std::int32_t* where;   // [kStride] cells of the block, counted from the strip's first
  std::uint8_t* active;  // [w] cells of a row that go through the network

 private:
  float* take(std::size_t n) {
    const std::size_t at = used_;
    used_ += (n + 15) / 16 * 16;
    return base_ == nullptr ? nullptr : base_ + at;
  }
  float* base_;
  std::size_t used_ = 0;
};

inline std::uint32_t sample_counter(const Step& s, int n) { return s.sample0 + std::uint32_t(n); }

/// Which cells of row r go through the network: 1 where they may fire and their update can matter.
/// @return how many
inline int choose_cells(const Step& s, const Strip& t, int r, std::uint8_t* active) {
  const std::size_t row = t.first + std::size_t(r) * t.w;
  const bool draw = s.per_cell && !s.always && s.override_mask == nullptr;
  int count = 0;
  for (int x = 0; x < t.w; x += kLanes) {
    Vu go = ~Vu{};
    if (draw) {
      Vu site;
      for (int i = 0; i < kLanes; ++i) site[i] = std::uint32_t(row + x + i);
      go = (Vu)(philox(site, s.counter1, sample_counter(s, t.n), s.counter3, s.key0, s.key1).v[0] < s.threshold);
    }
    for (int i = 0; i < kLanes && x + i < t.w; ++i) {
      const bool near = s.near == nullptr || s.near[t.n * t.plane + row + x + i] != 0;
      active[x + i] = near && go[i] != 0;
      count += active[x + i];
    }
  }
  return count;
}

/// Appends the features of the active cells of a row, already in `row`, at position k of the block.
/// Stops when the block is full. @return the column where it stopped
inline int append_active(const Step& s, const Scratch& t, int w, int x, int r, int& k) {
  while (x < w && k < kBlock) {
    const int n = w - x < kLanes ? w - x : kLanes;
    int count = 0;
#if defined(__AVX512F__)
    std::uint32_t mask = 0;
    for (int i = 0; i < n; ++i) mask |= std::uint32_t(t.active[x + i]) << i;
    count = __builtin_popcount(mask);
    if (count != 0)
      for (int f = 0; f < s.F; ++f)
        _mm512_storeu_ps(
            t.p + std::size_t(f) * kStride + k,
            _mm512_maskz_compress_ps(__mmask16(mask), _mm512_loadu_ps(t.row + std::size_t(f) * (w + kLanes) + x)));
#else
    for (int i = 0; i < n; ++i)
      if (t.active[x + i]) {
        for (int f = 0; f < s.F; ++f)
          t.p[std::size_t(f) * kStride + k + count] = t.row[std::size_t(f) * (w + kLanes) + x + i];
        ++count;
      }
#endif
    for (int i = 0, at = k; i < n; ++i)
      if (t.active[x + i]) t.where[at++] = r * w + x + i;
    k += count;
    x += kLanes;
  }
  return x < w ? x : w;
}

/// Calls fn(cells) for the blocks of a strip, with their features in scratch.p and their places in scratch.where.
/// Without skipping a block is `cells` consecutive cells of the strip.
template <class Fn>
void for_blocks(const Step& s, const Strip& t, const Scratch& b, const float* x, bool skip, const Fn& fn) {
  int padded = -1;
  for (int r = -1; r + 1 < kAhead && r < t.rows; ++r)  // pad_up_to fetches the others in time
    if (const int y = s.row_of[t.y0 + r + 1]; y >= 0) prefetch_row<0>(s, x, t.plane, std::size_t(y));
  const auto pad_up_to = [&](int r) {
    for (; padded <= r; ++padded) {
      if (padded + kAhead < t.rows) prefetch_row<0>(s, x, t.plane, std::size_t(t.y0 + padded + kAhead));
      pad_row(s, t, x, padded, b.ring);
    }
  };
  if (!skip) {
    for (int first = 0; first < t.cells; first += kBlock) {
      const int cells = t.cells - first < kBlock ? t.cells - first : kBlock;
      for (int k = 0; k < cells;) {
        const int r = (first + k) / t.w, column = (first + k) % t.w;
        const int len = t.w - column < cells - k ? t.w - column : cells - k;
        pad_up_to(r + 1);
        perceive_row(s, t, b.ring, r, column, len, b.p + k, kStride);
        k += len;
      }
      for (int k = 0; k < kBlock; ++k) b.where[k] = first + k;
      fn(cells);
    }
    return;
  }
  int k = 0;
  for (int r = 0; r < t.rows; ++r) {
    pad_up_to(r + 1);
    if (choose_cells(s, t, r, b.active) == 0) continue;
    perceive_row(s, t, b.ring, r, 0, t.w, b.row, t.w + kLanes);
    for (int column = 0; column < t.w;) {
      column = append_active(s, b, t.w, column, r, k);
      if (k < kBlock) continue;
      fn(kBlock);
      for (int f = 0; f < s.F; ++f)
        store(b.p + std::size_t(f) * kStride, load(b.p + std::size_t(f) * kStride + kBlock));
      store(b.where, load<Vi>(b.where + kBlock));
      k -= kBlock;
    }
  }
  if (k > 0) fn(k);
}

/// Clears the features behind the last cell, so that no rubbish meets a zero.
inline void clear_rest(const Step& s, const Scratch& b, int cells) {
  for (int f = 0; f < s.F; ++f)
    for (int k = cells; k < kBlock; ++k) b.p[std::size_t(f) * kStride + k] = 0;
}

/// scratch.fire = M of the block.
inline void draw_block(const Step& s, const Strip& t, const Scratch& b, int cells, bool skip) {
  if (s.override_mask != nullptr) {
    for (int c = 0; c < s.C; ++c)
      for (int k = 0; k < cells; ++k)
        b.fire[c * kBlock + k] = s.override_mask[(std::size_t(t.n) * s.C + c) * t.plane + t.first + b.where[k]];
    return;
  }
  const bool ones = s.always || (s.per_cell && skip);  // skipping has kept only cells that fire
  const int groups = ones ? 0 : s.per_cell ? 1 : (s.C + 3) / 4;
  for (int k = 0; k < kBlock; k += kLanes) {
    const Vu cell = (Vu)load<Vi>(b.where + k) + std::uint32_t(t.first);
    for (int g = 0; g < groups; ++g) {
      const Words words = philox(cell + std::uint32_t(g) * std::uint32_t(t.plane), s.counter1, sample_counter(s, t.n),
                                 s.counter3, s.key0, s.key1);
      const int last = s.per_cell ? s.C : 4 * g + 4 < s.C ? 4 * g + 4 : s.C;
      for (int c = 4 * g; c < last; ++c)
        store(b.fire + c * kBlock + k, select((Vi)(words.v[s.per_cell ? 0 : c & 3] < s.threshold), splat(1.0F), V{}));
    }
    if (ones)
      for (int c = 0; c < s.C; ++c) store(b.fire + c * kBlock + k, splat(1.0F));
  }
}

/// Whether some cells never go through the network. Then a block is a list of cells, else a run of them.
inline bool skips(const Step& s) {
  return s.near != nullptr || (s.per_cell && !s.always && s.override_mask == nullptr);
}

}  // namespace mg::nca::MG_ISA
