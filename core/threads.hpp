#pragma once
#ifdef _OPENMP
#include <omp.h>
#endif

namespace mg {

/// Threads that parallel_for may use; 1 without OpenMP.
inline int max_threads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

/// body(i, thread) for 0 <= i < n in any order, each once; thread < max_threads() names scratch memory. The body must
/// not throw, and what it computes must depend on i alone.
/// @param worthwhile  false for work too small to share: it stays in the calling thread
template <class Body>
void parallel_for(int n, const Body& body, [[maybe_unused]] bool worthwhile = true) {
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic) if (worthwhile && n > 1)
  for (int i = 0; i < n; ++i) body(i, omp_get_thread_num());
#else
  for (int i = 0; i < n; ++i) body(i, 0);
#endif
}

}  // namespace mg
