#include "train/run_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "core/error.hpp"
#include "core/file.hpp"

namespace mg::train {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr const char* kMark = "config.resolved.json";  // what makes a folder a run
constexpr const char* kLock = ".lock";

std::string utc(const char* format) {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[40];
  std::strftime(text, sizeof text, format, &parts);
  return text;
}

std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

bool holds_nothing(const fs::path& path) {
  for (const auto& entry : fs::directory_iterator(path))
    if (entry.path().filename() != kLock) return false;
  return true;
}

[[noreturn]] void fail(const fs::path& path, const std::string& what, int error) {
  throw IoError(path.string() + ": " + what + ": " + std::strerror(error));
}

void make_directory(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw IoError(path.string() + ": cannot be created: " + error.message());
}

}  // namespace

fs::path RunDirectory::new_path(const fs::path& base, const std::string& name, const std::string& config_text) {
  const std::string key = config_text + std::to_string(::getpid()) + host_name();
  char hash[8];
  std::snprintf(hash, sizeof hash, "%04x", unsigned(XXH3_64bits(key.data(), key.size()) & 0xffffU));
  return base / (name + "-" + utc("%Y%m%d-%H%M%S") + "-" + hash);
}

RunDirectory::RunDirectory(const fs::path& path, Mode mode, const Description& description)
    : path_(fs::absolute(path).lexically_normal()), description_(description) {
  created_ = !fs::exists(path_);
  try {
    make_directory(path_);
    lock();
    enter(mode);
    unconfirmed_ = fs::exists(path_ / kMark);
    if (!unconfirmed_) describe();
    make_directory(checkpoints());
    make_directory(media());
    const fs::path file = path_ / "metrics.jsonl";
    metrics_ = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (metrics_ < 0) fail(file, "cannot be opened", errno);
  } catch (...) {
    if (lock_ >= 0) {
      withdraw();
      ::close(lock_);
    }
    throw;
  }
}

RunDirectory::~RunDirectory() {
  if (metrics_ >= 0) ::close(metrics_);
  if (lock_ >= 0) ::close(lock_);  // releases the lock, as does the death of the process
}

void RunDirectory::confirm() {
  if (unconfirmed_) describe();
  unconfirmed_ = false;
}

void RunDirectory::withdraw() noexcept {
  std::error_code ignored;
  if (created_) fs::remove_all(path_, ignored);
}

void RunDirectory::lock() {
  const fs::path file = path_ / kLock;
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) fail(file, "cannot be opened", errno);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(descriptor);
    if (error == EWOULDBLOCK)
      throw IoError(path_.string() +
                    ": another process trains in this run directory; wait for it, or choose another "
                    "--run-dir");
    fail(file, "cannot be locked", error);
  }
  lock_ = descriptor;
}

void RunDirectory::enter(Mode mode) {
  remove_temporaries(path_);
  if (holds_nothing(path_)) return;
  std::error_code error;
  if (!fs::exists(path_ / kMark, error))
    throw IoError(path_.string() + ": holds files but no run; nothing was touched, choose another --run-dir");
  if (mode == Mode::fresh)
    throw IoError(path_.string() +
                  ": holds an earlier run; continue it with --resume auto, or replace it with "
                  "--overwrite");
  if (mode == Mode::resume) return;
  for (const char* name : {"checkpoints", "media", "metrics.jsonl", "log.txt", "STATUS.json", "provenance.json",
                           "overrides.txt", "config.input.json", kMark})
    fs::remove_all(path_ / name, error);
}

void RunDirectory::describe() const {
  const Description& d = description_;
  write_file(path_ / "config.input.json", d.config_input);
  write_file(path_ / "overrides.txt", d.overrides);
  json starts = json::array();
  std::error_code error;
  if (fs::is_regular_file(path_ / "provenance.json", error)) {
    const json earlier = json::parse(read_file(path_ / "provenance.json", 1 << 24), nullptr, false);
    if (earlier.is_object() && earlier.contains("starts") && earlier["starts"].is_array()) starts = earlier["starts"];
  }
  json start = d.provenance;
  start["time"] = utc("%Y-%m-%dT%H:%M:%SZ");
  start["host"] = host_name();
  starts.push_back(start);
  write_file(path_ / "provenance.json", json{{"starts", starts}}.dump(1) + "\n");
  write_file(path_ / kMark, d.config_resolved);
}

double RunDirectory::rewind_metrics(std::int64_t step) {
  const fs::path file = path_ / "metrics.jsonl";
  const std::string text = read_file(file, std::uint64_t(1) << 36);
  double seconds = 0;
  std::size_t keep = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) break;
    const json record =
        json::parse(text.begin() + std::ptrdiff_t(at), text.begin() + std::ptrdiff_t(end), nullptr, false);
    if (!record.is_object() || record.value("step", std::int64_t(-1)) > step) break;
    seconds = record.value("seconds", seconds);
    keep = at = end + 1;
  }
  if (::ftruncate(metrics_, off_t(keep)) != 0) fail(file, "cannot be cut", errno);
  return seconds;
}

void RunDirectory::append_metrics(const json& record) {
  const std::string line = record.dump() + "\n";
  std::string_view left = line;
  while (!left.empty()) {
    const ssize_t n = ::write(metrics_, left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path_ / "metrics.jsonl", "cannot be written", errno);
    left.remove_prefix(std::size_t(n));
  }
}

void RunDirectory::status(const std::string& state, int exit_code, std::int64_t step, std::int64_t iterations,
                          const std::string& reason) const {
  json status{{"state", state},           {"exit_code", nullptr}, {"step", step},
              {"iterations", iterations}, {"reason", reason},     {"heartbeat", utc("%Y-%m-%dT%H:%M:%SZ")},
              {"pid", ::getpid()},        {"host", host_name()}};
  if (state != "running") status["exit_code"] = exit_code;
  write_file(path_ / "STATUS.json", status.dump() + "\n", false);
}

}  // namespace mg::train
