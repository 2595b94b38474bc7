#pragma once
#include <cstddef>
#include <cstdint>

/// The vectorised float path of the automaton. This header is read by files that are compiled once per instruction
/// set: it holds plain data only, no function with a body that one copy could leak to another.
namespace mg::nca::fast {

/// Taps of the symmetric 3x3 stencils: a derivative has `side` (beside the axis) and `axis`, the others corner, edge, centre.
struct Taps {
  float grad_side, grad_axis;
  float lap_corner, lap_edge, lap_centre;
  float av_corner, av_edge, av_centre;
};

/// One step of one batch, with everything precomputed that the cells share. R = rows of a register tile; padded counts
/// are multiples of R (p) or of 16 (v); padding weights are 0.
struct Step {
  int n, C, h, w;          // state (n, C, h, w)
  int F, H, O;             // features, hidden, outputs (2C when gated)
  int Hp, Op, Fp, Fv, Ov;  // padded counts
  bool id, grad, av, lap;  // perceived blocks, in this order
  Taps taps;
  const float* w0;   // [Hp / R][F][R]
  const float* b0;   // [Hp]
  const float* w1;   // [Op / R][Hp][R]
  const float* b1;   // [Op]
  const float* w1t;  // [Hp / R][O][R]
  const float* w0t;  // [Fp / R][Hp][R]
  int activation;    // mg::Activation
  bool gated, hidden_bias;
  bool always, per_cell;                                  // fire mask
  std::uint32_t threshold;                                // fires when word < threshold
  std::uint32_t key0, key1, counter1, sample0, counter3;  // Philox key and counter words 1, 2 (of sample 0), 3
  const float* override_mask;                             // (n, C, h, w) or null
  const std::uint8_t* near;                               // (n, h, w) cells whose update can matter, or null = all
  const std::uint8_t* keep;    // (n, h, w) cells alive before and after, or null = all (adjoint)
  int boundary, mask_rows;     // mg::nca::Boundary
  const float* boundary_mask;  // (n, mask_rows, h, w)
  const int* row_of;           // [h + 2] row that padding puts at -1 .. h, or -1
  int left, right;             // column that padding puts at -1 and w, or -1
  int strip_rows, strips;      // a unit is (sample, strip): rows [strip * strip_rows, ...)
};

inline constexpr int kBiasLanes = 16;  ///< partial sums of one bias

/// What the adjoint adds to Step. The partial sums of a group of units are w0 [Hp][Fv], w1 transposed [Hp][Ov], b0 and b1
/// [Hp], [Op][kBiasLanes], one after another.
struct Adjoint {
  const float* x;         // (n, C, h, w)
  const float* next_bar;  // (n, C, h, w)
  float* x_bar;           // (n, C, h, w)
  float* halo;            // [units][2][C][w] what a strip sends to the rows above and below it
};

/// The entry points of one instruction set.
struct Kernels {
  int tile_rows;                        ///< R
  std::size_t (*scratch)(const Step&);  ///< floats of scratch that a thread needs
  std::size_t (*partial)(const Step&);  ///< floats of one group's partial sums
  /// y = x + M D of one unit, then the boundary unless alive masking comes first.
  void (*forward)(const Step&, const float* x, float* next, int unit, float* scratch);
  /// Adjoint of one unit: x_bar rows, halo rows, sums into `partial`.
  void (*adjoint)(const Step&, const Adjoint&, int unit, float* partial, float* scratch);
};

}  // namespace mg::nca::fast
