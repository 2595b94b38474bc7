"""A real Slurm of two nodes on this machine, for the tests: munged, slurmctld and a slurmd in a host name and mount
namespace of its own for every node. Needs root. Touches nothing outside its folder."""
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

CONF = """ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={d}/munge.sock
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SwitchType=switch/none
SlurmdParameters=config_overrides
SlurmctldParameters=preempt_send_user_signal
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout=10
KillWait=5
JobRequeue=1
MailProg=/bin/true
PropagateResourceLimits=NONE
SlurmctldPidFile={d}/slurmctld.pid
SlurmdPidFile={d}/slurmd-%n.pid
SlurmctldLogFile={d}/slurmctld.log
SlurmdLogFile={d}/slurmd-%n.log
SlurmdSpoolDir={d}/spool-%n
StateSaveLocation={d}/state
TmpFS={d}/tmp-%n
GresTypes=gpu
{nodes}PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=10
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "munged", "unshare")


def missing():
    """Why there can be no cluster here, or an empty text."""
    absent = [p for p in PROGRAMS if shutil.which(p) is None]
    if absent:
        return "not installed: " + " ".join(absent)
    if os.geteuid() != 0:
        return "needs root"
    if subprocess.run(["unshare", "--uts", "--mount", "true"], capture_output=True, check=False).returncode:
        return "no namespaces here"
    return ""


class Cluster:
    def __init__(self, folder, nodes=2, cpus=4, gpus=2):
        self.d, self.nodes, self.processes = Path(folder), nodes, {}
        d, base = self.d, 20000 + os.getpid() % 10000 * 4
        for name in ["state"] + [f"{k}-n{i + 1}" for k in ("spool", "tmp") for i in range(nodes)]:
            (d / name).mkdir(parents=True)
        names = [f"n{i + 1}" for i in range(nodes)]
        (d / "hosts").write_text("".join(f"127.0.0.1 {n}\n" for n in ["localhost", socket.gethostname(), *names]))
        (d / "munge.key").write_bytes(os.urandom(1024))
        (d / "munge.key").chmod(0o600)
        for g in range(gpus):
            os.mknod(d / f"gpu{g}", 0o20666, os.makedev(1, 3))
        line = "NodeName={n} NodeHostname={n} NodeAddr=127.0.0.1 Port={p} CPUs={c} RealMemory=1000 Gres=gpu:{g} State=UNKNOWN\n"
        (d / "slurm.conf").write_text(CONF.format(
            host=socket.gethostname(), port=base, d=d,
            nodes="".join(line.format(n=n, p=base + 1 + i, c=cpus, g=gpus) for i, n in enumerate(names))))
        (d / "gres.conf").write_text("".join(f"NodeName={n} Name=gpu File={d}/gpu[0-{gpus - 1}]\n" for n in names))
        (d / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        self.env = {**os.environ, "SLURM_CONF": str(d / "slurm.conf")}
        subprocess.run(["munged", "--force", f"--key-file={d}/munge.key", f"--socket={d}/munge.sock",
                        f"--pid-file={d}/munged.pid", f"--log-file={d}/munged.log", f"--seed-file={d}/munged.seed"],
                       check=True)
        self.start("ctld", ["slurmctld", "-D", "-f", str(d / "slurm.conf")])
        for n in names:
            self.start_node(n)
        self.wait(lambda: len(self.run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split()) >= nodes, 30, "the nodes")

    def start(self, name, command):
        with open(self.d / f"{name}.out", "a", encoding="utf-8") as out:
            self.processes[name] = subprocess.Popen(command, env=self.env, stdout=out, stderr=out)

    def start_node(self, n):
        self.start(n, ["unshare", "--uts", "--mount", "sh", "-c",
                       f"hostname {n}; mount --bind {self.d}/hosts /etc/hosts; exec slurmd -D -f {self.d}/slurm.conf"])

    def run(self, *command, check=False):
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def wait(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.1)
        raise AssertionError(f"waited {seconds} s for {what}\n{self.run('scontrol', 'show', 'job')}")

    def state(self, job):
        words = self.run("scontrol", "show", "job", "-o", str(job)).split()
        return dict(w.split("=", 1) for w in words if "=" in w)

    def release(self, job):
        """A requeued job waits two minutes; not here."""
        self.run("scontrol", "update", f"JobId={job}", "StartTime=now")

    def stop(self):
        self.run("scancel", "-u", "root", "--signal=KILL", "--full")
        for p in self.processes.values():
            p.kill()
            p.wait()
        os.kill(int((self.d / "munged.pid").read_text()), 15)
