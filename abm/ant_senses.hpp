#pragma once
#include "abm/ant_spec.hpp"

namespace mg::abm {

/// What one agent reads of its lattice: three weighted windows, each over `taps` nodes; feature k of channel c is
/// sum_t weight[k][t] P_c[node[k][t]], with the derivative of the weights by the angle of the heading.
template <class T>
struct AntSenses {
  int taps = 0;
  bool turns = false;  ///< whether the weights depend on the heading
  /// >= 0: a node; -1: outside, reads 0; -2 - i: clamped to node i, which gets no cotangent (as in the reference).
  int node[3][kMostAntTaps];
  T weight[3][kMostAntTaps];
  T weight_by_angle[3][kMostAntTaps];
  T cosine = 1, sine = 0;  ///< of the heading

  AntSenses(const AntSpec& spec, int h, int w, const T* x, const T* v);

  T feel(int k, const T* plane) const {
    T sum = 0;
    for (int t = 0; t < taps; ++t)
      if (const int i = read_at(k, t); i >= 0) sum += weight[k][t] * plane[i];
    return sum;
  }
  /// d feature k / d angle of the heading
  T feel_by_angle(int k, const T* plane) const {
    T sum = 0;
    for (int t = 0; t < taps; ++t)
      if (const int i = read_at(k, t); i >= 0) sum += weight_by_angle[k][t] * plane[i];
    return sum;
  }
  void spread(int k, T bar, T* plane_bar) const {
    for (int t = 0; t < taps; ++t)
      if (node[k][t] >= 0) plane_bar[node[k][t]] += weight[k][t] * bar;
  }

 private:
  int read_at(int k, int t) const { return node[k][t] < -1 ? -2 - node[k][t] : node[k][t]; }
  void window(int k, const AntSpec& spec, int h, int w, int row, int column, int radius);
  void shifted_window(int k, int h, int w, int row, int column, int radius);
  void slopes(const AntSpec& spec);
};

/// Node of the lattice at index (i, j), -1 where there is none.
int ant_node(const AntSpec& spec, int h, int w, int i, int j);

}  // namespace mg::abm
