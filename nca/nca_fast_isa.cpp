#include <cstddef>
#include <cstdint>

#include "nca/isa_activation.hpp"
#include "nca/isa_blocks.hpp"
#include "nca/isa_tile.hpp"
#include "nca/nca_fast.hpp"

// The automaton on blocks of kBlock cells: perception straight into a buffer that stays in the first cache, then matrix
// products in register tiles. No standard library here: a function template instantiated with this file's instruction
// set could be linked into code that must run without it.
namespace mg::nca::MG_ISA {
namespace {

using fast::Adjoint;
using fast::Step;

/// a = act(W0 p + b0) of the first `cells` cells for the kRows hidden units of tile j; slope = act' where it is asked for.
void hidden_tile(const Step& s, const float* p, int j, int cells, float* a, float* slope) {
  const float* w0 = s.w0 + std::size_t(j) * s.F * kRows;
  const auto kind = Activation(s.activation);
  for_tiles(cells, [&](int k, auto columns) {
    const auto z = product<columns.kCount>(w0, p + k, s.F, kStride, s.b0 + j * kRows);
    if (kind == Activation::relu) {
      store_tile(z, a + k, kBlock, [](int, int, V v) { return vmax(v, V{}); });
    } else {
      store_tile(z, a + k, kBlock, [](int, int, V v) { return v; });
      for (int i = 0; i < kRows; ++i)
        for (int q = k; q < k + columns.kCount * kLanes; q += kLanes) {
          V d{};
          store(a + i * kBlock + q, vactivate(kind, load(a + i * kBlock + q), slope ? &d : nullptr));
          if (slope) store(slope + i * kBlock + q, d);
        }
    }
  });
}

/// u = W1 a + b1 of the first `cells` cells of the block.
void output_layer(const Step& s, const Scratch& b, int cells) {
  for (int o = 0; o < s.Op; o += kRows)
    for_tiles(cells, [&](int k, auto columns) {
      store_tile(product<columns.kCount>(s.w1 + std::size_t(o) * s.Hp, b.a + k, s.Hp, kBlock, s.b1 + o),
                 b.u + o * kBlock + k, kBlock, [](int, int, V v) { return v; });
    });
}

/// The boundary on the strip's rows of `next` (C, h, w).
void bound_strip(const Step& s, const Strip& t, float* next, bool adjoint, std::size_t plane, std::size_t first) {
  if (s.boundary == 0) return;
  const bool soft = s.boundary == 1;
  for (int c = soft ? s.C - s.mask_rows : 0; c < s.C; ++c) {
    const int row = soft ? c - (s.C - s.mask_rows) : 0;
    const float* mask = s.boundary_mask + (std::size_t(t.n) * s.mask_rows + row) * t.plane + t.first;
    float* y = next + c * plane + first;
    for (int i = 0; i < t.cells; ++i) y[i] = soft ? (adjoint ? 0.0F : mask[i]) : y[i] * mask[i];
  }
}

void forward(const Step& s, const float* x_all, float* next_all, int unit, float* scratch) {
  const Scratch b(s, scratch);
  const Strip t(s, unit);
  const float* x = x_all + std::size_t(t.n) * s.C * t.plane;
  float* next = next_all + std::size_t(t.n) * s.C * t.plane;
  const bool skip = skips(s);
  if (skip)
    for (int c = 0; c < s.C; ++c)
      __builtin_memcpy(next + c * t.plane + t.first, x + c * t.plane + t.first, sizeof(float) * t.cells);
  for_blocks(s, t, b, x, skip, [&](int cells) {
    draw_block(s, t, b, cells, skip);
    for (int j = 0; j < s.Hp / kRows; ++j)
      hidden_tile(s, b.p, j, cells, b.a + std::size_t(j) * kRows * kBlock, nullptr);
    output_layer(s, b, cells);
    for (int c = 0; c < s.C; ++c) {
      float* u = b.u + c * kBlock;
      float* y = next + c * t.plane + t.first;
      const float* from = x + c * t.plane + t.first;
      const bool whole = !skip && cells == kBlock;
      for (int k = 0; k < cells; k += kLanes) {
        V d = load(u + k);
        if (s.gated) d = d * vsigmoid(load(u + s.C * kBlock + k));
        if (!s.always) d = d * load(b.fire + c * kBlock + k);
        if (whole)
          store(y + b.where[0] + k, load(from + b.where[0] + k) + d);
        else
          store(u + k, d);
      }
      if (!whole)
        for (int k = 0; k < cells; ++k) y[b.where[k]] = from[b.where[k]] + u[k];
    }
  });
  if (s.near == nullptr) bound_strip(s, t, next, false, t.plane, t.first);
}

/// Offsets of the sums in a group's partial.
struct Partial {
  Partial(const Step& s, float* base) {
    w0 = base;
    w1 = w0 + std::size_t(s.Hp) * s.Fv;
    b0 = w1 + std::size_t(s.Hp) * s.Ov;
    b1 = b0 + fast::kBiasLanes * s.Hp;
  }
  static std::size_t size(const Step& s) {
    return std::size_t(s.Hp) * (s.Fv + s.Ov) + fast::kBiasLanes * (s.Hp + s.Op);
  }
  float *w0, *w1, *b0, *b1;
};

/// u_bar of the block from y_bar, M and, when gated, the gate; rows beyond the cells become 0.
void output_bar(const Step& s, const Scratch& b, const float* strip_y_bar, std::size_t y_stride, int cells, bool skip) {
  for (int c = 0; c < s.C; ++c) {
    float* to = b.u_bar + c * kBlock;
    const float* y_bar = strip_y_bar + c * y_stride;
    if (skip)
      for (int k = 0; k < cells; ++k) to[k] = y_bar[b.where[k]];
    else if (cells == kBlock)
      copy_over(y_bar + b.where[0], to, kBlock);
    else
      for (int k = 0; k < cells; ++k) to[k] = y_bar[b.where[0] + k];
    for (int k = cells; k < kBlock; ++k) to[k] = 0;
    for (int k = 0; k < kBlock; k += kLanes) {
      V d = load(to + k);
      if (!s.always) d = select(load(b.fire + c * kBlock + k) > V{}, d, V{});
      if (s.gated) {
        const V u = load(b.u + c * kBlock + k), g = vsigmoid(load(b.u + (s.C + c) * kBlock + k));
        store(b.u_bar + (s.C + c) * kBlock + k, d * u * g * (splat(1.0F) - g));
        d = d * g;
      }
      store(to + k, d);
    }
  }
}

/// z_bar = act'(z) (W1^T u_bar) for tile j.
void hidden_bar_tile(const Step& s, const Scratch& b, int j, int cells, const float* a, const float* slope,
                     float* z_bar) {
  const float* w1t = s.w1t + std::size_t(j) * s.O * kRows;
  for_tiles(cells, [&](int k, auto columns) {
    const auto t = product<columns.kCount>(w1t, b.u_bar + k, s.O, kBlock, nullptr);
    if (Activation(s.activation) == Activation::relu)
      store_tile(t, z_bar + k, kBlock,
                 [&](int i, int q, V v) { return select(load(a + i * kBlock + k + q) > V{}, v, V{}); });
    else
      store_tile(t, z_bar + k, kBlock, [&](int i, int q, V v) { return v * load(slope + i * kBlock + k + q); });
  });
}

/// p_bar of the block, into its place among the cells of the strip.
void feature_bar(const Step& s, const Strip& t, const Scratch& b, int cells, bool skip) {
  const std::size_t stride = std::size_t(t.cells) + kStride;
  for (int f = 0; f < s.Fp; f += kRows)
    for_tiles(cells, [&](int k, auto columns) {
      constexpr int kWide = columns.kCount;
      const auto p_bar = product<kWide>(s.w0t + std::size_t(f) * s.Hp, b.z_bar + k, s.Hp, kBlock, nullptr);
      if (!skip) {
        float* to = b.p_bar + f * stride + b.where[0] + k;
#pragma GCC unroll 8
        for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 3
          for (int q = 0; q < kWide; ++q) store(to + i * stride + q * kLanes, p_bar.c[i][q]);
        return;
      }
      float part[kRows * kSpan];
      store_tile(p_bar, part, kSpan, [](int, int, V v) { return v; });
      for (int i = 0; i < kRows; ++i)
        for (int q = 0; q < kWide * kLanes && k + q < cells; ++q)
          b.p_bar[(f + i) * stride + b.where[k + q]] = part[i * kSpan + q];
    });
}

/// sums[i][lane] += the lanes of row i of a block, where they are computed: a bias gradient, whose lanes are added at the end.
void add_up(const float* rows, int count, int cells, float* sums) {
  for (int i = 0; i < count; ++i) {
    V v = load(sums + i * fast::kBiasLanes);
    for (int k = 0; k < cells; k += kLanes) v += load(rows + i * kBlock + k);
    store(sums + i * fast::kBiasLanes, v);
  }
}

void adjoint_block(const Step& s, const Strip& t, const Scratch& b, const float* y_bar, std::size_t y_stride,
                   const Partial& sums, int cells, bool skip) {
  if (cells < kBlock) clear_rest(s, b, cells);
  draw_block(s, t, b, cells, skip);
  transpose_block(b.p, s.F, kStride, b.pt, s.Fv);
  constexpr int kTile = kRows * kBlock;
  const int tiles = s.Hp / kRows;
  if (s.gated) {  // the gate is looked at in the whole block
    for (int j = 0; j < tiles; ++j)
      hidden_tile(s, b.p, j, kBlock, b.a + std::size_t(j) * kTile, b.slope + std::size_t(j) * kTile);
    output_layer(s, b, kBlock);
  }
  output_bar(s, b, y_bar, y_stride, cells, skip);
  transpose_block(b.u_bar, s.O, kBlock, b.ut, s.Ov);
  add_up(b.u_bar, s.O, cells, sums.b1);
  for (int j = 0; j < tiles; ++j) {
    const std::size_t at = s.gated ? std::size_t(j) * kTile : 0;
    float* z_bar = b.z_bar + std::size_t(j) * kTile;
    if (!s.gated) hidden_tile(s, b.p, j, cells, b.a, b.slope);
    hidden_bar_tile(s, b, j, cells, b.a + at, b.slope + at, z_bar);
    accumulate_all(z_bar, b.pt, s.Fv, cells, sums.w0 + std::size_t(j) * kRows * s.Fv);
    accumulate_all(b.a + at, b.ut, s.Ov, cells, sums.w1 + std::size_t(j) * kRows * s.Ov);
    if (s.hidden_bias) add_up(z_bar, kRows, cells, sums.b0 + j * kRows * fast::kBiasLanes);
  }
  feature_bar(s, t, b, cells, skip);
}

/// y_bar of the strip: next_bar through boundary and alive masking. @return the array, whose channels lie `stride` apart
const float* strip_bar(const Step& s, const Strip& t, const float* next_bar, float* y_bar, std::size_t& stride) {
  if (s.boundary == 0 && s.keep == nullptr) {
    stride = t.plane;
    return next_bar + std::size_t(t.n) * s.C * t.plane + t.first;
  }
  stride = std::size_t(t.cells);
  for (int c = 0; c < s.C; ++c)
    __builtin_memcpy(y_bar + std::size_t(c) * t.cells, next_bar + (std::size_t(t.n) * s.C + c) * t.plane + t.first,
                     sizeof(float) * t.cells);
  bound_strip(s, t, y_bar, true, t.cells, 0);
  if (s.keep == nullptr) return y_bar;
  const std::uint8_t* keep = s.keep + t.n * t.plane + t.first;
  for (int c = 0; c < s.C; ++c)
    for (int i = 0; i < t.cells; ++i)
      if (keep[i] == 0) y_bar[std::size_t(c) * t.cells + i] = 0;
  return y_bar;
}

void adjoint(const Step& s, const Adjoint& in, int unit, float* partial, float* scratch) {
  const Scratch b(s, scratch);
  const Strip t(s, unit);
  const Partial sums(s, partial);
  const bool skip = skips(s);
  const std::size_t stride = std::size_t(t.cells) + kStride, sample = std::size_t(t.n) * s.C * t.plane;
  std::size_t y_stride;
  const float* y_bar = strip_bar(s, t, in.next_bar, b.y_bar, y_stride);
  if (skip) __builtin_memset(b.p_bar, 0, sizeof(float) * s.Fp * stride);
  for_blocks(s, t, b, in.x + sample, skip,
             [&](int cells) { adjoint_block(s, t, b, y_bar, y_stride, sums, cells, skip); });

  // Row r of x_bar is complete when the features of row r + 1 have been seen; rows -1 and t.rows go to the neighbours.
  float* halo = in.halo + std::size_t(unit) * 2 * s.C * t.w;
  const auto finish_row = [&](int r) {
    fold_columns(s, t, r, b.ring);
    for (int c = 0; c < s.C; ++c) {
      const float* from = t.at(b.ring, c, r);
      if (r < 0 || r == t.rows) {
        float* to = halo + std::size_t(r < 0 ? c : s.C + c) * t.w;
        for (int i = 0; i < t.w; ++i) to[i] = from[i];
      } else {
        const float* y = y_bar + c * y_stride + std::size_t(r) * t.w;
        float* to = in.x_bar + sample + c * t.plane + t.first + std::size_t(r) * t.w;
        for (int i = 0; i < t.w; ++i) to[i] = y[i] + from[i];
      }
    }
  };
  clear_row(s, t, -1, b.ring);
  clear_row(s, t, 0, b.ring);
  for (int r = 0; r < t.rows; ++r) {
    clear_row(s, t, r + 1, b.ring);
    if (r + kAhead < t.rows) prefetch_row<1>(s, in.x_bar + sample + t.first, t.plane, std::size_t(r + kAhead));
    perceive_row_adjoint(s, t, b.p_bar + std::size_t(r) * t.w, stride, r, b.ring);
    finish_row(r - 1);
  }
  finish_row(t.rows - 1);
  finish_row(t.rows);
}

}  // namespace

extern const fast::Kernels kKernels;
const fast::Kernels kKernels = {kRows, Scratch::size, Partial::size, forward, adjoint};

}  // namespace mg::nca::MG_ISA
