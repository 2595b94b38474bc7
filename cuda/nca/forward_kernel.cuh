#pragma once
#include "cuda/nca/cell_tile.cuh"

// The fused forward step: one kernel reads the state once and writes it once.
namespace mg::nca::cuda {

/// 4 warps. With C 16, F 48, H 128 in float a block takes 110 KiB of shared memory (35 network, 21 tile, 54 rows of the
/// warps), so two blocks, 8 warps, share an SM; the register tiles give each warp 32 independent FMA chains.
constexpr int kForwardThreads = 128, kForwardWarps = kForwardThreads / kWarp;
constexpr int kHiddenGroup = 32;      ///< hidden rows a warp keeps at once
constexpr int kRowPitch = kWarp + 4;  ///< of rows over the 32 cells of a warp, see the bank rule

/// Offsets of the dynamic shared memory in elements.
struct ForwardPlan {
  NetPlan net;
  TileShape tile_shape;
  int row_sets;  ///< warps that have rows of their own and so run the network; the others help with the tile
  int tile, rows, rows_per_warp, size;
  ForwardPlan(int channels, int scale, int features, int hidden, int outputs, bool net_in_shared, int sets)
      : net(round_up(features, 4), round_up(hidden, 16), round_up(outputs, 8)),
        tile_shape(scale),
        row_sets(sets),
        tile(net_in_shared ? net.size : 0),
        rows(round_up(tile + channels * tile_shape.plane(), 4)),
        rows_per_warp((net.features + kHiddenGroup + net.outputs) * kRowPitch),
        size(rows + sets * rows_per_warp) {}
};

template <class T, int R>
struct ForwardArgs {
  StepData<T> step;
  Stencils<T, R> stencils;
  ForwardPlan plan;
  TileGrid tiles;
  OutputRows outputs;
  const T* net;  // packed, where it is not in shared memory
  View<const T> x;
  View<T> next;  // null data: only alpha is wanted
  T* alpha;      // (n, h, w), null without the alive test
};

/// Rows of one warp in shared memory, each over its 32 cells.
template <class T>
struct WarpRows {
  T* p;       // [F]
  T* hidden;  // [kHiddenGroup]
  T* u;       // [O]
};

/// Features of the warp's cells; lane l fills column l, with zeros beyond `cells`.
template <class T, int R>
__device__ void forward_features(const ForwardArgs<T, R>& a, const T* tile, int cell, T* p) {
  const int C = a.step.shape.c, lane = lane_of_thread(), scale = a.plan.tile_shape.scale;
  for (int c = 0; c < C && cell >= 0; ++c) {
    const Plane<T> plane{tile + c * a.plan.tile_shape.plane(), a.plan.tile_shape.width};
    perceive_cell(a.step.perception, a.stencils, plane, cell / kTileW + scale, cell % kTileW + scale,
                  [&](int block, T value) { p[(block * C + c) * kRowPitch + lane] = value; });
  }
  for (int f = cell >= 0 ? a.step.features : 0; f < a.plan.net.features; ++f) p[f * kRowPitch + lane] = 0;
}

/// hidden = act(W0 P + b0) for 8 kRows rows from j.
template <int kRows, class T, int R>
__device__ void forward_hidden(const ForwardArgs<T, R>& a, const T* net, int j, const WarpRows<T>& rows, int at) {
  T sums[kRows][kColumns];
  start_with(net + a.plan.net.b0 + j, sums);
  multiply(net + j * a.plan.net.w0_pitch, a.plan.net.w0_pitch, a.plan.net.features, rows.p, kRowPitch, sums);
  store_activated(a.step.activation, sums, rows.hidden + at * kRowPitch, kRowPitch);
}

/// u += W1[:, j ... j + depth] hidden for 8 kRows outputs from o.
template <int kRows, class T, int R>
__device__ void forward_output(const ForwardArgs<T, R>& a, const T* net, int o, int j, int depth,
                               const WarpRows<T>& rows) {
  T sums[kRows][kColumns];
  if (j == 0)
    start_with(net + a.plan.net.b1 + o, sums);
  else
    load_rows(rows.u + o * kRowPitch, kRowPitch, sums);
  multiply(net + a.plan.net.w1 + o * a.plan.net.w1_pitch + j, a.plan.net.w1_pitch, depth, rows.hidden, kRowPitch, sums);
  store_rows(sums, rows.u + o * kRowPitch, kRowPitch);
}

/// y = x + M D of one cell and everything behind it.
template <class T, int R>
__device__ void forward_update(const ForwardArgs<T, R>& a, const Tile& t, const T* tile, int cell, const T* u) {
  const StepData<T>& s = a.step;
  const int C = s.shape.c, lane = lane_of_thread(), y = t.y0 + cell / kTileW, x = t.x0 + cell % kTileW;
  const TileShape& ts = a.plan.tile_shape;
  const T* centre = tile + (cell / kTileW + ts.scale) * ts.width + cell % kTileW + ts.scale;
  const auto delta = [&](int row, int gate_row) {
    const T value = u[row * kRowPitch + lane];
    return s.gated ? gate(value, u[gate_row * kRowPitch + lane]) : value;
  };
  if (a.next.data == nullptr) {
    const int c = s.alive_channel;
    const T d = s.fires(t.n, c, y, x) ? delta(0, 1) : T(0);
    a.alpha[t.n * s.shape.plane() + s.cell(y, x)] = centre[c * ts.plane()] + d;
    return;
  }
  for (int first = 0; first < C; first += 4) {
    const unsigned bits = s.fires4(t.n, first, y, x);
    for (int c = first; c < C && c < first + 4; ++c) {
      T value = centre[c * ts.plane()];
      if (bits >> (c - first) & 1U) value += delta(c, C + c);
      if (s.alive && c == s.alive_channel) a.alpha[t.n * s.shape.plane() + s.cell(y, x)] = value;
      a.next(t.n, c, y, x) = s.alive ? value : s.bounded(t.n, c, y, x, value);
    }
  }
}

/// Cells without work keep their state.
template <class T, int R>
__device__ void forward_idle(const ForwardArgs<T, R>& a, const Tile& t, const T* tile, const CellList& list) {
  const StepData<T>& s = a.step;
  const TileShape& ts = a.plan.tile_shape;
  for (int i = int(threadIdx.x); i < kTileCells; i += kForwardThreads) {
    const int y = t.y0 + i / kTileW, x = t.x0 + i % kTileW;
    if (list.has_work[i] || y >= s.shape.h || x >= s.shape.w) continue;
    const T* centre = tile + (i / kTileW + ts.scale) * ts.width + i % kTileW + ts.scale;
    if (s.alive) a.alpha[t.n * s.shape.plane() + s.cell(y, x)] = centre[s.alive_channel * ts.plane()];
    if (a.next.data == nullptr) continue;
    for (int c = 0; c < s.shape.c; ++c) {
      const T value = centre[c * ts.plane()];
      a.next(t.n, c, y, x) = s.alive ? value : s.bounded(t.n, c, y, x, value);
    }
  }
}

/// alive(x) of the tile and one cell around it, as 0 or 1.
template <class T>
struct AliveBefore {
  static constexpr int kH = kTileH + 2, kW = kTileW + 2;
  unsigned char flag[kH * kW];
  __device__ void fill(const StepData<T>& s, const View<const T>& x, const Tile& t) {
    const Padding padding = s.perception.padding == Padding::circular ? Padding::circular : Padding::zeros;
    const T* plane = x.plane(t.n, s.alive_channel);
    for (int i = int(threadIdx.x); i < kH * kW; i += int(blockDim.x)) {
      const int y = padded_index(padding, t.y0 - 1 + i / kW, s.shape.h);
      const int column = padded_index(padding, t.x0 - 1 + i % kW, s.shape.w);
      flag[i] = y >= 0 && column >= 0 && s.alive_at(plane, y, column);
    }
  }
  /// Whether y of this cell matters: it or a neighbour is alive in x. Else all of them die whatever y is.
  __device__ bool near(const Tile& t, int y, int x) const {
    const unsigned char* f = flag + (y - t.y0) * kW + x - t.x0;
    for (int i = 0; i < 3; ++i)
      if (f[i * kW] | f[i * kW + 1] | f[i * kW + 2]) return true;
    return false;
  }
};

/// One tile per block, one run of 32 cells per warp and turn. Only cells that may fire, and with the alive test only
/// those near a living cell, go through the network: with one draw per cell and fire rate 0.5 that is half the work.
template <class T, int R, bool kNetInShared>
__global__ void __launch_bounds__(kForwardThreads, 2) forward_kernel(const __grid_constant__ ForwardArgs<T, R> a) {
  __shared__ CellList list;
  __shared__ AliveBefore<T> before;
  T* const shared = dynamic_shared<T>();
  const T* const net = kNetInShared ? shared : a.net;
  T* const tile = shared + a.plan.tile;
  const int warp = int(threadIdx.x) / kWarp, lane = lane_of_thread();
  const StepData<T>& s = a.step;
  const Tile t = a.tiles.at(int(blockIdx.x));
  if constexpr (kNetInShared) stage_network(s, a.plan.net, a.outputs, shared, warp, kForwardWarps);
  load_tile(a.x, s.perception.padding, a.plan.tile_shape, t, tile);
  if (s.alive) {
    before.fill(s, a.x, t);
    __syncthreads();
  }
  list_cells(s.shape, t, list,
             [&](int y, int x) { return s.may_fire(t.n, y, x) && (!s.alive || before.near(t, y, x)); });
  forward_idle(a, t, tile, list);

  if (warp >= a.plan.row_sets) return;
  WarpRows<T> rows;
  rows.p = shared + a.plan.rows + warp * a.plan.rows_per_warp;
  rows.hidden = rows.p + a.plan.net.features * kRowPitch;
  rows.u = rows.hidden + kHiddenGroup * kRowPitch;
  for (int first = warp * kWarp; first < list.count; first += a.plan.row_sets * kWarp) {
    const int cell = first + lane < list.count ? list.number[first + lane] : -1;
    forward_features(a, tile, cell, rows.p);
    __syncwarp();
    for (int j = 0; j < a.plan.net.hidden; j += kHiddenGroup) {
      const int depth = a.plan.net.hidden - j < kHiddenGroup ? a.plan.net.hidden - j : kHiddenGroup;
      if (depth == kHiddenGroup)
        forward_hidden<4>(a, net, j, rows, 0);
      else
        forward_hidden<2>(a, net, j, rows, 0);
      __syncwarp();
      int o = 0;
      for (; o + 16 <= a.plan.net.outputs; o += 16) forward_output<2>(a, net, o, j, depth, rows);
      if (o < a.plan.net.outputs) forward_output<1>(a, net, o, j, depth, rows);
      __syncwarp();
    }
    if (cell >= 0) forward_update(a, t, tile, cell, rows.u);
    __syncwarp();
  }
}

/// Starts the kernel, or returns false when the automaton does not fit. With null `next.data` only alpha is computed.
template <class T, int R>
bool launch_forward(cudaStream_t stream, const StepData<T>& s, const Stencils<T, R>& stencils, View<const T> x,
                    View<T> next, T* alpha, Workspace& workspace) {
  const bool alpha_only = next.data == nullptr;
  const char* const name = alpha_only ? "nca_alpha" : "nca_forward";
  const OutputRows rows =
      alpha_only ? OutputRows{s.gated ? 2 : 1, s.alive_channel, s.shape.c} : OutputRows{s.outputs, 0, 1};
  const std::size_t limit = shared_limit() - sizeof(CellList) - sizeof(AliveBefore<T>);
  const TileGrid tiles(s.shape);
  const auto fits = [&](bool in_shared, int sets) {
    return ForwardPlan(s.shape.c, stencils.radius(), s.features, s.hidden, rows.count, in_shared, sets).size *
               sizeof(T) <=
           limit;
  };
  const auto start = [&](auto kernel, bool in_shared, int sets) {
    const ForwardPlan plan(s.shape.c, stencils.radius(), s.features, s.hidden, rows.count, in_shared, sets);
    const T* net = in_shared ? nullptr : packed_network(stream, s, plan.net, rows, "nca.net", workspace);
    allow_shared(kernel, plan.size * sizeof(T));
    launch(name, {dim3(unsigned(tiles.count)), dim3(kForwardThreads), plan.size * sizeof(T)}, stream, kernel,
           ForwardArgs<T, R>{s, stencils, plan, tiles, rows, net, x, next, alpha});
    return true;
  };
  if constexpr (kStageNetwork<T, R>)
    for (int sets = kForwardWarps; sets > 2; --sets)
      if (fits(true, sets)) return start(forward_kernel<T, R, true>, true, sets);
  for (int sets = kForwardWarps; sets > 0; --sets)
    if (fits(false, sets)) return start(forward_kernel<T, R, false>, false, sets);
  return false;
}

}  // namespace mg::nca::cuda
