#pragma once
#include <cstdint>

#include "core/activation.hpp"
#include "core/layout.hpp"
#include "core/perception.hpp"
#include "core/system.hpp"

namespace mg::nca {

enum class FireMask { channel, cell };     ///< one Bernoulli per channel and cell (reference) or per cell (distill)
enum class Boundary { none, soft, hard };  ///< @source the reference implementation

/// A plain or gated neural cellular automaton; every combination is legal.
/// Step, per cell:
///   P = perceive(x);  A = act(W0 P + b0);  U = W1 A + b1;  D = U, or U[0:C] sigmoid(U[C:2C]) when gated
///   y = x + M D,  M ~ Bernoulli(fire_rate) per channel or per cell
///   alive: y = 0 where not (alive(x) and alive(y)),  alive(z) = max over 3x3 of z[alive_channel] > threshold
///   boundary: soft overwrites the last m channels with the mask, hard multiplies every channel by it
struct NcaSpec {
  int channels = 16;
  PerceptionSpec perception;
  int hidden = 0;  ///< hidden width; 0 = number of features, as in the reference
  Activation activation = Activation::relu;
  bool gated = false;
  bool hidden_bias = false, output_bias = true;
  double fire_rate = 0.5;
  FireMask fire_mask = FireMask::channel;
  bool alive = false;
  int alive_channel = 3;
  /// Neighbours outside the lattice follow the perception's padding; zeros never count as alive.
  double alive_threshold = 0.1;
  Boundary boundary = Boundary::none;
  int boundary_channels = 1;  ///< m of a soft boundary

  int features() const { return perception.features(channels); }
  int hidden_width() const { return hidden > 0 ? hidden : features(); }
  int outputs() const { return gated ? 2 * channels : channels; }
  /// Rows of the boundary mask: m (soft), 1 (hard), 0 (none).
  int mask_rows() const { return boundary == Boundary::none ? 0 : boundary == Boundary::soft ? boundary_channels : 1; }
};

/// @throws std::invalid_argument naming the first part of the specification that contradicts another or is out of range
void check(const NcaSpec& spec);

/// "hidden.weight" [H, F], "hidden.bias" [H] if any, "output.weight" [O, H], "output.bias" [O] if any;
/// feature f = block * C + channel.
Layout nca_param_layout(const NcaSpec& spec);

/// What a step reads besides state and parameters.
template <class T>
struct NcaInputs {
  StepIndex index;                ///< keys the fire mask
  View<const T> boundary{};       ///< (n, mask_rows, h, w), or null data without a boundary
  View<const T> fire_override{};  ///< (n, C, h, w) 0/1 mask instead of the drawn one (golden tests); null data = draw
};

/// One step of the automaton.
/// The fire mask of channel c at cell (y, x) of sample n is bernoulli(words(site)[c % 4]) with the stream (index.seed,
/// RandomPurpose::fire, index.iteration, index.step, index.sample0 + n) and site = (c / 4) h w + y w + x; a per-cell
/// mask uses c = 0 for all channels. Nothing is drawn when fire_rate = 1.
/// @param params  nca_param_layout(spec).size()
/// @param x, next (n, C, h, w); next is overwritten, no alias
/// @source the reference implementation; Growing Neural Cellular Automata, Distill 2020   @adjoint nca_step_adjoint
template <class T>
void nca_step(const Exec& exec, const NcaSpec& spec, const T* params, const NcaInputs<T>& inputs, ConstView<T> x,
              View<T> next, Workspace& workspace);

/// Adjoint of nca_step: recomputes the hidden layer from x.
/// @param next_bar    (n, C, h, w)
/// @param x_bar       (n, C, h, w) overwritten, no alias
/// @param params_bar  accumulated, in a summation order that depends only on the shapes
template <class T>
void nca_step_adjoint(const Exec& exec, const NcaSpec& spec, const T* params, const NcaInputs<T>& inputs,
                      ConstView<T> x, ConstView<T> next_bar, View<T> x_bar, T* params_bar, Workspace& workspace);

namespace host {  // nca/nca_step.cpp
template <class T>
void nca_step(const NcaSpec&, const T* params, const NcaInputs<T>&, View<const T> x, View<T> next, Workspace&);
template <class T>
void nca_step_adjoint(const NcaSpec&, const T* params, const NcaInputs<T>&, View<const T> x, View<const T> next_bar,
                      View<T> x_bar, T* params_bar, Workspace&);
}  // namespace host

namespace cuda {  // cuda/nca/nca_step.cu
template <class T>
void nca_step(CUstream_st*, const NcaSpec&, const T* params, const NcaInputs<T>&, View<const T> x, View<T> next,
              Workspace&);
template <class T>
void nca_step_adjoint(CUstream_st*, const NcaSpec&, const T* params, const NcaInputs<T>&, View<const T> x,
                      View<const T> next_bar, View<T> x_bar, T* params_bar, Workspace&);
}  // namespace cuda

}  // namespace mg::nca
