#include "core/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "core/error.hpp"

namespace mg {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTemporaryPrefix = ".tmp-";

[[noreturn]] void fail(const fs::path& path, const char* what, int error) {
  throw IoError(path.string() + ": " + what + ": " + std::strerror(error));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

fs::path parent_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

}  // namespace

std::string read_file(const fs::path& path, std::uint64_t max_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) fail(path, "cannot be opened", errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) fail(path, "cannot be read", errno);
  if (!S_ISREG(info.st_mode)) throw IoError(path.string() + ": is not a regular file");
  if (std::uint64_t(info.st_size) > max_bytes)
    throw DataError(path.string() + ": holds " + std::to_string(info.st_size) + " bytes, more than the " +
                    std::to_string(max_bytes) + " allowed here");
  std::string bytes(std::size_t(info.st_size), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path, "cannot be read", errno);
    if (n == 0) throw IoError(path.string() + ": became shorter while it was read");
    done += std::size_t(n);
  }
  return bytes;
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  static std::atomic<unsigned> counter{0};
  for (int attempt = 0; attempt < 1000 && descriptor_ < 0; ++attempt) {
    temporary_ = parent_of(path_) /
                 (std::string(kTemporaryPrefix) + std::to_string(::getpid()) + "-" + std::to_string(counter++));
    descriptor_ = ::open(temporary_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (descriptor_ < 0 && errno != EEXIST && errno != EINTR) fail(path_, "cannot be created", errno);
  }
  if (descriptor_ < 0) fail(path_, "cannot be created", EEXIST);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view bytes) {
  if (descriptor_ < 0) throw std::logic_error("AtomicFile: written to after commit");
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path_, "cannot be written", errno);
    bytes.remove_prefix(std::size_t(n));
    written_ += std::uint64_t(n);
  }
}

void AtomicFile::overwrite(std::uint64_t offset, std::string_view bytes) {
  if (descriptor_ < 0 || offset > written_ || bytes.size() > written_ - offset)
    throw std::logic_error("AtomicFile: overwrites what was not written");
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(descriptor_, bytes.data(), bytes.size(), off_t(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path_, "cannot be written", errno);
    bytes.remove_prefix(std::size_t(n));
    offset += std::uint64_t(n);
  }
}

void AtomicFile::commit(bool sync) {
  // A failed sync is never retried: the kernel may have dropped the pages and report success the second time.
  if (sync && ::fsync(descriptor_) != 0) fail(path_, "cannot be synced", errno);
  if (::close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) fail(path_, "cannot be closed", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(path_, "cannot be replaced", errno);
  temporary_.clear();
  if (sync) sync_directory(parent_of(path_));
}

void write_file(const fs::path& path, std::string_view bytes, bool sync) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit(sync);
}

void sync_directory(const fs::path& directory) {
  const Descriptor handle(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (handle.get() < 0) fail(directory, "cannot be opened", errno);
  // Some network file systems cannot sync a directory and say so with EINVAL; their renames are synchronous.
  if (::fsync(handle.get()) != 0 && errno != EINVAL) fail(directory, "cannot be synced", errno);
}

void rename_synced(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail(to, "cannot be renamed to", errno);
  sync_directory(parent_of(to));
}

void remove_temporaries(const fs::path& directory) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error))
    if (entry.path().filename().string().starts_with(kTemporaryPrefix)) {
      std::error_code ignored;
      fs::remove_all(entry.path(), ignored);
    }
}

std::uint64_t free_space(const fs::path& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) fail(path, "cannot be examined", errno);
  return std::uint64_t(info.f_bavail) * info.f_frsize;
}

}  // namespace mg
