#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/buffer.hpp"
#include "core/error.hpp"

namespace mg {

/// The ranks of one job and what they do together. Every rank makes the same calls in the same order. Sums are taken in
/// rank order: the same ranks with the same values give the same bits, on every rank, every time. No call waits longer
/// than the deadline of the engine; what fails names the ranks that are missing and ends the job for all of them.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual std::string_view engine() const = 0;
  int rank() const { return rank_; }
  int size() const { return size_; }
  bool root() const { return rank_ == 0; }

  /// values[i] = sum over the ranks, in rank order. @throws DistributedError
  virtual void all_reduce(float* values, std::size_t count) = 0;
  virtual void all_reduce(double* values, std::size_t count) = 0;
  /// The bytes of every rank, by rank; they may differ in number. @throws DistributedError
  virtual std::vector<std::string> all_gather(std::string_view mine) = 0;
  /// `bytes` becomes that of rank 0. @throws DistributedError
  virtual void broadcast(std::string& bytes) = 0;
  /// Tells the other ranks why this one leaves; whatever they wait for fails at once. Never throws. With MPI it ends the
  /// job, this process included, with exit code `code`.
  virtual void abort(const std::string& reason, int code = int(ExitCode::distributed)) noexcept = 0;

  /// Returns when all ranks have called it. @throws DistributedError
  void barrier() { all_gather({}); }
  /// The sum of an array where `exec` runs; engines of the host stage what a device holds.
  template <class T>
  void all_reduce(const Exec& exec, T* data, std::size_t count);

 protected:
  Communicator(int rank, int size) : rank_(rank), size_(size) {}
  /// Whether all_reduce_device does it. Engines that know no device say no.
  virtual bool reduces_on_device() const { return false; }
  virtual void all_reduce_device(const Exec&, float*, std::size_t) {}
  virtual void all_reduce_device(const Exec&, double*, std::size_t) {}

 private:
  int rank_, size_;
  std::vector<std::byte> staging_;
};

/// One rank: every call returns at once.
std::unique_ptr<Communicator> self_communicator();

/// What keeps ranks from waiting for ever.
struct CommDeadline {
  std::chrono::milliseconds wait{120000};
};

/// The ranks that mpirun or srun started. MPI is initialised here and nowhere else; the library is loaded here, too.
/// @throws DistributedError when this installation has no MPI
std::unique_ptr<Communicator> mpi_communicator(const CommDeadline& deadline);

/// Runs body(communicator of rank r) in a thread each and waits for all of them. The first exception that is not just the
/// echo of another rank's is thrown again; a rank that throws ends the waiting of the others.
void run_in_threads(int ranks, const CommDeadline& deadline, const std::function<void(Communicator&)>& body);

/// "rank 3", "ranks 1, 4 and 7"
std::string rank_names(const std::vector<int>& ranks);

/// Compares what every rank says of itself with rank 0's and throws on all of them when some differ: versions, configurations.
/// @param facts  lines "name\tvalue" in the same order on every rank
/// @throws DistributedError naming the ranks, the fact and both values
void require_same_on_all_ranks(Communicator& comm, const std::vector<std::pair<std::string, std::string>>& facts);

}  // namespace mg
