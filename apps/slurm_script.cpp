#include "apps/slurm_script.hpp"

#include <nlohmann/json.hpp>

#include "apps/process.hpp"
#include "core/error.hpp"

namespace mg::apps {
namespace {

constexpr const char* kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// @throws Error (usage) unless `text` consists of letters, digits and `more`
const std::string& safe(const char* what, const std::string& text, const std::string& more) {
  const auto bad = text.find_first_not_of(kLetters + more);
  if (bad != std::string::npos || text.starts_with("-"))
    throw Error(ExitCode::usage, std::string(what) + ": \"" + text + "\" may hold letters, digits and " + more +
                                     " only, and must not begin with a dash");
  return text;
}

std::string line(const char* option, const std::string& value) {
  return value.empty() ? "" : "#SBATCH --" + std::string(option) + "=" + value + "\n";
}

std::string words(const std::vector<std::string>& command) {
  std::string all;
  for (const auto& word : command) all += " " + shell_quoted(word);
  return all;
}

constexpr const char* kBody = R"sh(set -u
export NCCL_DEBUG="${NCCL_DEBUG:-WARN}"
# Steps in the newest complete checkpoint.
steps() {
  local d newest=0
  for d in "$run"/checkpoints/step-*; do
    if [ -e "$d/COMPLETE" ]; then newest=${d##*-}; fi
  done
  echo "$((10#$newest))"
}
before=$(steps)
pid=
trap '[ -n "$pid" ] && kill -USR2 "$pid" 2>/dev/null' USR2 TERM   # srun passes it on to every rank
srun --kill-on-bad-exit=1 --unbuffered@COMMAND@ &
pid=$!
while :; do   # the trap interrupts wait
  wait "$pid"
  code=$?
  kill -0 "$pid" 2>/dev/null || break
done
case $code in
  75 | 9 | 137) ;;   # stopped early with a checkpoint, or a rank was lost
  *) exit "$code" ;;
esac
case "$(scontrol show job -o "$SLURM_JOB_ID" 2>/dev/null)" in
  *JobState=RUNNING*) ;;
  *) exit "$code" ;;   # cancelled: it would come back
esac
if [ "$(steps)" -le "$before" ]; then
  echo "job $SLURM_JOB_ID: no checkpoint since the last start, not requeued" >&2
  exit "$code"
fi
if [ "${SLURM_RESTART_COUNT:-0}" -ge @RESTARTS@ ]; then
  echo "job $SLURM_JOB_ID: @RESTARTS@ restarts are spent" >&2
  exit "$code"
fi
scontrol requeue "$SLURM_JOB_ID" && sleep 300   # stays alive: older versions of Slurm end a job that exits now as failed
exit "$code"
)sh";

void replace_all(std::string& text, const std::string& key, const std::string& value) {
  for (std::size_t at = 0; (at = text.find(key, at)) != std::string::npos; at += value.size())
    text.replace(at, key.size(), value);
}

}  // namespace

std::string slurm_script(const JobRequest& job, const std::vector<std::string>& command, const std::string& run_dir,
                         const std::string& log_dir) {
  std::string text = "#!/bin/bash\n";
  text += line("job-name", safe("the name", job.name, "._-"));
  text += line("nodes", std::to_string(job.nodes));
  text += line("ntasks-per-node", std::to_string(job.ranks()));
  if (job.gpus_per_node > 0) text += line("gpus-per-node", std::to_string(job.gpus_per_node));
  text += line("cpus-per-task", std::to_string(job.cpus_per_rank));
  text += line("time", safe("--time", job.time, ":-"));
  text += line("partition", safe("--partition", job.partition, "._-,"));
  text += line("account", safe("--account", job.account, "._-@"));
  text += line("qos", safe("--qos", job.qos, "._-"));
  text += line("array", safe("the array", job.array, "-%,"));
  text += line("signal", "B:USR2@" + std::to_string(job.warning));
  text += "#SBATCH --requeue\n#SBATCH --open-mode=append\n";
  text += line("output", safe("the directory of the run", log_dir, "._-/+=@,") +
                             (job.array.empty() ? "/slurm-%j.out" : "/slurm-%A_%a.out"));
  text +=
      "run=" + shell_quoted(run_dir) + (job.array.empty() ? "" : "/\"$(printf %04d \"$SLURM_ARRAY_TASK_ID\")\"") + "\n";
  std::string body = kBody;
  replace_all(body, "@RESTARTS@", std::to_string(job.max_restarts));
  // Last, so that nothing in the words of the user is taken for a key.
  const auto at = body.find("@COMMAND@");
  std::string all = words(command);
  if (!job.array.empty()) all += " --sweep-index \"$SLURM_ARRAY_TASK_ID\"";
  body.replace(at, 9, all);
  return text + body;
}

std::string grid_engine_script(const JobRequest& job, const std::vector<std::string>& command) {
  return "#!/bin/bash\n# A template for Grid Engine: adapt the parallel environment. Not submitted by this program.\n"
         "#$ -N " +
         safe("the name", job.name, "._-") + "\n#$ -l h_rt=" + safe("--time", job.time, ":-") + "\n#$ -pe mpi " +
         std::to_string(job.nodes * job.ranks()) +
         "\n#$ -notify -r y -cwd -j y\ntrap 'kill -USR2 \"$pid\"' USR1 USR2\nmpirun -n " +
         std::to_string(job.nodes * job.ranks()) + words(command) +
         " --comm mpi & pid=$!\nwhile :; do wait \"$pid\"; code=$?; kill -0 \"$pid\" 2>/dev/null || break; done\n"
         "[ \"$code\" -ne 75 ] || exit 99   # 99: put back into the queue\nexit \"$code\"\n";
}

std::string kubernetes_job(const JobRequest& job, const std::vector<std::string>& command) {
  using nlohmann::json;
  auto arguments = command;
  arguments.insert(arguments.end(), {"--ranks", std::to_string(job.ranks()), "--comm", "tcp"});
  json container{{"name", "morphogen"}, {"image", "morphogen:latest"}, {"command", arguments}};
  if (job.gpus_per_node > 0) container["resources"]["limits"]["nvidia.com/gpu"] = job.gpus_per_node;
  json pod{{"restartPolicy", "OnFailure"}, {"terminationGracePeriodSeconds", job.warning}, {"containers", {container}}};
  return json{{"apiVersion", "batch/v1"},
              {"kind", "Job"},
              {"metadata", {{"name", safe("the name", job.name, ".-")}}},
              {"spec", {{"backoffLimit", job.max_restarts}, {"template", {{"spec", pod}}}}}}
             .dump(1) +
         "\n";
}

}  // namespace mg::apps
