// The engine of ranks by MPI. A shared object of its own: a program that does not ask for MPI never loads it.
#define OMPI_SKIP_MPICXX 1  // the old C++ bindings would need a library of their own
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <thread>

#include "core/communicator.hpp"

namespace mg {
namespace {

using Clock = std::chrono::steady_clock;
enum class Call : std::uint64_t { sum_float, sum_double, gather, broadcast };
struct Head {
  std::uint64_t call, sequence, bytes;
};
constexpr int kHeadTag = 1, kBodyTag = 2;
constexpr std::size_t kChunk = std::size_t(1) << 30;  // MPI counts with int

/// Rank 0 gathers in rank order: MPI_Allreduce adds in an order of its own, and has no deadline.
class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(int rank, int size, std::chrono::milliseconds wait) : Communicator(rank, size), wait_(wait) {}
  ~MpiCommunicator() override { MPI_Finalize(); }
  std::string_view engine() const override { return "mpi"; }
  void all_reduce(float* values, std::size_t count) override { sum(Call::sum_float, values, count); }
  void all_reduce(double* values, std::size_t count) override { sum(Call::sum_double, values, count); }

  std::vector<std::string> all_gather(std::string_view mine) override {
    ++sequence_;
    std::vector<std::string> all(static_cast<std::size_t>(size()));
    if (root()) {
      all[0] = mine;
      for (int r = 1; r < size(); ++r) all[std::size_t(r)] = receive(r, Call::gather);
    } else {
      send(0, Call::gather, mine);
    }
    for (auto& one : all) share(one);
    return all;
  }
  void broadcast(std::string& bytes) override {
    ++sequence_;
    share(bytes);
  }
  void abort(const std::string& reason, int code) noexcept override {
    std::fprintf(stderr, "error: rank %d: %s\n", rank(), reason.c_str());
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, code);
  }

 private:
  /// Until the request is done. @throws DistributedError at the deadline
  void finish(MPI_Request request, int peer, const char* what) {
    const auto deadline = Clock::now() + (root() ? wait_ : 2 * wait_);
    for (int tries = 0;; ++tries) {
      int done = 0;
      if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
        throw DistributedError("rank " + std::to_string(peer) + " is lost");
      if (done) return;
      if (tries < 2000) continue;
      if (Clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::microseconds(tries < 20000 ? 20 : 1000));
        continue;
      }
      std::vector<int> missing{peer};
      for (int r = peer + 1; r < size() && root(); ++r) {
        int there = 0;
        MPI_Iprobe(r, kHeadTag, MPI_COMM_WORLD, &there, MPI_STATUS_IGNORE);
        if (!there) missing.push_back(r);
      }
      std::string names;
      for (int r : missing) names += " " + std::to_string(r);
      throw DistributedError(std::string(what) + ": no answer from rank(s)" + names + " within " +
                             std::to_string(double(wait_.count()) / 1000) + " s");
    }
  }

  void put(int to, const void* data, std::size_t bytes, int tag) {
    MPI_Request request;
    MPI_Isend(data, int(bytes), MPI_BYTE, to, tag, MPI_COMM_WORLD, &request);
    finish(request, to, "send");
  }
  void take(int from, void* data, std::size_t bytes, int tag) {
    MPI_Request request;
    MPI_Irecv(data, int(bytes), MPI_BYTE, from, tag, MPI_COMM_WORLD, &request);
    finish(request, from, "receive");
  }

  void send(int to, Call call, std::string_view bytes) {
    const Head head{std::uint64_t(call), sequence_, bytes.size()};
    put(to, &head, sizeof head, kHeadTag);
    for (std::size_t at = 0; at < bytes.size(); at += kChunk)
      put(to, bytes.data() + at, std::min(kChunk, bytes.size() - at), kBodyTag);
  }
  std::size_t head(int from, Call call) {
    Head h{};
    take(from, &h, sizeof h, kHeadTag);
    if (h.call != std::uint64_t(call) || h.sequence != sequence_)
      throw DistributedError("rank " + std::to_string(from) + " makes another call than rank " +
                             std::to_string(rank()) + " (its call " + std::to_string(h.sequence) + " of " +
                             std::to_string(h.bytes) + " bytes, not call " + std::to_string(sequence_) + ")");
    return h.bytes;
  }
  void body(int from, char* data, std::size_t bytes) {
    for (std::size_t at = 0; at < bytes; at += kChunk) take(from, data + at, std::min(kChunk, bytes - at), kBodyTag);
  }
  std::string receive(int from, Call call) {
    std::string text(head(from, call), ' ');
    body(from, text.data(), text.size());
    return text;
  }
  void share(std::string& bytes) {
    if (!root()) {
      bytes = receive(0, Call::broadcast);
      return;
    }
    for (int r = 1; r < size(); ++r) send(r, Call::broadcast, bytes);
  }
  template <class T>
  void receive_values(int from, Call call, T* values, std::size_t count) {
    if (head(from, call) != count * sizeof(T))
      throw DistributedError("rank " + std::to_string(from) + " sums another number of bytes than rank " +
                             std::to_string(rank()));
    body(from, reinterpret_cast<char*>(values), count * sizeof(T));
  }
  template <class T>
  void sum(Call call, T* values, std::size_t count) {
    ++sequence_;
    const std::string_view bytes(reinterpret_cast<const char*>(values), count * sizeof(T));
    if (!root()) {
      send(0, call, bytes);
      return receive_values(0, call, values, count);
    }
    theirs_.resize(std::max(theirs_.size(), bytes.size()));
    T* const theirs = reinterpret_cast<T*>(theirs_.data());
    for (int r = 1; r < size(); ++r) {
      receive_values(r, call, theirs, count);
      for (std::size_t i = 0; i < count; ++i) values[i] += theirs[i];
    }
    for (int r = 1; r < size(); ++r) send(r, call, bytes);
  }

  std::chrono::milliseconds wait_;
  std::vector<std::byte> theirs_;
  std::uint64_t sequence_ = 0;
};

}  // namespace
}  // namespace mg

/// What the program looks up in this object; the caller owns the result.
extern "C" mg::Communicator* mg_make_mpi_communicator(long long wait_ms) {
  int provided = 0, rank = 0, size = 1;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return new mg::MpiCommunicator(rank, size, std::chrono::milliseconds(wait_ms));
}
