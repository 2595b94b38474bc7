#!/usr/bin/env python3
"""Training under a real Slurm: preemption, time limit, cancelling, a killed rank, a dead node, arrays, two jobs in one
run directory. usage: slurm_test.py MORPHOGEN. Exit 77: nothing to test with (ctest shows a skip)."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import cluster  # noqa: E402  pylint: disable=wrong-import-position

MORPHOGEN = sys.argv.pop(1) if len(sys.argv) > 1 else "morphogen"
CONFIG = {
    "name": "small", "seed": 5, "precision": "f64",
    "model": {"type": "gray_scott", "params": {"DA": 0.13}, "solver": {"type": "heun", "dt": 0.5}},
    "data": {"type": "simulate", "model": {"type": "gray_scott", "solver": {"type": "heun", "dt": 0.5}},
             "start": {"type": "layers", "size": [10, 12], "samples": 4,
                       "layers": [{"type": "constant", "channels": [0], "value": 1},
                                  {"type": "squares", "channels": [1], "count": 2, "side": 4, "value": 0.5}]},
             "times": {"type": "linspace", "to": 8, "count": 5}},
    "augment": {"type": "trajectory", "length": 2, "increment_prob": 0.5},
    "objective": {"type": "trajectory"}, "optimiser": {"type": "nadam", "lr": 1e-4},
    "train": {"iterations": 1000000, "warmup": 2}, "checkpoint": {"every": 50, "fsync": False}}


class SlurmTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="mg-slurm-", ignore_cleanup_errors=True)
        cls.root = Path(cls.folder.name)
        cls.slurm = cluster.Cluster(cls.root / "cluster")
        cls.config = cls.root / "config.json"
        cls.config.write_text(json.dumps(CONFIG))

    @classmethod
    def tearDownClass(cls):
        cls.slurm.stop()
        cls.folder.cleanup()

    def submit(self, run, *more, nodes=2, iterations=None):
        command = [MORPHOGEN, "submit", str(self.config), "--run-dir", str(self.root / run), "--nodes", str(nodes),
                   "--backend", "host", "--partition", "low", *more]
        if iterations:
            command += ["--set", f"train.iterations={iterations}"]
        done = subprocess.run(command, env=self.slurm.env, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return int(done.stdout)

    def steps(self, run):
        try:
            return len((self.root / run / "metrics.jsonl").read_text().splitlines())
        except OSError:
            return 0

    def status(self, run):
        return json.loads((self.root / run / "STATUS.json").read_text())

    def output(self, run):
        return "".join(p.read_text() for p in (self.root / f"{run}.job").glob("slurm-*.out"))

    def wait_steps(self, run, steps):
        self.slurm.wait(lambda: self.steps(run) >= steps, 60, f"step {steps} of {run}: {self.output(run)}")

    def wait_state(self, job, *states, seconds=60):
        self.slurm.wait(lambda: self.slurm.state(job).get("JobState") in states, seconds, f"{job} to be {states}")

    def end(self, job):
        self.slurm.run("scancel", "--signal=KILL", "--full", str(job))
        self.slurm.wait(lambda: self.slurm.run("scancel", str(job)) or str(job) not in self.slurm.run(
            "squeue", "-h", "-o", "%i").split(), 30, f"{job} to leave the queue")

    def final(self, run, step):
        return (self.root / run / "checkpoints" / f"step-{step:08d}" / "train_state.safetensors").read_bytes()

    def test_preempted_run_ends_as_an_undisturbed_one(self):
        steps = 20000  # a quarter of a minute: longer than the scheduler takes to preempt
        job = self.submit("preempted", iterations=steps)
        self.wait_steps("preempted", 100)
        other = self.slurm.run("sbatch", "--parsable", "-p", "high", "-N", "2", "--exclusive", "-o", "/dev/null",
                               "--wrap", "sleep 1", check=True)
        self.wait_state(job, "PENDING", "REQUEUED")
        self.assertEqual(self.status("preempted")["state"], "stopped", self.output("preempted"))
        self.wait_state(int(other), "COMPLETED")
        self.slurm.wait(lambda: self.slurm.release(job) or self.slurm.state(job).get("JobState") != "PENDING", 60, "a start")
        self.wait_state(job, "COMPLETED", seconds=180)
        self.assertIn("going on from step", self.output("preempted"))
        subprocess.run([MORPHOGEN, "train", str(self.config), "--run-dir", str(self.root / "whole"), "-q", "--backend",
                        "host", "--threads", "1", "--ranks", "2", "--set", f"train.iterations={steps}"], check=True,
                       stdout=subprocess.DEVNULL)
        self.assertEqual(self.final("preempted", steps), self.final("whole", steps))

    def test_killed_rank_and_cancelled_job(self):
        job = self.submit("killed")
        self.wait_steps("killed", 100)
        ranks = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and self.is_rank(p, "killed")]
        self.assertEqual(len(ranks), 2, self.output("killed"))
        second = [p for p in ranks if b"SLURM_PROCID=1\0" in Path(f"/proc/{p}/environ").read_bytes()]
        os.kill(second[0], signal.SIGKILL)
        self.wait_state(job, "PENDING")
        self.assertEqual(self.status("killed")["exit_code"], 9, self.output("killed"))
        before = self.steps("killed")
        self.slurm.wait(lambda: self.slurm.release(job) or self.slurm.state(job).get("JobState") == "RUNNING", 60, "a start")
        self.wait_steps("killed", before + 100)
        self.slurm.run("scancel", str(job))
        self.wait_state(job, "CANCELLED")
        time.sleep(2)
        self.assertEqual(self.slurm.state(job)["JobState"], "CANCELLED", "a cancelled job stays so")
        self.end(job)

    @staticmethod
    def is_rank(process, run):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return words[0] == os.fsencode(os.path.realpath(MORPHOGEN)) and any(w.endswith(run.encode()) for w in words)

    def test_time_limit(self):
        job = self.submit("late", "--time", "00:01:00", "--warning", "55")
        self.wait_steps("late", 60)
        self.wait_state(job, "PENDING", seconds=100)
        self.assertEqual(self.status("late")["state"], "stopped", self.output("late"))
        self.end(job)

    def test_two_jobs_in_one_run_directory(self):
        first = self.submit("shared", nodes=1)
        self.wait_steps("shared", 50)
        second = self.submit("shared", nodes=1)
        self.wait_state(second, "FAILED")
        self.assertIn("another process trains in this run directory", self.output("shared"))
        self.assertEqual(self.slurm.state(first)["JobState"], "RUNNING")
        self.end(first)

    def test_array_with_a_failing_point(self):
        points = json.dumps({"type": "list", "points": [["seed=1"], ["seed=2", "train.loss_threshold=1e-9"], ["seed=3"]]})
        command = [MORPHOGEN, "sweep", str(self.config), "--out", str(self.root / "sweep"), "--backend", "host", "--set",
                   "train.iterations=60", "--set", "sweep=" + points]
        done = subprocess.run([*command, "--slurm", "--limit", "2", "--partition", "low"], env=self.slurm.env,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        job = done.stdout.strip()
        self.slurm.wait(lambda: job not in self.slurm.run("squeue", "-h", "-o", "%A"), 60, "the array")
        table = subprocess.run([*command, "--table"], capture_output=True, text=True, check=False)
        self.assertEqual(table.returncode, 1)
        self.assertIn("1 of 3 points are not finished", table.stderr)
        states = [line.split(",")[3] for line in (self.root / "sweep" / "table.csv").read_text().splitlines()[1:]]
        self.assertEqual(states, ["finished", "diverged", "finished"], table.stdout)

    def test_unknown_partition_and_dead_node(self):
        done = subprocess.run([MORPHOGEN, "submit", str(self.config), "--run-dir", str(self.root / "bad"), "--partition",
                               "nowhere"], env=self.slurm.env, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("invalid partition", done.stderr.lower())
        job = self.submit("dead")
        self.wait_steps("dead", 100)
        node = self.slurm.processes["n2"]
        for p in Path("/proc").iterdir():  # what belongs to the node: its daemon's step managers and the rank
            try:
                if p.name.isdigit() and (b"n2" in (p / "environ").read_bytes().split(b"SLURMD_NODENAME=")[1][:2]
                                         and self.is_rank(p, "dead")):
                    os.kill(int(p.name), signal.SIGKILL)
            except (OSError, IndexError):
                pass
        node.kill()
        node.wait()
        self.wait_state(job, "PENDING", seconds=60)
        self.slurm.start_node("n2")
        before = self.steps("dead")
        self.slurm.wait(lambda: self.slurm.release(job) or self.slurm.state(job).get("JobState") == "RUNNING", 90, "a start")
        self.wait_steps("dead", before + 60)
        self.end(job)


if __name__ == "__main__":
    if why := cluster.missing():
        print("skipped: " + why)
        sys.exit(77)
    unittest.main(verbosity=2)
