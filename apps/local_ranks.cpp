#include "apps/local_ranks.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "core/comm_tcp.hpp"
#include "core/error.hpp"
#include "core/log.hpp"

extern char** environ;

namespace mg::apps {
namespace {

volatile std::sig_atomic_t caught = 0;
void on_signal(int number) { caught = number; }

/// A folder of its own for the file by which the ranks find each other.
class MeetingPlace {
 public:
  MeetingPlace() {
    std::string name = (std::filesystem::temp_directory_path() / "morphogen-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw IoError(name + ": cannot be created: " + std::strerror(errno));
    path_ = name;
  }
  ~MeetingPlace() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  MeetingPlace(const MeetingPlace&) = delete;
  MeetingPlace& operator=(const MeetingPlace&) = delete;
  std::string file() const { return (path_ / "ranks.json").string(); }

 private:
  std::filesystem::path path_;
};

pid_t start(const std::vector<std::string>& arguments, const std::vector<std::string>& more) {
  std::vector<char*> argv{const_cast<char*>("/proc/self/exe")}, env;
  for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  for (char** e = environ; *e != nullptr; ++e) env.push_back(*e);
  for (const auto& e : more) env.push_back(const_cast<char*>(e.c_str()));
  argv.push_back(nullptr);
  env.push_back(nullptr);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, argv.data(), env.data());
  if (error != 0) throw Error(ExitCode::distributed, std::string("a rank cannot be started: ") + std::strerror(error));
  return child;
}

struct Rank {
  pid_t process = 0;
  bool running = true;
  int code = 0;
  bool killed = false;
};

/// Whether any rank has ended by now.
bool reap(std::vector<Rank>& ranks) {
  bool any = false;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    int status = 0;
    if (!ranks[r].running || ::waitpid(ranks[r].process, &status, WNOHANG) != ranks[r].process) continue;
    any = true;
    ranks[r].running = false;
    ranks[r].killed = WIFSIGNALED(status);
    ranks[r].code = ranks[r].killed ? int(ExitCode::distributed) : WEXITSTATUS(status);
    if (ranks[r].killed) log::error("rank {} was killed by signal {}", r, WTERMSIG(status));
  }
  return any;
}

void signal_all(const std::vector<Rank>& ranks, int number) {
  for (const auto& rank : ranks)
    if (rank.running) ::kill(rank.process, number);
}

}  // namespace

int run_local_ranks(int count, const std::vector<std::string>& arguments) {
  using Clock = std::chrono::steady_clock;
  const MeetingPlace place;
  const std::string job = "MG_JOB=" + random_nonce();
  caught = 0;
  for (int number : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) std::signal(number, on_signal);
  std::vector<Rank> ranks;
  for (int r = 0; r < count; ++r)
    ranks.push_back({start(arguments, {"MG_RANK=" + std::to_string(r), "MG_RANKS=" + std::to_string(count), job,
                                       "MG_RENDEZVOUS=" + place.file()})});
  const auto running = [&] { return std::any_of(ranks.begin(), ranks.end(), [](const Rank& r) { return r.running; }); };
  const auto failed = [&] {
    return std::any_of(ranks.begin(), ranks.end(), [](const Rank& r) { return !r.running && r.code != 0; });
  };
  Clock::time_point failure{};
  while (running()) {
    if (caught != 0) {
      signal_all(ranks, caught);
      caught = 0;
    }
    if (!reap(ranks)) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (!failed() || ranks.front().code == int(ExitCode::stopped_early)) continue;
    if (failure == Clock::time_point{}) failure = Clock::now();
    if (Clock::now() - failure > std::chrono::seconds(10)) signal_all(ranks, SIGKILL);
  }
  int code = ranks.front().code;
  for (const auto& rank : ranks)
    if (rank.code != 0 && rank.code != int(ExitCode::distributed)) code = rank.code;
  for (const auto& rank : ranks)
    if (rank.killed && (code == 0 || code == int(ExitCode::internal))) code = int(ExitCode::distributed);
  return code;
}

}  // namespace mg::apps
