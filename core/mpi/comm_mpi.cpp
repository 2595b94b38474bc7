// The engine of ranks by MPI. A shared object of its own: a program that does not ask for MPI never loads it.
#define OMPI_SKIP_MPICXX 1  // the old C++ bindings would need a library of their own
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <thread>

#include "core/comm_star.hpp"

namespace mg {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kHeadTag = 1, kBodyTag = 2;
constexpr std::size_t kChunk = std::size_t(1) << 30;  // MPI counts with int

/// Rank 0 gathers in rank order: MPI_Allreduce adds in an order of its own, and has no deadline.
class MpiCommunicator final : public StarCommunicator {
 public:
  MpiCommunicator(int rank, int size, std::chrono::milliseconds wait) : StarCommunicator(rank, size), wait_(wait) {}
  ~MpiCommunicator() override { MPI_Finalize(); }
  std::string_view engine() const override { return "mpi"; }
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

  void send(int to, Call call, std::string_view bytes) override {
    const Frame head{kFrameMagic, std::uint32_t(call), sequence(), bytes.size()};
    put(to, &head, sizeof head, kHeadTag);
    for (std::size_t at = 0; at < bytes.size(); at += kChunk)
      put(to, bytes.data() + at, std::min(kChunk, bytes.size() - at), kBodyTag);
  }
  Frame receive_frame(int from, Call) override {
    Frame f{};
    take(from, &f, sizeof f, kHeadTag);
    return f;
  }
  void receive_bytes(int from, void* data, std::size_t bytes) override {
    for (std::size_t at = 0; at < bytes; at += kChunk)
      take(from, static_cast<char*>(data) + at, std::min(kChunk, bytes - at), kBodyTag);
  }

  std::chrono::milliseconds wait_;
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
