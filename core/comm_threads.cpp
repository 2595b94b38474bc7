#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "core/communicator.hpp"

namespace mg {
namespace {

/// Thrown in ranks that only learn that another one failed.
struct EchoError final : DistributedError {
  using DistributedError::DistributedError;
};

/// What the ranks of one process share. A call is two meetings: all have posted, all have read.
class Team {
 public:
  struct Post {
    const char* call = "";
    void* data = nullptr;
    std::size_t bytes = 0;
  };

  Team(int size, CommDeadline deadline) : deadline_(deadline), posts_(std::size_t(size)), here_(std::size_t(size)) {}

  const Post& post(int rank) const { return posts_[std::size_t(rank)]; }
  int size() const { return int(posts_.size()); }
  std::vector<std::byte>& scratch() { return scratch_; }

  /// Posts and waits for the others. Calls and, if `same`, bytes must be the same everywhere: every rank sees it when not.
  void meet(int rank, const Post& mine, bool same) {
    posts_[std::size_t(rank)] = mine;
    wait(rank, mine.call);
    const Post& first = posts_.front();
    for (std::size_t r = 1; r < posts_.size(); ++r) {
      const Post& other = posts_[r];
      if (std::strcmp(first.call, other.call) == 0 && !(same && first.bytes != other.bytes)) continue;
      throw DistributedError("rank " + std::to_string(r) + " calls " + other.call + " of " +
                             std::to_string(other.bytes) + " bytes, rank 0 " + first.call + " of " +
                             std::to_string(first.bytes));
    }
  }

  void wait(int rank, const char* call) {
    std::unique_lock lock(mutex_);
    check();
    const std::uint64_t meeting = meetings_;
    here_[std::size_t(rank)] = 1;
    if (++arrived_ == posts_.size()) {
      arrived_ = 0;
      std::fill(here_.begin(), here_.end(), char(0));
      ++meetings_;
      all_here_.notify_all();
      return;
    }
    const bool in_time =
        all_here_.wait_for(lock, deadline_.wait, [&] { return meetings_ != meeting || failure_.has_value(); });
    if (meetings_ != meeting) return;
    check();
    if (in_time) return;
    std::vector<int> missing;
    for (std::size_t r = 0; r < here_.size(); ++r)
      if (!here_[r]) missing.push_back(int(r));
    failure_ = std::string(call) + ": no answer from " + rank_names(missing) + " within " +
               std::to_string(double(deadline_.wait.count()) / 1000) + " s";
    all_here_.notify_all();
    throw DistributedError(*failure_);
  }

  void fail(const std::string& reason) noexcept {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = reason;
    all_here_.notify_all();
  }

 private:
  void check() const {
    if (failure_) throw EchoError(*failure_);
  }
  CommDeadline deadline_;
  std::vector<Post> posts_;  // [size] written by their rank before a meeting, read by all after it
  std::vector<std::byte> scratch_;
  std::mutex mutex_;
  std::condition_variable all_here_;
  std::vector<char> here_;  // [size]
  std::size_t arrived_ = 0;
  std::uint64_t meetings_ = 0;
  std::optional<std::string> failure_;
};

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(Team& team, int rank) : Communicator(rank, team.size()), team_(team) {}
  std::string_view engine() const override { return "threads"; }
  void all_reduce(float* values, std::size_t count) override { sum(values, count); }
  void all_reduce(double* values, std::size_t count) override { sum(values, count); }

  std::vector<std::string> all_gather(std::string_view mine) override {
    team_.meet(rank(), {"all_gather", const_cast<char*>(mine.data()), mine.size()}, false);
    std::vector<std::string> all;
    for (int r = 0; r < size(); ++r)
      all.emplace_back(static_cast<const char*>(team_.post(r).data), team_.post(r).bytes);
    team_.wait(rank(), "all_gather");
    return all;
  }

  void broadcast(std::string& bytes) override {
    team_.meet(rank(), {"broadcast", bytes.data(), bytes.size()}, false);
    if (!root()) bytes.assign(static_cast<const char*>(team_.post(0).data), team_.post(0).bytes);
    team_.wait(rank(), "broadcast");
  }

  void abort(const std::string& reason, int) noexcept override { team_.fail(reason); }

 private:
  /// Every rank sums a share of the elements over all ranks, then all copy the result.
  template <class T>
  void sum(T* values, std::size_t count) {
    if (root() && team_.scratch().size() < count * sizeof(T)) team_.scratch().resize(count * sizeof(T));
    team_.meet(rank(), {"all_reduce", values, count * sizeof(T)}, true);
    T* const out = reinterpret_cast<T*>(team_.scratch().data());
    const std::size_t begin = count * std::size_t(rank()) / std::size_t(size());
    const std::size_t end = count * (std::size_t(rank()) + 1) / std::size_t(size());
    std::copy(static_cast<const T*>(team_.post(0).data) + begin, static_cast<const T*>(team_.post(0).data) + end,
              out + begin);
    for (int r = 1; r < size(); ++r) {
      const T* const theirs = static_cast<const T*>(team_.post(r).data);
      for (std::size_t i = begin; i < end; ++i) out[i] += theirs[i];
    }
    team_.wait(rank(), "all_reduce");
    std::copy(out, out + count, values);
    team_.wait(rank(), "all_reduce");
  }

  Team& team_;
};

}  // namespace

void run_in_threads(int ranks, const CommDeadline& deadline, const std::function<void(Communicator&)>& body) {
  Team team(ranks, deadline);
  std::mutex mutex;
  std::exception_ptr cause, echo;
  std::vector<std::thread> threads;
  for (int r = 0; r < ranks; ++r)
    threads.emplace_back([&, r] {
      ThreadCommunicator comm(team, r);
      try {
        body(comm);
      } catch (const EchoError&) {
        const std::lock_guard lock(mutex);
        if (!echo) echo = std::current_exception();
      } catch (const std::exception& error) {
        {
          const std::lock_guard lock(mutex);
          if (!cause) cause = std::current_exception();
        }
        team.fail("rank " + std::to_string(r) + " failed: " + error.what());
      }
    });
  for (auto& thread : threads) thread.join();
  if (cause) std::rethrow_exception(cause);
  if (echo) std::rethrow_exception(echo);
}

}  // namespace mg
