#include "apps/wait_policy.hpp"

#include <unistd.h>

#include <cstdlib>

namespace mg::apps {
namespace {

constexpr const char* kSpins = "2000";  // about 20 us: the gaps between the parallel loops of a step are shorter

}  // namespace

void bound_spinning(char** argv) {
#ifdef _OPENMP
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  if (setenv("GOMP_SPINCOUNT", kSpins, 0) == 0) execv("/proc/self/exe", argv);
#else
  (void)argv;
#endif
}

}  // namespace mg::apps
