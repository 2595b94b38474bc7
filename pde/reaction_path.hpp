#pragma once
#include "pde/combination.hpp"

/// One pass over the cells of a reaction-diffusion model. Read by files that are compiled once per instruction set: plain
/// data only.
namespace mg::pde::reaction {

template <class T>
struct Pass {
  int n, h, w;             // fields are (n, kFields, h, w)
  T corner, edge, centre;  // taps of the Laplacian
  const T* p;              // [kParams]
  const T* x;              // fields
  const T* d;              // cotangent of the slope (adjoint), tangent of x (tangent)
  const T* lap;            // L x, L^T d or L d computed before; null = by this pass, from what pads a 3x3 stencil
  const T* open;           // (n, h + 2, w + 2) 1 in the medium, 0 in obstacles, where nothing changes; null = none
  T* out;                  // result, or null
  Combinations<T> sums;    // of the result
  double* partials;        // [n h][kParams] gradient of the parameters of a row, or null (adjoint)
  const int* row_of;       // [h + 2] row that padding puts at -1 .. h, or -1 for zeros
  int left, right;         // column that padding puts at -1 and w, or -1 for zeros
  int padding;             // mg::Padding
  bool fold;               // adjoint of a mirror: see reaction_isa.cpp
  const T* zero_row;       // [w]
  bool stream;             // past the caches
};

/// Rows [first, last) of all n h of a pass.
template <class T>
struct Kernels {
  void (*value)(const Pass<T>&, int first, int last);
  void (*adjoint)(const Pass<T>&, int first, int last);
  void (*tangent)(const Pass<T>&, int first, int last);
};

}  // namespace mg::pde::reaction
