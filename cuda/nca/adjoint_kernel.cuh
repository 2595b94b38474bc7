#pragma once
#include "cuda/nca/forward_kernel.cuh"
#include "cuda/nca/state_bar.cuh"

// The fused adjoint: one kernel reads state and cotangent, recomputes features and hidden layer, and leaves the
// cotangent of the features in global memory and one partial weight gradient per block.
namespace mg::nca::cuda {

/// 8 warps on 64 cells at a time. With C 16, F 48, H 128 in float a block takes 176 KiB of shared memory (35 network,
/// 35 its gradient, 21 tile, 13 features, 4 outputs, 68 hidden layer and its cotangent), so one block fills an SM; the
/// barrier between the stages costs little against the 0.1 M FMA of a thread between two of them.
constexpr int kAdjointThreads = 256, kAdjointWarps = kAdjointThreads / kWarp;
constexpr int kAdjointCells = 64;              ///< cells of a round
constexpr int kCellPitch = kAdjointCells + 4;  ///< of rows over those cells, see the bank rule
constexpr int kAdjointParts = kAdjointThreads / kAdjointCells;
/// Blocks at most, each with its own partial gradient: the multiprocessors of an H100 or H200. A constant, so that the
/// order of summation depends on the shape alone.
constexpr int kAdjointSlots = 132;

/// Offsets of the dynamic shared memory in elements.
struct AdjointPlan {
  NetPlan net;
  TileShape tile_shape;
  int group;  ///< hidden rows between two barriers, a multiple of 32
  bool net_in_shared, sums_in_shared;
  int tile, p, u, hidden, hidden_bar, sums, size;
  AdjointPlan(int channels, int scale, int features, int hidden_width, int outputs, int most_rows, bool net_shared,
              bool sums_shared)
      : net(round_up(features, 16), round_up(hidden_width, 16), round_up(outputs, 16)),
        tile_shape(scale),
        group(round_up(net.hidden < most_rows ? net.hidden : most_rows, 32)),
        net_in_shared(net_shared),
        sums_in_shared(sums_shared),
        tile(net_shared ? net.size : 0),
        p(round_up(tile + channels * tile_shape.plane(), 4)),
        u(p + net.features * kCellPitch),
        hidden(u + net.outputs * kCellPitch),
        hidden_bar(hidden + group * kCellPitch),
        sums(hidden_bar + group * kCellPitch),
        size(sums + (sums_shared ? net.size : 0)) {}
};

template <class T, int R>
struct AdjointArgs {
  StepData<T> step;
  Stencils<T, R> stencils;
  AdjointPlan plan;
  TileGrid tiles;
  const T* net;               // packed, where it is not in shared memory
  View<const T> x, next_bar;  // (n, C, h, w)
  const unsigned char* keep;  // (n, h, w), null without the alive test
  View<T> p_bar;              // (n, FeatureBlocks.count C, h, w)
  T* sums;                    // (slots, net.size) where the shared memory has no room for them
  T* partials;                // (slots, parameters)
};

/// The block's arrays in shared memory and where it stands.
template <class T>
struct AdjointBlock {
  const T* net;
  T *tile, *p, *u, *hidden, *hidden_bar, *sums;
  Tile t;
  int first, cells;  ///< of this round: entries first ... first + cells - 1 of the list
};

template <class T, int R>
__device__ T cotangent_of_update(const AdjointArgs<T, R>& a, const Tile& t, int c, int cell) {
  const int y = t.y0 + cell / kTileW, x = t.x0 + cell % kTileW;
  return a.step.bounded_adjoint(t.n, c, y, x, a.next_bar(t.n, c, y, x));
}

/// Features of the round's cells, and for the plain automaton u_bar = M y_bar. Unused columns are zero.
template <class T, int R>
__device__ void adjoint_load(const AdjointArgs<T, R>& a, const AdjointBlock<T>& b, const CellList& list) {
  const StepData<T>& s = a.step;
  const TileShape& ts = a.plan.tile_shape;
  const int C = s.shape.c, column = int(threadIdx.x) % kAdjointCells, part = int(threadIdx.x) / kAdjointCells;
  const int cell = column < b.cells ? list.number[b.first + column] : -1;
  for (int c = part; c < C && cell >= 0; c += kAdjointParts)
    perceive_cell(s.perception, a.stencils, Plane<T>{b.tile + c * ts.plane(), ts.width}, cell / kTileW + ts.scale,
                  cell % kTileW + ts.scale,
                  [&](int block, T value) { b.p[(block * C + c) * kCellPitch + column] = value; });
  for (int f = (cell >= 0 ? s.features : 0) + part; f < a.plan.net.features; f += kAdjointParts)
    b.p[f * kCellPitch + column] = 0;
  if (s.gated) return;
  for (int first = 4 * part; first < C && cell >= 0; first += 4 * kAdjointParts) {
    const unsigned bits = s.fires4(b.t.n, first, b.t.y0 + cell / kTileW, b.t.x0 + cell % kTileW);
    for (int c = first; c < C && c < first + 4; ++c)
      b.u[c * kCellPitch + column] = bits >> (c - first) & 1U ? cotangent_of_update(a, b.t, c, cell) : T(0);
  }
  for (int o = (cell >= 0 ? C : 0) + part; o < a.plan.net.outputs; o += kAdjointParts) b.u[o * kCellPitch + column] = 0;
}

/// u -> u_bar of the gated automaton, in place.
template <class T, int R>
__device__ void adjoint_gate(const AdjointArgs<T, R>& a, const AdjointBlock<T>& b, const CellList& list) {
  const StepData<T>& s = a.step;
  const int C = s.shape.c, column = int(threadIdx.x) % kAdjointCells, part = int(threadIdx.x) / kAdjointCells;
  const int cell = column < b.cells ? list.number[b.first + column] : -1;
  for (int first = 4 * part; first < C; first += 4 * kAdjointParts) {
    const unsigned bits = cell >= 0 ? s.fires4(b.t.n, first, b.t.y0 + cell / kTileW, b.t.x0 + cell % kTileW) : 0;
    for (int c = first; c < C && c < first + 4; ++c) {
      const T d_bar = bits >> (c - first) & 1U ? cotangent_of_update(a, b.t, c, cell) : T(0);
      T &u = b.u[c * kCellPitch + column], &g = b.u[(C + c) * kCellPitch + column];
      gate_adjoint(u, g, d_bar, u, g);
    }
  }
  for (int o = 2 * C + part; o < a.plan.net.outputs; o += kAdjointParts) b.u[o * kCellPitch + column] = 0;
}

/// hidden = W0 P + b0 of 8 kRows rows from j + row, and half a round of cells; activated or raw.
template <int kRows, class T, int R>
__device__ void hidden_rows(const AdjointArgs<T, R>& a, const AdjointBlock<T>& b, int j, int row, int half,
                            bool activated) {
  const NetPlan& net = a.plan.net;
  T sums[kRows][kColumns];
  T* const to = b.hidden + row * kCellPitch + half * kWarp;
  start_with(b.net + net.b0 + j + row, sums);
  multiply(b.net + (j + row) * net.w0_pitch, net.w0_pitch, net.features, b.p + half * kWarp, kCellPitch, sums);
  if (activated)
    store_activated(a.step.activation, sums, to, kCellPitch);
  else
    store_rows(sums, to, kCellPitch);
}

/// The same rows of hidden_bar = act'(z) W1^T u_bar; then hidden = act(z).
template <int kRows, class T, int R>
__device__ void hidden_bar_rows(const AdjointArgs<T, R>& a, const AdjointBlock<T>& b, int j, int row, int half) {
  const NetPlan& net = a.plan.net;
  hidden_rows<kRows>(a, b, j, row, half, false);
  T sums[kRows][kColumns];
  clear(sums);
  multiply_transposed(b.net + net.w1 + j + row, net.w1_pitch, net.outputs, b.u + half * kWarp, kCellPitch, sums);
  T *z = b.hidden + row * kCellPitch + half * kWarp, *z_bar = b.hidden_bar + row * kCellPitch + half * kWarp;
  T* const to = z_bar + kRows * row_of_lane() * kCellPitch + column_of_lane();
  MG_UNROLL
  for (int i = 0; i < kRows; ++i) {
    store4(to + i * kCellPitch, sums[i]);
    store4(to + i * kCellPitch + 16, sums[i] + 4);
  }
  __syncwarp();
  z += lane_of_thread();
  z_bar += lane_of_thread();
  if (a.step.activation == Activation::relu) {
    for (int r = 0; r < 8 * kRows * kCellPitch; r += kCellPitch) {
      if (z[r] <= T(0)) z_bar[r] = 0;
      z[r] = z[r] > T(0) ? z[r] : T(0);
    }
  } else {
    for (int r = 0; r < 8 * kRows * kCellPitch; r += kCellPitch) {
      z_bar[r] *= activate_derivative(a.step.activation, z[r]);
      z[r] = activate(a.step.activation, z[r]);
    }
  }
}

/// Calls task(kRows as std::integral_constant, row, half) for all rows of a group and both halves of the cells, shared
/// out over the warps: blocks of 32 rows where that keeps 8 warps busy, else of 16.
template <class Task>
__device__ void for_row_tasks(int rows, int cells, const Task& task) {
  const int step = rows > 64 ? 32 : 16, blocks = (rows + step - 1) / step;
  for (int k = int(threadIdx.x) / kWarp; k < 2 * blocks; k += kAdjointWarps) {
    const int row = k / 2 * step, half = k % 2;
    if (half * kWarp >= cells) continue;
    if (rows - row >= 32 && step == 32)
      task(std::integral_constant<int, 4>{}, row, half);
    else
      task(std::integral_constant<int, 2>{}, row, half);
  }
}

/// u = W1 act(W0 P + b0) + b1 of the round, for the gated automaton.
template <class T, int R>
__device__ void adjoint_outputs(const AdjointArgs<T, R>& a, const AdjointBlock<T>& b) {
  const NetPlan& net = a.plan.net;
  for (int j = 0; j < net.hidden; j += a.plan.group) {
    const int rows = net.hidden - j < a.plan.group ? net.hidden - j : a.plan.group;
    for_row_tasks(rows, b.cells,
                  [&](auto k, int row, int half) { hidden_rows<decltype(k)::value>(a, b, j, row, half, true); });
    __syncthreads();
    for (int k = int(threadIdx.x) / kWarp; k < net.outputs / 16 * 2; k += kAdjointWarps) {
      const int o = k / 2 * 16, half = k % 2;
      T sums[2][kColumns];
      T* const to = b.u + o * kCellPitch + half * kWarp;
      if (half * kWarp >= b.cells) continue;
      if (j == 0)
        start_with(b.net + net.b1 + o, sums);
      else
        load_rows(to, kCellPitch, sums);
      multiply(b.net + net.w1 + o * net.w1_pitch + j, net.w1_pitch, rows, b.hidden + half * kWarp, kCellPitch, sums);
      store_rows(sums, to, kCellPitch);
    }
    __syncthreads();
  }
}

/// p_bar (+)= W0[j ...]^T hidden_bar of 16 features and half a round; scattered to the cells of the list.
template <class T, int R>
__device__ void feature_bar_task(const AdjointArgs<T, R>& a, const AdjointBlock<T>& b, const CellList& list, int f,
                                 int half, int j, int rows) {
  const NetPlan& net = a.plan.net;
  T sums[2][kColumns];
  clear(sums);
  multiply_transposed(b.net + j * net.w0_pitch + f, net.w0_pitch, rows, b.hidden_bar + half * kWarp, kCellPitch, sums);
  MG_UNROLL
  for (int e = 0; e < kColumns; ++e) {
    const int column = half * kWarp + column_of_lane() + (e < 4 ? e : 12 + e);
    if (column >= b.cells) continue;
    const int cell = list.number[b.first + column];
    MG_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int feature = f + 2 * row_of_lane() + i;
      if (feature >= a.step.features) continue;
      T& to = a.p_bar(b.t.n, feature, b.t.y0 + cell / kTileW, b.t.x0 + cell % kTileW);
      to = j == 0 ? sums[i][e] : to + sums[i][e];
    }
  }
}

/// sums[m row_stride + l column_stride] += product of 32 rows of x and 16 of y over the round's cells.
template <class T>
__device__ void weight_bar_task(const T* x, const T* y, int cells, T* to, int row_stride, int column_stride, int rows) {
  T sums[4][4] = {};
  multiply_cells(x, y, kCellPitch, cells, sums);
  MG_UNROLL
  for (int i = 0; i < 4; ++i) {
    const int row = row_of_lane() + 8 * i;
    if (row >= rows) continue;
    MG_UNROLL
    for (int j = 0; j < 4; ++j) to[row * row_stride + (lane_of_thread() / 8 + 4 * j) * column_stride] += sums[i][j];
  }
}

/// Everything that reads a group of hidden rows: p_bar, both weight gradients, both biases. Every sum has one owner.
template <class T, int R>
__device__ void adjoint_products(const AdjointArgs<T, R>& a, const AdjointBlock<T>& b, const CellList& list, int j,
                                 int rows) {
  const NetPlan& net = a.plan.net;
  const int cells = round_up(b.cells, 4), row_blocks = (rows + 31) / 32;
  const int of_features = net.features / 16 * 2, of_w0 = row_blocks * (net.features / 16);
  const int of_w1 = row_blocks * (net.outputs / 16);
  for (int k = int(threadIdx.x) / kWarp; k < of_features + of_w0 + of_w1; k += kAdjointWarps) {
    if (k < of_features) {
      if (k % 2 * kWarp < b.cells) feature_bar_task(a, b, list, k / 2 * 16, k % 2, j, rows);
    } else if (k < of_features + of_w0) {
      const int m = (k - of_features) % row_blocks * 32, f = (k - of_features) / row_blocks * 16;
      weight_bar_task(b.hidden_bar + m * kCellPitch, b.p + f * kCellPitch, cells, b.sums + (j + m) * net.w0_pitch + f,
                      net.w0_pitch, 1, rows - m);
    } else {
      const int m = (k - of_features - of_w0) % row_blocks * 32, o = (k - of_features - of_w0) / row_blocks * 16;
      weight_bar_task(b.hidden + m * kCellPitch, b.u + o * kCellPitch, cells,
                      b.sums + net.w1 + o * net.w1_pitch + j + m, 1, net.w1_pitch, rows - m);
    }
  }
  const int biases = rows + (j == 0 ? net.outputs : 0);
  for (int k = int(threadIdx.x); k < biases; k += kAdjointThreads) {
    const T* row = k < rows ? b.hidden_bar + k * kCellPitch : b.u + (k - rows) * kCellPitch;
    T sum = 0;
    for (int i = 0; i < cells; ++i) sum += row[i];
    b.sums[k < rows ? net.b0 + j + k : net.b1 + k - rows] += sum;
  }
}

/// Adjoint of DIFF = |(G0 x, G1 x)|: adds diff_bar G_d x / DIFF to the cotangents of the derivatives; 0 where DIFF is
/// 0.
template <class T, int R>
__device__ void adjoint_diff(const AdjointArgs<T, R>& a, const AdjointBlock<T>& b, const CellList& list) {
  const FeatureBlocks blocks(a.step.perception);
  const TileShape& ts = a.plan.tile_shape;
  const int C = a.step.shape.c, column = int(threadIdx.x) % kAdjointCells, part = int(threadIdx.x) / kAdjointCells;
  if (column >= b.cells) return;
  const int cell = list.number[b.first + column], y = b.t.y0 + cell / kTileW, x = b.t.x0 + cell % kTileW;
  for (int c = part; c < C; c += kAdjointParts) {
    const T diff_bar = a.p_bar(b.t.n, blocks.diff * C + c, y, x);
    const Plane<T> plane{b.tile + c * ts.plane(), ts.width};
    T g[2];
    for (int d = 0; d < 2; ++d)
      g[d] = derivative_cell(a.stencils, d, Lattice<true>{0, 0, Padding::zeros}, plane, cell / kTileW + ts.scale,
                             cell % kTileW + ts.scale);
    const T norm = sqrt(g[0] * g[0] + g[1] * g[1]), factor = norm > T(0) ? diff_bar / norm : T(0);
    for (int d = 0; d < 2; ++d) {
      T& to = a.p_bar(b.t.n, (blocks.grad + d) * C + c, y, x);
      to = (a.step.perception.grad ? to : T(0)) + factor * g[d];
    }
  }
}

/// The block's partial gradient in the layout of the parameters.
template <class T, int R>
__device__ void adjoint_write_partial(const AdjointArgs<T, R>& a, const T* sums, T* partial) {
  const StepData<T>& s = a.step;
  const NetPlan& net = a.plan.net;
  const ParamOffsets at(s);
  const int warp = int(threadIdx.x) / kWarp;
  for (int j = warp; j < s.hidden; j += kAdjointWarps)
    for (int f = lane_of_thread(); f < s.features; f += kWarp)
      partial[at.w0 + std::size_t(j) * s.features + f] = sums[j * net.w0_pitch + f];
  for (int o = warp; o < s.outputs; o += kAdjointWarps)
    for (int j = lane_of_thread(); j < s.hidden; j += kWarp)
      partial[at.w1 + std::size_t(o) * s.hidden + j] = sums[net.w1 + o * net.w1_pitch + j];
  for (int j = int(threadIdx.x); j < s.hidden && s.b0; j += kAdjointThreads) partial[at.b0 + j] = sums[net.b0 + j];
  for (int o = int(threadIdx.x); o < s.outputs && s.b1; o += kAdjointThreads) partial[at.b1 + o] = sums[net.b1 + o];
}

/// Block k takes the tiles k, k + gridDim, ... and of each only the cells that fire and live, 64 at a time.
template <class T, int R, bool kNetInShared>
__global__ void __launch_bounds__(kAdjointThreads, 1) adjoint_kernel(const __grid_constant__ AdjointArgs<T, R> a) {
  __shared__ CellList list;
  const StepData<T>& s = a.step;
  const NetPlan& net = a.plan.net;
  T* const shared = dynamic_shared<T>();
  AdjointBlock<T> b{kNetInShared ? shared : a.net,
                    shared + a.plan.tile,
                    shared + a.plan.p,
                    shared + a.plan.u,
                    shared + a.plan.hidden,
                    shared + a.plan.hidden_bar,
                    a.plan.sums_in_shared ? shared + a.plan.sums : a.sums + std::size_t(blockIdx.x) * net.size,
                    {},
                    0,
                    0};
  if constexpr (kNetInShared) stage_network(s, net, {s.outputs, 0, 1}, shared, int(threadIdx.x) / kWarp, kAdjointWarps);
  for (int i = int(threadIdx.x); i < net.size; i += kAdjointThreads) b.sums[i] = 0;
  for (int i = int(blockIdx.x); i < a.tiles.count; i += int(gridDim.x)) {
    b.t = a.tiles.at(i);
    __syncthreads();
    load_tile(a.x, s.perception.padding, a.plan.tile_shape, b.t, b.tile);
    list_cells(s.shape, b.t, list, [&](int y, int x) {
      return s.may_fire(b.t.n, y, x) && (a.keep == nullptr || a.keep[b.t.n * s.shape.plane() + s.cell(y, x)]);
    });
    for (int k = int(threadIdx.x); k < kTileCells; k += kAdjointThreads) {
      const int y = b.t.y0 + k / kTileW, x = b.t.x0 + k % kTileW;
      if (list.has_work[k] || y >= s.shape.h || x >= s.shape.w) continue;
      for (int f = 0; f < a.p_bar.shape.c; ++f) a.p_bar(b.t.n, f, y, x) = 0;
    }
    for (b.first = 0; b.first < list.count; b.first += kAdjointCells) {
      b.cells = list.count - b.first < kAdjointCells ? list.count - b.first : kAdjointCells;
      adjoint_load(a, b, list);
      __syncthreads();
      if (s.gated) {
        adjoint_outputs(a, b);
        adjoint_gate(a, b, list);
        __syncthreads();
      }
      for (int j = 0; j < net.hidden; j += a.plan.group) {
        const int rows = net.hidden - j < a.plan.group ? net.hidden - j : a.plan.group;
        for_row_tasks(rows, b.cells,
                      [&](auto k, int row, int half) { hidden_bar_rows<decltype(k)::value>(a, b, j, row, half); });
        __syncthreads();
        adjoint_products(a, b, list, j, rows);
        __syncthreads();
      }
      if (s.perception.diff) adjoint_diff(a, b, list);
    }
  }
  __syncthreads();
  adjoint_write_partial(a, b.sums, a.partials + blockIdx.x * ParamOffsets(s).size);
}

}  // namespace mg::nca::cuda
