#pragma once
#include <string>
#include <vector>

#include "apps/command.hpp"

namespace mg::apps {

/// What a job asks a scheduler for.
struct JobRequest {
  std::string name = "morphogen";
  int nodes = 1, ranks_per_node = 0, gpus_per_node = 0, cpus_per_rank = 1;  ///< 0 ranks = one a GPU, or one
  std::string time = "01:00:00", partition, account, qos;
  int warning = 180;      ///< seconds before the time limit at which the run is told to stop
  int max_restarts = 20;  ///< requeues before giving up
  std::string array;      ///< "0-7%2"; empty = one job
  int ranks() const { return ranks_per_node > 0 ? ranks_per_node : gpus_per_node > 0 ? gpus_per_node : 1; }
};

/// The batch script: starts the command with srun, passes the warning of the scheduler on and puts the job back into the
/// queue when it stopped early or lost a rank, unless it was cancelled or got no further. Nothing in it is open to
/// interpretation: words are quoted, and what stands behind #SBATCH holds safe characters only.
/// @param command  of every rank, after srun
/// @param run_dir  whose checkpoints tell how far the run is; of an array the folder of its runs 0000, 0001, ...
/// @param log_dir  where the output goes
/// @throws Error (usage) naming the value that is not safe
std::string slurm_script(const JobRequest& job, const std::vector<std::string>& command, const std::string& run_dir,
                         const std::string& log_dir);

/// --nodes, --time, --partition, ...
void add_job_options(Command& command, JobRequest& job);

/// sbatch takes the script: its number on stdout. @throws Error (usage) when there is no sbatch or it refuses
int hand_to_slurm(const std::string& script);

/// The same as text for Grid Engine and for Kubernetes; to be adapted, this program does not submit them.
std::string grid_engine_script(const JobRequest& job, const std::vector<std::string>& command);
std::string kubernetes_job(const JobRequest& job, const std::vector<std::string>& command);

}  // namespace mg::apps
