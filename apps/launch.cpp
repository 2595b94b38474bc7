#include "apps/launch.hpp"

#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>

#include "apps/local_ranks.hpp"
#include "core/comm_tcp.hpp"
#include "core/device.hpp"
#include "core/socket.hpp"
#include "core/threads.hpp"

namespace mg::apps {
namespace {
namespace fs = std::filesystem;

int number(const char* name, const char* text) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (end == text || *end != '\0' || value < 0 || value > std::numeric_limits<int>::max())
    throw Error(ExitCode::usage, std::string(name) + ": expected a number, got \"" + text + "\"");
  return int(value);
}

/// Beside the run directory, which only rank 0 may create.
fs::path rendezvous_file(const std::string& run_dir, const std::string& key) {
  const fs::path run = fs::absolute(run_dir).lexically_normal();
  const fs::path path = run.has_filename() ? run : run.parent_path();
  return path.parent_path() / ("." + path.filename().string() + ".ranks-" + key + ".json");
}

std::unique_ptr<Communicator> join_by_tcp(const LaunchOptions& launch, const RankEnvironment& e,
                                          const std::string& run_dir) {
  TcpOptions o{e.rank, e.size, e.file, e.key, e.host, e.port, e.nonce, {std::chrono::seconds(launch.timeout)}};
  if (o.file.empty() && o.host.empty()) {
    if (run_dir.empty())
      throw Error(ExitCode::usage,
                  "the ranks of this job need a place to meet: give --run-dir, in a folder that all "
                  "nodes see, or set MASTER_ADDR and MASTER_PORT");
    o.file = rendezvous_file(run_dir, e.key);
  }
  return tcp_communicator(o);
}

/// Threads of the host for one of `local` ranks, unless somebody has chosen: a scheduler, who leaves each rank a part of
/// the processors, or the user.
void share_threads([[maybe_unused]] const GlobalOptions& options, [[maybe_unused]] int local) {
#ifdef _OPENMP
  if (options.threads > 0) {
    omp_set_num_threads(options.threads);
    return;
  }
  const bool chosen = std::getenv("OMP_NUM_THREADS") != nullptr || std::getenv("SLURM_CPUS_PER_TASK") != nullptr;
  cpu_set_t mine;
  const bool whole =
      ::sched_getaffinity(0, sizeof mine, &mine) != 0 || CPU_COUNT(&mine) >= int(::sysconf(_SC_NPROCESSORS_ONLN));
  if (!chosen && whole) omp_set_num_threads(std::max(1, omp_get_num_procs() / local));
#endif
}

int code_of(const std::exception& error) {
  const auto* known = dynamic_cast<const Error*>(&error);
  return int(known != nullptr ? known->code() : ExitCode::internal);
}

int run_process(Communicator& comm, const GlobalOptions& options, const std::function<int(Communicator&)>& body) {
  try {
    share_threads(options, local_rank(comm).size);
    return body(comm);
  } catch (const std::exception& error) {
    comm.abort(error.what(), code_of(error));
    throw;
  }
}

std::string chosen_engine(const LaunchOptions& launch, const std::optional<RankEnvironment>& e) {
  if (launch.comm != "auto") return launch.comm;
  if (e) return e->source == "mpi" ? "mpi" : "tcp";
  return launch.ranks > 1 ? "threads" : "self";
}

void require_ranks(int wanted, int found, const std::string& how) {
  if (wanted > 0 && wanted != found)
    throw Error(ExitCode::usage, "--ranks " + std::to_string(wanted) + ", but the job has " + std::to_string(found) +
                                     (found == 1 ? " rank" : " ranks") + how);
}

}  // namespace

void add_launch_options(Command& command, LaunchOptions& o) {
  command.option("--ranks", o.ranks, "Ranks that share the samples; default: as many as mpirun, srun or torchrun say")
      .type("N")
      .range(1, 65536);
  command
      .option(
          "--comm", o.comm,
          "How ranks talk: threads (of this process), tcp (processes; without a launcher this one starts them), mpi, "
          "self (this rank alone) or auto")
      .one_of({"auto", "self", "threads", "tcp", "mpi"});
  command.option("--comm-timeout", o.timeout, "Seconds that a rank waits for another before the job ends with exit 9")
      .type("S")
      .range(1, 1000000);
  command.flag("--share-device", o.share_device, "Ranks may use one GPU together");
}

std::optional<RankEnvironment> rank_environment(const Lookup& lookup) {
  const auto text = [&](const char* name) { return std::string(lookup(name) != nullptr ? lookup(name) : ""); };
  const auto value = [&](const char* name) { return number(name, text(name).c_str()); };
  RankEnvironment e;
  if (lookup("MG_RANK") != nullptr && lookup("MG_RANKS") != nullptr) {
    e = {"morphogen", value("MG_RANK"), value("MG_RANKS"), text("MG_JOB"), text("MG_RENDEZVOUS"), "", 0, ""};
  } else if (lookup("RANK") != nullptr && lookup("WORLD_SIZE") != nullptr && lookup("MASTER_ADDR") != nullptr &&
             lookup("MASTER_PORT") != nullptr) {
    e = {"torchrun", value("RANK"),       value("WORLD_SIZE"),  "",
         "",         text("MASTER_ADDR"), value("MASTER_PORT"), text("MG_NONCE")};
  } else if (lookup("SLURM_STEP_ID") != nullptr && lookup("SLURM_PROCID") != nullptr &&
             lookup("SLURM_STEP_NUM_TASKS") != nullptr && value("SLURM_STEP_NUM_TASKS") > 1) {
    const std::string restart = text("SLURM_RESTART_COUNT");
    e = {"slurm",
         value("SLURM_PROCID"),
         value("SLURM_STEP_NUM_TASKS"),
         text("SLURM_JOB_ID") + "." + text("SLURM_STEP_ID") + "." + (restart.empty() ? "0" : restart),
         "",
         "",
         0,
         ""};
  } else if (lookup("OMPI_COMM_WORLD_RANK") != nullptr && lookup("OMPI_COMM_WORLD_SIZE") != nullptr) {
    e = {"mpi", value("OMPI_COMM_WORLD_RANK"), value("OMPI_COMM_WORLD_SIZE"), "", "", "", 0, ""};
  } else {
    return std::nullopt;
  }
  if (e.size < 1 || e.rank >= e.size)
    throw Error(ExitCode::usage, e.source + " says rank " + std::to_string(e.rank) + " of " + std::to_string(e.size));
  return e;
}

int run_ranks(const LaunchOptions& launch, const GlobalOptions& options, const std::string& run_dir,
              const std::function<int(Communicator&)>& body) {
  const auto e = rank_environment([](const char* name) { return std::getenv(name); });
  const std::string engine = chosen_engine(launch, e);
  if (engine == "self") {
    require_ranks(launch.ranks, 1, "");
    return body(*self_communicator());
  }
  if (engine == "threads") {
    std::vector<int> codes(std::size_t(std::max(launch.ranks, 1)));
    run_in_threads(int(codes.size()), {std::chrono::seconds(launch.timeout)}, [&](Communicator& comm) {
      share_threads(options, comm.size());
      codes[std::size_t(comm.rank())] = body(comm);
    });
    return codes.front();
  }
  if (engine == "mpi") {
    const auto comm = mpi_communicator({std::chrono::seconds(launch.timeout)});
    require_ranks(launch.ranks, comm->size(), "; start it with mpirun -n " + std::to_string(launch.ranks));
    return run_process(*comm, options, body);
  }
  if (!e) {
    if (launch.ranks <= 1) return body(*self_communicator());
    return run_local_ranks(launch.ranks, options.arguments);
  }
  require_ranks(launch.ranks, e->size, "");
  const auto comm = join_by_tcp(launch, *e, run_dir);
  return run_process(*comm, options, body);
}

LocalRank local_rank(Communicator& comm) {
  if (comm.engine() == "threads") return {comm.rank(), comm.size()};
  const auto hosts = comm.all_gather(host_name());
  LocalRank local{0, 0};
  for (std::size_t r = 0; r < hosts.size(); ++r) {
    if (hosts[r] != hosts[std::size_t(comm.rank())]) continue;
    ++local.size;
    local.rank += int(r) < comm.rank();
  }
  return local;
}

int device_of(int local, int visible) { return visible > 0 ? local % visible : 0; }

Exec make_rank_exec(const GlobalOptions& options, const LaunchOptions& launch, Communicator& comm) {
  const bool host = options.backend == "host" || (options.backend == "auto" && !device_usable());
  if (comm.size() == 1) return host ? Exec{} : make_device_exec();
  std::string device;
  int index = 0;
  if (!host) {
    const auto devices = query_devices().devices;
    index = device_of(local_rank(comm).rank, int(devices.size()));
    if (!devices.empty()) device = host_name() + " " + devices[std::size_t(index)].pci;
  } else if (comm.engine() != "threads") {
    local_rank(comm);  // all ranks make the same calls, whatever they compute on
  }
  const auto all = comm.all_gather(device);
  std::map<std::string, std::vector<int>> users;
  for (std::size_t r = 0; r < all.size(); ++r) {
    if (all[r].empty() != all[0].empty())
      throw DistributedError("rank 0 computes on " + std::string(all[0].empty() ? "the host" : "a GPU") + ", " +
                             rank_names({int(r)}) + " not; name the --backend");
    if (!all[r].empty()) users[all[r]].push_back(int(r));
  }
  for (const auto& [name, ranks] : users)
    if (ranks.size() > 1 && !launch.share_device)
      throw DistributedError(rank_names(ranks) + " share the GPU " + name +
                             "; start as many ranks as GPUs, or allow it with --share-device");
  return host ? Exec{} : make_device_exec(index);
}

}  // namespace mg::apps
