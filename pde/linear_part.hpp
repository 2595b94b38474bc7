#pragma once
#include <vector>

#include "core/padding.hpp"

namespace mg::pde {

/// One term of the linear part: slope[to] has coefficient L^power x[from], L the Laplacian of the part's stencil, and
/// coefficient = constant + factor params[p1] params[p2], where a parameter of index -1 counts as 1.
struct LinearTerm {
  int to = 0, from = 0, power = 1;  // power 0, 1 or 2
  double constant = 0, factor = 1;
  int p1 = -1, p2 = -1;
};

/// A stiff part of a right-hand side with constant coefficients, which solvers take implicitly or exactly; what is left,
/// F(x) minus this part, they take explicitly. Without terms it only says which Laplacian fits the lattice.
struct LinearPart {
  Padding padding = Padding::circular;
  int smoothing = 1;  ///< of the Laplacian, see make_stencils at scale 1
  double dx = 1;
  std::vector<LinearTerm> terms = {};
};

}  // namespace mg::pde
