#pragma once
#include <cstddef>
#include <cstdint>

/// A neural right-hand side with everything precomputed that its cells share. This header is read by files that are
/// compiled once per instruction set and by device code: plain data only, no function with a body that one copy could
/// leak to another.
namespace mg::pde::neural {

/// What the outputs y of a network, one per channel first + o, do.
enum class Role {
  add,        ///< slope += y
  decay,      ///< slope -= y x
  advection,  ///< slope -= G0 (y x) + G1 (y' x), two outputs per channel, those along axis 1 first
  diffusion,  ///< slope += N(y, x) = G0 y G0 x + G1 y G1 x + y L x
  chemotaxis  ///< outputs (cell, signal): slope_cell -= y grad c . grad s + c (grad y . grad s + y L s)
};

/// From a constant to a diffusion coefficient.
enum class LinearMap { none, sparse_plus, softplus };

inline constexpr int kMostNets = 5;

/// z[0] = psi(x); h = W z + b, z' = act(psi(h)) for each hidden layer; y = outer(W z + b). psi: all monomials of degree
/// 1 .. order of `in` values, by degree, then lexicographically. Weights [rows][features] and biases [rows] lie layer
/// after layer from `params` on.
struct Net {
  Role role;
  int first;  ///< channel of output 0
  int plane;  ///< first plane among the fields that neighbours read, or -1
  int in;     ///< values read, and units of a hidden layer
  int out;
  int order, layers, features;
  int inner, outer;  ///< NetActivation
  bool bias;
  std::size_t params;  ///< offset of its first weight
};

/// Taps of the symmetric 3x3 stencils: a derivative has `side` (beside the axis) and `axis`.
template <class T>
struct Taps {
  T grad_side, grad_axis;
  T lap_corner, lap_edge, lap_centre;
};

template <class T>
struct Plan {
  int n, C, h, w;  // state (n, C, h, w)
  int nets;
  Net net[kMostNets];
  int planes;               ///< fields that neighbours read: products of an advection first
  int advection;            ///< 0, or 2 C planes of an advection
  int diffusion;            ///< index of the network of role diffusion, or -1
  int chemotaxis, signals;  ///< index of the network of role chemotaxis, or -1; number of signals
  int cells;                ///< channels that diffuse by a network or follow signals: the first ones
  int linear, linear_end;   ///< channels of linear diffusion
  std::size_t linear_at;    ///< of its constants among the parameters
  int linear_map;           ///< LinearMap of the constants to the coefficients
  const T* coefficient;     // [linear_end - linear] diffusion coefficients (host)
  T stability;              ///< k of - k x^3
  int cubic, cubic_end;     ///< channels with that term
  T relu6_edge;             ///< slope of an output of exactly 0 or 6 under relu6
  Taps<T> taps;
  const T* params;           // [parameters]
  const int* row_of;         // [h + 2] row that padding puts at -1 .. h, or -1
  int left, right;           ///< column that padding puts at -1 and w, or -1
  int unit_rows, units;      ///< a unit is (sample, strip of rows); units of one sample
  std::size_t params_count;  ///< parameters
};

/// A sum to write beside the result, as Combination.
template <class T>
struct Sum {
  T* out;
  const T* base;
  T r_weight;
  int terms;
  const T* weight;       // [terms]
  const T* const* term;  // [terms]
};

template <class T>
struct Output {
  T* r;  // (n, C, h, w) or null
  int sums;
  Sum<T> sum[2];
};

/// Arrays of the passes; those that a pass does not use are null.
template <class T>
struct Fields {
  const T* x;            // (n, C, h, w)
  const T* x_dot;        // (n, C, h, w)
  const T* g;            // (n, C, h, w) cotangent of the slope
  T* local;              // (n, C, h, w) what needs no neighbours
  T* extra;              // (n, planes, h, w)
  T* local_dot;          // (n, C, h, w)
  T* extra_dot;          // (n, planes, h, w)
  T *x0, *xa, *xb, *xl;  // (n, C, h, w) cotangents of x, G0 x, G1 x, L x
  T *e0, *ea, *eb;       // (n, planes, h, w) cotangents of a plane and its derivatives
};

/// The entry points of one instruction set; a unit's work each, `scratch` is the thread's.
template <class T>
struct Kernels {
  int lanes;
  std::size_t (*scratch)(const Plan<T>&);
  /// local and extra, or only what `planes_only` networks give.
  void (*cells)(const Plan<T>&, const Fields<T>&, bool planes_only, int unit, T* scratch);
  void (*cells_tangent)(const Plan<T>&, const Fields<T>&, int unit, T* scratch);
  /// The slope and its sums from local and extra.
  void (*slope)(const Plan<T>&, const Fields<T>&, const Output<T>&, int unit, T* scratch);
  void (*slope_tangent)(const Plan<T>&, const Fields<T>&, const Output<T>&, int unit, T* scratch);
  /// x0 .. eb from g, x and extra: the cell-wise half of the adjoint of the products of derivatives.
  void (*products_adjoint)(const Plan<T>&, const Fields<T>&, int unit, T* scratch);
  /// x_bar and its sums; lanes of the parameters' sums, [params_count][lanes], into `partial` unless that is null.
  void (*adjoint)(const Plan<T>&, const Fields<T>&, const Output<T>&, int unit, T* partial, T* scratch);
};

}  // namespace mg::pde::neural
