#pragma once
#include <cstddef>

#include "abm/agent_cell.hpp"
#include "abm/agent_spec.hpp"

namespace mg::abm {

/// What the agents of one sample read during a step. Lattices are channels-last, [h][w][C].
template <class T>
struct AgentInputs {
  const AgentSpec* spec = nullptr;
  const AgentParams* where = nullptr;
  const T* params = nullptr;
  int h = 0, w = 0;
  const T* lattice = nullptr;
  const T* slope[2] = {};    ///< derivative along axis 0 and 1; of Sensing::gradient
  const T* x = nullptr;      // [N][2] positions [nodes]
  const T* u = nullptr;      // [N][2] headings, |u| = 1
  const T* noise = nullptr;  // [N][3] standard normal numbers xi, zeta; null without noise
};
/// A run of agents of one species.
struct AgentRange {
  int species, begin, end;
};

/// Cotangents that the adjoint of a step reads, and what it writes for every agent of a range.
template <class T>
struct AgentBars {
  const T* x_next = nullptr;     // [N][2]
  const T* u_next = nullptr;     // [N][2]
  const T* deposited = nullptr;  // [h][w][C] of the lattice after deposits
  T* x = nullptr;                // [N][2] overwritten
  T* u = nullptr;                // [N][2] overwritten
  /// Sensing::gradient: of the lattice and its two slopes, [N][3][C] at the agents; sensors: [N][K][C] at `points`.
  T* sources = nullptr;
  T* points = nullptr;  // [N][K][2] tips of the sensor arms; of sensors
  T* policy = nullptr;  // [policy_size] of the species, accumulated
  T* noise = nullptr;   // [2] of log D_R, log D_T, accumulated; with noise only
};

/// Points that deposit values on rows of a lattice in one fixed order: by point, then by tap.
template <class T>
struct Scatter {
  Assignment assignment;
  Domain domain;
  int h, w, channels;
  int fields;            ///< values of several lattices share the points
  const T* points;       // [M][2]
  const T* values;       // [M][fields][C]
  T factor;              ///< of every value
  const int* row_start;  // [h + 1] entries of each row
  const int* entries;    // point * kMostTaps + tap along axis 0
};

/// The hot loops of the host, compiled once per instruction set (agents_isa.cpp).
template <class T>
struct AgentKernels {
  /// Elements of scratch memory of one call of forward or adjoint.
  std::size_t (*scratch_size)(const AgentSpec&, const AgentParams&);
  /// Senses, thinks and moves: x_next, u_next [N][2] and deposits [N][C] of the range.
  void (*forward)(const AgentInputs<T>&, AgentRange, T* x_next, T* u_next, T* deposits, T* scratch);
  void (*adjoint)(const AgentInputs<T>&, AgentRange, const AgentBars<T>&, T* scratch);
  /// rows[f] [w][C] += the entries of lattice row `row`.
  void (*scatter_row)(const Scatter<T>&, int row, T* const* rows);
  /// out[j] = sum_k weight[k] in[index[k]] for the blocks of `block` elements that index[k] names: a row of rows.
  void (*combine_rows)(const LineOperator<T>&, int row, const T* in, std::size_t block, T* out);
  /// out[j][c] = (op in[.][c])_j along a row of w cells.
  void (*along_row)(const LineOperator<T>&, const T* in, int channels, T* out);
};
/// The copy for best_isa().
template <class T>
const AgentKernels<T>& agent_kernels();

}  // namespace mg::abm
