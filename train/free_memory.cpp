#include "train/free_memory.hpp"

#include <algorithm>
#include <fstream>
#include <limits>

namespace mg::train {
namespace {

constexpr std::size_t kUnknown = std::numeric_limits<std::size_t>::max();

/// MemAvailable of /proc/meminfo [bytes].
std::size_t available(const std::string& file) {
  std::ifstream in(file);
  for (std::string word; in >> word;)
    if (std::size_t kib = 0; word == "MemAvailable:" && in >> kib) return kib * 1024;
  return kUnknown;
}

/// The only number in a file; "max" and a missing file are unknown.
std::size_t number_in(const std::string& file) {
  std::ifstream in(file);
  std::size_t value = 0;
  return in >> value ? value : kUnknown;
}

/// What a control group leaves, from its limit and its use.
std::size_t left(const std::string& limit_file, const std::string& use_file) {
  const std::size_t limit = number_in(limit_file), use = number_in(use_file);
  if (limit == kUnknown || use == kUnknown) return kUnknown;
  return limit > use ? limit - use : 1;
}

}  // namespace

#if MG_WITH_CUDA
namespace cuda {  // cuda/train/free_memory.cu
std::size_t free_memory();
}  // namespace cuda
#endif

std::size_t free_host_memory(const std::string& root) {
  const std::string groups = root + "/sys/fs/cgroup/";
  const std::size_t bytes =
      std::min({available(root + "/proc/meminfo"), left(groups + "memory.max", groups + "memory.current"),
                left(groups + "memory/memory.limit_in_bytes", groups + "memory/memory.usage_in_bytes")});
  return bytes == kUnknown ? 0 : bytes;
}

std::size_t free_memory(const Exec& exec) {
#if MG_WITH_CUDA
  if (exec.backend == Backend::cuda) return cuda::free_memory();
#else
  if (exec.backend == Backend::cuda) throw_no_cuda("free_memory");
#endif
  return free_host_memory("");
}

}  // namespace mg::train
