#pragma once
#include <functional>
#include <optional>
#include <string>

#include "apps/command.hpp"
#include "apps/options.hpp"
#include "core/communicator.hpp"

namespace mg::apps {

/// How the ranks of a job come to be.
struct LaunchOptions {
  int ranks = 0;              ///< 0 = as many as the launcher of the job says, or one
  std::string comm = "auto";  ///< auto | self | threads | tcp | mpi
  int timeout = 120;          ///< seconds that one rank waits for another
  bool share_device = false;  ///< ranks may use one GPU together
};
void add_launch_options(Command& command, LaunchOptions& options);

/// Which rank the environment says that this process is.
struct RankEnvironment {
  std::string source;  ///< who says so: "morphogen", "torchrun", "slurm", "mpi"
  int rank = 0, size = 1;
  std::string key;   ///< of this start of the job
  std::string file;  ///< rendezvous file; empty = address, or beside the run directory
  std::string host;  ///< address of rank 0
  int port = 0;
  std::string nonce;
};
using Lookup = std::function<const char*(const char*)>;
/// Looked for in this order: morphogen's own launcher, RANK and WORLD_SIZE (torchrun), a job step of Slurm, Open MPI. None
/// in a plain process, or in the batch script of Slurm. @throws Error (usage) on numbers that are none
std::optional<RankEnvironment> rank_environment(const Lookup& lookup);

/// Runs `body` once for every rank that lives in this process, or starts processes that do, and returns the exit code of
/// the job. A body that throws ends the other ranks.
/// @param run_dir  where ranks of several machines meet
int run_ranks(const LaunchOptions& launch, const GlobalOptions& options, const std::string& run_dir,
              const std::function<int(Communicator&)>& body);

/// Of this rank on its machine.
struct LocalRank {
  int rank = 0, size = 1;
};
LocalRank local_rank(Communicator& comm);

/// The device of a rank: `local` counts on from the first device that the process sees, and begins again after the last.
/// So each rank gets its own whether the scheduler shows all devices to all ranks, or each its own.
int device_of(int local, int visible);

/// The backend of this rank. @throws DistributedError when ranks share a device and may not
Exec make_rank_exec(const GlobalOptions& options, const LaunchOptions& launch, Communicator& comm);

}  // namespace mg::apps
