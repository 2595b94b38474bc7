#include "train/free_memory.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temporary.hpp"

namespace mg::train {
namespace {

void write(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

TEST(FreeMemory, IsWhatTheKernelAndTheControlGroupLeave) {
  const test::TemporaryDirectory root;
  EXPECT_EQ(free_host_memory(root.path().string()), 0u);  // unknown
  write(root / "proc/meminfo", "MemTotal:  1000 kB\nMemFree:  10 kB\nMemAvailable:   500 kB\n");
  EXPECT_EQ(free_host_memory(root.path().string()), 500u * 1024);
  write(root / "sys/fs/cgroup/memory.max", "max\n");
  write(root / "sys/fs/cgroup/memory.current", "70000\n");
  EXPECT_EQ(free_host_memory(root.path().string()), 500u * 1024);
  write(root / "sys/fs/cgroup/memory.max", "100000\n");
  EXPECT_EQ(free_host_memory(root.path().string()), 30000u);
  write(root / "sys/fs/cgroup/memory/memory.limit_in_bytes", "60\n");
  write(root / "sys/fs/cgroup/memory/memory.usage_in_bytes", "90\n");
  EXPECT_EQ(free_host_memory(root.path().string()), 1u);  // nothing left is not unknown
  EXPECT_GT(free_memory({}), 0u);
}

}  // namespace
}  // namespace mg::train
