#pragma once
#include <string>
#include <vector>

namespace mg::apps {

/// Starts this program `ranks` times on this machine, as the ranks of one job, and waits for them. Signals that ask for a
/// stop are passed on. When a rank dies the others get a few seconds to notice it, then they are ended.
/// @param arguments  of every rank
/// @return the exit code of the rank that failed by itself, 9 when one was killed, else that of all
int run_local_ranks(int ranks, const std::vector<std::string>& arguments);

}  // namespace mg::apps
