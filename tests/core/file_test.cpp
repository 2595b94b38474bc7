#include "core/file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <iterator>

#include "core/error.hpp"
#include "tests/support/temporary.hpp"

namespace mg {
namespace {
namespace fs = std::filesystem;

std::ptrdiff_t entries(const fs::path& directory) {
  return std::distance(fs::directory_iterator(directory), fs::directory_iterator());
}

TEST(File, WritesReplacesAndReads) {
  const test::TemporaryDirectory dir;
  write_file(dir / "a", "first");
  write_file(dir / "a", std::string("second\0third", 12), false);
  EXPECT_EQ(read_file(dir / "a"), std::string("second\0third", 12));
  EXPECT_EQ(entries(dir.path()), 1);
  EXPECT_GT(free_space(dir.path()), 0U);
}

TEST(File, NothingAppearsWithoutCommit) {
  const test::TemporaryDirectory dir;
  write_file(dir / "a", "old");
  {
    AtomicFile file(dir / "a");
    file.write("new");
    EXPECT_EQ(file.written(), 3U);
    EXPECT_EQ(entries(dir.path()), 2);
  }
  EXPECT_EQ(read_file(dir / "a"), "old");
  EXPECT_EQ(entries(dir.path()), 1);
}

TEST(File, RefusesWhatCannotBeReadOrWritten) {
  const test::TemporaryDirectory dir;
  write_file(dir / "a", "12345");
  EXPECT_THROW(read_file(dir / "a", 4), DataError);
  EXPECT_THROW(read_file(dir / "none"), IoError);
  EXPECT_THROW(read_file(dir.path()), IoError);
  EXPECT_THROW(read_file("/dev/zero"), IoError);
  EXPECT_THROW(write_file(dir / "no/such/directory", "x"), IoError);
  fs::create_directories(dir / "full/inside");
  EXPECT_THROW(write_file(dir / "full", "x"), IoError);  // rename onto a directory
  EXPECT_EQ(entries(dir.path()), 2) << "a temporary was left";
  EXPECT_THROW(rename_synced(dir / "none", dir / "b"), IoError);
  EXPECT_THROW(sync_directory(dir / "a"), IoError);
  EXPECT_THROW(free_space(dir / "none"), IoError);
}

TEST(File, FailedWriteKeepsTheOldFile) {
  const test::TemporaryDirectory dir;
  write_file(dir / "a", "old");
  const pid_t child = ::fork();
  if (child == 0) {  // a limit on file sizes stands for a full disk
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_file(dir / "a", std::string(5000, 'x'));
    } catch (const IoError&) {
      ::_exit(7);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(read_file(dir / "a"), "old");
  EXPECT_EQ(entries(dir.path()), 1);
}

TEST(File, RemovesOnlyTemporaries) {
  const test::TemporaryDirectory dir;
  write_file(dir / ".tmp-1-1", "x");
  write_file(dir / "kept", "x");
  remove_temporaries(dir.path());
  EXPECT_EQ(entries(dir.path()), 1);
  EXPECT_EQ(read_file(dir / "kept"), "x");
}

}  // namespace
}  // namespace mg
