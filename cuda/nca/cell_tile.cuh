#pragma once
#include "core/stencil_run.hpp"
#include "cuda/nca/mlp_tile.cuh"
#include "cuda/nca/step_data.cuh"

// What the fused kernels share: the tile of cells of a block with its halo, the list of the cells that have work, the
// network in shared memory.
namespace mg::nca::cuda {

/// A block owns 8 x 32 cells: rows of 32 make its global loads whole 128-byte lines. With a halo of 1 it reads 10 x 34.
constexpr int kTileH = 8, kTileW = 32, kTileCells = kTileH * kTileW;

struct Tile {
  int n, y0, x0;
};
/// Tiles of all samples in row-major order.
struct TileGrid {
  int rows, columns, count;
  explicit TileGrid(Shape s)
      : rows((s.h + kTileH - 1) / kTileH), columns((s.w + kTileW - 1) / kTileW), count(s.n * rows * columns) {}
  __device__ Tile at(int i) const { return {i / columns / rows, i / columns % rows * kTileH, i % columns * kTileW}; }
};

/// Values of the tile and its halo of `scale` cells: [C][height][width].
struct TileShape {
  int scale, height, width;
  explicit TileShape(int s) : scale(s), height(kTileH + 2 * s), width(kTileW + 2 * s) {}
  MG_HD int plane() const { return height * width; }
};

template <class T>
__device__ void load_tile(const View<const T>& x, Padding padding, const TileShape& shape, const Tile& t, T* tile) {
  const int warp = int(threadIdx.x) / kWarp, warps = int(blockDim.x) / kWarp;
  for (int row = warp; row < x.shape.c * shape.height; row += warps) {
    const int c = row / shape.height, y = padded_index(padding, t.y0 - shape.scale + row % shape.height, x.shape.h);
    for (int i = lane_of_thread(); i < shape.width; i += kWarp) {
      const int column = padded_index(padding, t.x0 - shape.scale + i, x.shape.w);
      tile[row * shape.width + i] = y < 0 || column < 0 ? T(0) : x(t.n, c, y, column);
    }
  }
}

/// Features of one channel at tile coordinates (y, x), halo included: put(block, value).
template <class T, int R, class Put>
__device__ void perceive_cell(const PerceptionSpec& p, const Stencils<T, R>& s, const Plane<T>& u, int y, int x,
                              const Put& put) {
  const Lattice<true> lattice{0, 0, Padding::zeros};
  int block = 0;
  if (p.id) put(block++, u(y, x));
  if (p.diff || p.grad) {
    const T g0 = derivative_cell(s, 0, lattice, u, y, x), g1 = derivative_cell(s, 1, lattice, u, y, x);
    if (p.diff) put(block++, T(sqrt(g0 * g0 + g1 * g1)));
    if (p.grad) {
      put(block++, g0);
      put(block++, g1);
    }
  }
  if (p.av) put(block++, correlate_cell(s, s.average, lattice, u, y, x));
  if (p.lap) put(block++, correlate_cell(s, s.lap, lattice, u, y, x));
}

/// Cells of the tile that have work, in row-major order: their numbers, how many, and a flag per cell.
struct CellList {
  unsigned char number[kTileCells];
  unsigned char has_work[kTileCells];
  int per_warp[kTileCells / kWarp];
  int count;
};

/// Fills the list from work(y, x), asked for cells inside the lattice only. All threads of the block; ends with a
/// barrier.
template <class Work>
__device__ void list_cells(Shape shape, const Tile& t, CellList& list, const Work& work) {
  for (int i = int(threadIdx.x); i < kTileCells; i += int(blockDim.x)) {
    const int y = t.y0 + i / kTileW, x = t.x0 + i % kTileW;
    const bool has_work = y < shape.h && x < shape.w && work(y, x);
    const unsigned ballot = __ballot_sync(~0U, has_work);
    list.has_work[i] = has_work;
    if (lane_of_thread() == 0) list.per_warp[i / kWarp] = __popc(ballot);
  }
  __syncthreads();
  for (int i = int(threadIdx.x); i < kTileCells; i += int(blockDim.x)) {
    int place = 0;
    for (int k = 0; k < i / kWarp; ++k) place += list.per_warp[k];
    const unsigned ballot = __ballot_sync(~0U, list.has_work[i] != 0);
    place += __popc(ballot & ((1U << lane_of_thread()) - 1));
    if (list.has_work[i]) list.number[place] = static_cast<unsigned char>(i);
    if (i == kTileCells - 1) list.count = place + list.has_work[i];
  }
  __syncthreads();
}

/// The network in shared memory, zero-padded to whole register tiles. Offsets in elements.
struct NetPlan {
  int features, hidden, outputs;  ///< padded sizes
  int w0_pitch, w1_pitch;
  int b0, w1, b1, size;  ///< w0 [hidden][w0_pitch] is at 0, b0 [hidden], w1 [outputs][w1_pitch], b1 [outputs]
  NetPlan(int f, int h, int o)
      : features(f),
        hidden(h),
        outputs(o),
        w0_pitch(pitch_of(f)),
        w1_pitch(pitch_of(h)),
        b0(h * w0_pitch),
        w1(b0 + h),
        b1(w1 + o * w1_pitch),
        size(round_up(b1 + o, 4)) {}
};

/// Which rows of W1 the kernel needs: all outputs, or the alive channel's alone (and its gate's).
struct OutputRows {
  int count, first, gate;  ///< row r of the staged W1 is output first + r gate
};

/// Copies the network to `net`, shared out over `warps` warps of which this thread's is number `warp`.
template <class T>
__device__ void stage_network(const StepData<T>& s, const NetPlan& plan, const OutputRows& rows, T* net, int warp,
                              int warps) {
  const int lane = lane_of_thread();
  for (int j = warp; j < plan.hidden; j += warps)
    for (int f = lane; f < plan.w0_pitch; f += kWarp)
      net[j * plan.w0_pitch + f] = j < s.hidden && f < s.features ? s.w0[std::size_t(j) * s.features + f] : T(0);
  for (int r = warp; r < plan.outputs; r += warps)
    for (int j = lane; j < plan.w1_pitch; j += kWarp)
      net[plan.w1 + r * plan.w1_pitch + j] =
          r < rows.count && j < s.hidden ? s.w1[std::size_t(rows.first + r * rows.gate) * s.hidden + j] : T(0);
  for (int j = warp * kWarp + lane; j < plan.hidden; j += warps * kWarp)
    net[plan.b0 + j] = s.b0 && j < s.hidden ? s.b0[j] : T(0);
  for (int r = warp * kWarp + lane; r < plan.outputs; r += warps * kWarp)
    net[plan.b1 + r] = s.b1 && r < rows.count ? s.b1[rows.first + r * rows.gate] : T(0);
}

/// Which kernels come in a version with the network in shared memory.
template <class T, int R>
inline constexpr bool kStageNetwork = sizeof(T) == 4 && R == 1;

/// A network too large to share a block's memory with its cells is padded once per step in global memory instead, and
/// read through the L1 cache. So is every network in double and with wide stencils, where only the numbers matter.
template <class T>
__global__ void pack_network_kernel(StepData<T> s, NetPlan plan, OutputRows rows, T* net) {
  const int warps = int(blockDim.x) / kWarp;
  stage_network(s, plan, rows, net, int(blockIdx.x) * warps + int(threadIdx.x) / kWarp, int(gridDim.x) * warps);
}
template <class T>
const T* packed_network(cudaStream_t stream, const StepData<T>& s, const NetPlan& plan, const OutputRows& rows,
                        const char* name, Workspace& workspace) {
  constexpr unsigned kBlocks = 32, kThreads = 256;
  T* net = workspace.get<T>({Backend::cuda, stream}, name, std::size_t(plan.size));
  launch("nca_pack_network", {dim3(kBlocks), dim3(kThreads)}, stream, pack_network_kernel<T>, s, plan, rows, net);
  return net;
}

/// z -> act(z) in shared memory for 8 kRows rows that this very lane stored with store_rows; relu acts in registers
/// before.
template <int kRows, class T>
__device__ void store_activated(Activation activation, T (&sums)[kRows][kColumns], T* to, int pitch) {
  if (activation == Activation::relu) {
    MG_UNROLL
    for (int i = 0; i < kRows; ++i) {
      MG_UNROLL
      for (int e = 0; e < kColumns; ++e) sums[i][e] = sums[i][e] > T(0) ? sums[i][e] : T(0);
    }
  }
  store_rows(sums, to, pitch);
  if (activation == Activation::relu) return;
  to += row_of_lane() * pitch + column_of_lane();
  for (int i = 0; i < 8 * kRows; i += 8)
    for (int e = 0; e < kColumns; ++e) {
      T& value = to[i * pitch + (e < 4 ? e : 12 + e)];
      value = activate(activation, value);
    }
}

/// Bytes of dynamic shared memory that a block may have on the current device.
std::size_t shared_limit();
/// Lets a kernel use `bytes` of dynamic shared memory.
template <class... Params>
void allow_shared(void (*kernel)(Params...), std::size_t bytes) {
  MG_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(bytes)));
}

}  // namespace mg::nca::cuda
