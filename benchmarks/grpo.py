"""What training under the platform costs beside the same training as a plain TRL script, in CPU-seconds of the process tree.

Ours has its reward in a jail, keeps every rollout, reports every metric and saves checkpoints on the way.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.report import Figure, cpu_seconds, figure, main, median_of
from engines import protocol

RUNS = 3
STEPS = 100
GOAL = 1.25
EXAMPLE = Path(__file__).parent.parent / "examples" / "quick"
HYPERPARAMETERS = {
    "learning_rate": 1e-3,
    "max_steps": STEPS,
    "rollouts_per_prompt": 8,
    "global_batch_size": 200,
    "max_response_length": 3,
    "kl_coef": 0.01,
    "seed": 42,
}
ENV = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
# The child ends when its stdin does: a shell holds it open, drains the protocol and acknowledges every checkpoint at once.
PARENT = """
import json, os, subprocess, sys
reading, writing = os.pipe()
env = {**os.environ, "BURNISH_PROTOCOL_FD": str(writing)}
child = subprocess.Popen([sys.executable, "-P", "-m", "engines.child"], stdin=subprocess.PIPE, pass_fds=[writing], env=env)
os.close(writing)
child.stdin.write(sys.stdin.buffer.read()); child.stdin.flush()
for line in os.fdopen(reading, "rb"):
    message = json.loads(line)
    if message["type"] == "checkpoint":
        child.stdin.write(json.dumps({"type": "uploaded", "step": message["step"]}).encode() + b"\\n"); child.stdin.flush()
sys.exit(child.wait())
"""


def measure() -> list[Figure]:
    """Train the quick example's task with both; return their CPU-seconds."""
    with tempfile.TemporaryDirectory(prefix="burnish-bench-") as folder:
        home = Path(folder)
        model = home / "tiny"
        cpu_seconds([sys.executable, "-P", "-m", "engines.bases.tiny", str(model)], cwd=home, env=ENV)
        ours = median_of(RUNS, lambda: _ours(home, model))
        peer = median_of(RUNS, lambda: _peer(home, model))
    return [figure(f"GRPO, {STEPS} steps, CPU-seconds", ours, peer, GOAL)]


def _ours(home: Path, model: Path) -> float:
    work = Path(tempfile.mkdtemp(dir=home))
    spec = {
        "job_id": "job_bench",
        "attempt": 1,
        "model": {"path": str(model)},
        "dataset_path": str(EXAMPLE / "prompts.jsonl"),
        "reward": {"path": str(EXAMPLE / "reward.py")},
        "hyperparameters": HYPERPARAMETERS,
        "work_dir": str(work),
    }
    first = protocol.encode({"type": "spec", "version": protocol.VERSION, "task": "training.grpo", "spec": spec})
    return cpu_seconds([sys.executable, "-P", "-c", PARENT], cwd=work, env=ENV, stdin=first)


def _peer(home: Path, model: Path) -> float:
    work = tempfile.mkdtemp(dir=home)
    paths = [str(model), str(EXAMPLE / "prompts.jsonl"), str(EXAMPLE / "reward.py"), json.dumps(HYPERPARAMETERS), work]
    repository = str(Path(__file__).parent.parent)
    env = {**ENV, "PYTHONPATH": os.pathsep.join([repository, os.environ.get("PYTHONPATH", "")])}
    return cpu_seconds([sys.executable, "-m", "benchmarks.plain_trl", *paths], cwd=home, env=env)


if __name__ == "__main__":
    main(measure)
