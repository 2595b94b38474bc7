#pragma once
#include "cuda/core/for_each.cuh"
#include "cuda/nca/nca_paths.hpp"
#include "nca/nca_cell.hpp"

namespace mg::nca::cuda {

using mg::cuda::dynamic_shared;
using mg::cuda::for_each_cell;
using mg::cuda::for_each_index;
using mg::cuda::launch;

/// What the kernels of a step read besides the state: sizes, weights and the rules of mask, boundary and alive test.
template <class T>
struct StepData {
  Shape shape;  ///< of the state (n, C, h, w)
  PerceptionSpec perception;
  int features, hidden, outputs;
  const T* w0;  // [H, F]
  const T* b0;  // [H] or null
  const T* w1;  // [O, H]
  const T* b1;  // [O] or null
  Activation activation;
  bool gated;
  FireRule fire;
  View<const T> fire_override;  // (n, C, h, w) or null
  Boundary boundary;
  View<const T> boundary_mask;  // (n, rows, h, w) or null
  bool alive;
  int alive_channel;
  T alive_threshold;

  __device__ std::uint32_t cell(int y, int x) const {
    return std::uint32_t(y) * std::uint32_t(shape.w) + std::uint32_t(x);
  }
  __device__ bool fires(int n, int c, int y, int x) const {
    if (fire_override.data != nullptr) return fire_override(n, c, y, x) != T(0);
    return fire.fires(n, c, cell(y, x), std::uint32_t(shape.plane()));
  }
  /// Whether some channel may fire: exact for one draw per cell, else true.
  __device__ bool may_fire(int n, int y, int x) const {
    return fire_override.data != nullptr || !fire.per_cell || fires(n, 0, y, x);
  }
  /// Whether channels first ... first + 3 (first a multiple of 4) fire, as bits. One draw.
  __device__ unsigned fires4(int n, int first, int y, int x) const {
    unsigned bits = 0;
    if (fire_override.data != nullptr) {
      for (int k = 0; k < 4 && first + k < shape.c; ++k) bits |= unsigned(fires(n, first + k, y, x)) << k;
    } else if (fire.always) {
      bits = 15;
    } else {
      const Philox4 words = fire.words(n, fire.per_cell ? 0 : first / 4, cell(y, x), std::uint32_t(shape.plane()));
      MG_UNROLL
      for (int k = 0; k < 4; ++k) bits |= unsigned(fire.fires(words, k)) << k;
    }
    return bits;
  }
  __device__ T bounded(int n, int c, int y, int x, T value) const {
    const int row = boundary_row(boundary, shape.c, boundary_mask.shape.c, c);
    return row < 0 ? value : apply_boundary(boundary, value, boundary_mask(n, row, y, x));
  }
  __device__ T bounded_adjoint(int n, int c, int y, int x, T value) const {
    const int row = boundary_row(boundary, shape.c, boundary_mask.shape.c, c);
    return row < 0 ? value : apply_boundary_adjoint(boundary, value, boundary_mask(n, row, y, x));
  }
  /// alive(z) of one cell from a plane (h, w) of the alive channel.
  __device__ bool alive_at(const T* plane, int y, int x) const {
    const int w = shape.w;
    return alive_around(perception.padding, shape.h, w, y, x, alive_threshold,
                        [=](int yy, int xx) { return plane[std::size_t(yy) * w + xx]; });
  }
};

template <class T>
StepData<T> step_data(const NcaSpec& spec, const T* params, const NcaInputs<T>& inputs, Shape shape) {
  StepData<T> s{};
  s.shape = shape;
  s.perception = spec.perception;
  s.features = spec.features();
  s.hidden = spec.hidden_width();
  s.outputs = spec.outputs();
  const auto take = [&](bool present, std::size_t size) {
    const T* at = present ? params : nullptr;
    if (present) params += size;
    return at;
  };
  s.w0 = take(true, std::size_t(s.hidden) * s.features);
  s.b0 = take(spec.hidden_bias, s.hidden);
  s.w1 = take(true, std::size_t(s.outputs) * s.hidden);
  s.b1 = take(spec.output_bias, s.outputs);
  s.activation = spec.activation;
  s.gated = spec.gated;
  s.fire = fire_rule(spec, inputs.index);
  s.fire_override = inputs.fire_override;
  s.boundary = spec.boundary;
  s.boundary_mask = inputs.boundary;
  s.alive = spec.alive;
  s.alive_channel = spec.alive_channel;
  s.alive_threshold = T(spec.alive_threshold);
  return s;
}

/// Index of every array inside the flat parameters, for code that writes gradients.
struct ParamOffsets {
  std::size_t w0, b0, w1, b1, size;
  template <class T>
  MG_HD explicit ParamOffsets(const StepData<T>& s)
      : w0(0),
        b0(std::size_t(s.hidden) * s.features),
        w1(b0 + (s.b0 ? s.hidden : 0)),
        b1(w1 + std::size_t(s.outputs) * s.hidden),
        size(b1 + (s.b1 ? s.outputs : 0)) {}
};

/// What the step does after y is known, where the alive test is on: cells that are not alive in x and in y become 0,
/// then the boundary acts. `alpha` holds the alive channel of y, (n, h, w), apart from `next`, so that no cell reads
/// what its neighbour already zeroed. Two kernels, not one: alpha of the neighbours recomputed in a halo would cost
/// their whole network, 30 % more cells for a tile of 8x32; the second kernel moves 8 bytes per cell and writes only
/// the cells that die.
template <class T>
void finish_alive(cudaStream_t stream, const StepData<T>& step, View<const T> x, const T* alpha, View<T> next);

/// keep (n, h, w) = alive(x) and alive(y), as 0 or 1.
template <class T>
void keep_mask(cudaStream_t stream, const StepData<T>& step, View<const T> x, const T* alpha, unsigned char* keep);

/// params_bar[i] += sum over slots of partials[slot][place(i)], in the order of the slots within groups of a fixed
/// size.
/// @param partials (slots, pitch)
template <class T>
void add_partials(cudaStream_t stream, std::size_t count, const T* partials, int slots, std::size_t pitch,
                  T* params_bar);

}  // namespace mg::nca::cuda
