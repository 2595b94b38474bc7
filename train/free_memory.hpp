#pragma once
#include <cstddef>
#include <string>

#include "core/exec.hpp"

namespace mg::train {

/// Bytes that may still be allocated where `exec` runs; 0 = unknown. On the host what the kernel calls available, or what
/// is left of the memory limit of this process' control group when that is less; on a device its free memory.
std::size_t free_memory(const Exec& exec);

/// The same of the host, with /proc and /sys/fs/cgroup looked for under `root`.
std::size_t free_host_memory(const std::string& root);

}  // namespace mg::train
