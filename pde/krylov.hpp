#pragma once
#include <functional>

#include "core/buffer.hpp"

namespace mg::pde {

/// What gmres() did.
struct KrylovReport {
  bool converged = false;
  int iterations = 0;
  double residual = 0;  ///< last preconditioned residual over the first
};

/// Solves A d = r with the preconditioner P, P A d = P r, by restarted GMRES: no more than `most` products with A, until
/// the preconditioned residual is `tolerance` of |P r|, or below `floor` (root mean square per element). The order of
/// every sum depends on the size alone.
/// @param multiply      (v, out): out = A v; no alias
/// @param precondition  (v): v = P v in place
/// @param r  destroyed   @param d  overwritten   [size] each, where `exec` runs
/// @source Saad and Schultz, SIAM J. Sci. Stat. Comput. 7 (1986); orthogonalised twice
template <class T>
KrylovReport gmres(const Exec& exec, std::size_t size, const std::function<void(const T*, T*)>& multiply,
                   const std::function<void(T*)>& precondition, T* r, T* d, double tolerance, double floor, int most,
                   Workspace& workspace);

}  // namespace mg::pde
