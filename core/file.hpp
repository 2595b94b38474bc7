#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace mg {

/// Reads a whole regular file.
/// @throws IoError when it cannot be read, DataError when it is larger than `max_bytes` (nothing is allocated then)
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes = std::uint64_t(1) << 30);

/// A file that appears under its name only when it is complete: written to a temporary beside it, synced, closed and
/// renamed by commit(). Destroyed without commit() it leaves nothing behind. Every failure is an IoError.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view bytes);
  /// Replaces bytes that were written already. @throws std::logic_error beyond them
  void overwrite(std::uint64_t offset, std::string_view bytes);
  /// `sync` false leaves it to the system when the data reaches the disk.
  void commit(bool sync = true);
  std::uint64_t written() const { return written_; }

 private:
  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
  std::uint64_t written_ = 0;
};

/// AtomicFile in one call.
void write_file(const std::filesystem::path& path, std::string_view bytes, bool sync = true);

/// Makes the names in a directory survive a power loss. @throws IoError
void sync_directory(const std::filesystem::path& directory);

/// Renames a file or directory and syncs the parent of the new name. @throws IoError
void rename_synced(const std::filesystem::path& from, const std::filesystem::path& to);

/// Removes the temporaries that killed processes left in a directory; only for the one process that owns it.
void remove_temporaries(const std::filesystem::path& directory);

/// Bytes that this process may still write on the file system of an existing path. @throws IoError
std::uint64_t free_space(const std::filesystem::path& path);

}  // namespace mg
