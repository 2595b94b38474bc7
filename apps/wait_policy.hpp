#pragma once

namespace mg::apps {

/// Lets threads that wait for work spin for tens of microseconds, then sleep. The OpenMP runtime of GCC would spin for
/// milliseconds: on a machine with other work, that takes processors from the very threads that are waited for. The runtime
/// reads its settings before main(), so the program starts itself again with GOMP_SPINCOUNT set. Nothing happens when the
/// user has set GOMP_SPINCOUNT or OMP_WAIT_POLICY, or when starting again fails.
/// @param argv  of main(), ends with a null pointer
void bound_spinning(char** argv);

}  // namespace mg::apps
