"""One training by the platform's child, and the same by plain TRL, each in its own processes: what they and their steps take."""

import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import cpu_seconds
from engines import protocol

ENV = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
SAID = "steps.json"
# The child ends when its stdin does: this holds it open, drains the protocol and acknowledges every checkpoint at once.
PARENT = f"""
import json, os, subprocess, sys
reading, writing = os.pipe()
env = {{**os.environ, "BURNISH_PROTOCOL_FD": str(writing)}}
child = subprocess.Popen([sys.executable, "-P", "-m", "engines.child"], stdin=subprocess.PIPE, pass_fds=[writing], env=env)
os.close(writing)
child.stdin.write(sys.stdin.buffer.read()); child.stdin.flush()
steps, peak = [], 0
for line in os.fdopen(reading, "rb"):
    message = json.loads(line)
    if message["type"] == "checkpoint":
        child.stdin.write(json.dumps({{"type": "uploaded", "step": message["step"]}}).encode() + b"\\n"); child.stdin.flush()
    elif message["type"] == "metrics":
        steps.append({{**message["values"], "at": message["at"]}})
    elif message["type"] == "memory":
        peak = message["peak_bytes"]
    elif message["type"] == "failed":
        print(message["message"], file=sys.stderr)
json.dump({{"steps": steps, "peak_bytes": peak}}, open("{SAID}", "w"))
sys.exit(child.wait())
"""


@dataclass(frozen=True)
class Task:
    """What is trained: `wanted` are the contract's hyperparameters, `options` what else plain TRL is told."""

    home: Path
    model: Path
    rows: Path
    reward: Path
    wanted: dict[str, Any]
    device: str = "cpu"
    options: dict[str, Any] | None = None


@dataclass(frozen=True)
class Trained:
    """One run: its CPU-seconds, what each step reported, and the most memory that it took."""

    cpu_s: float
    steps: list[dict[str, Any]]
    peak_bytes: int

    @property
    def rewards(self) -> list[float]:
        return [step["reward"] for step in self.steps]

    @property
    def step_s(self) -> float:
        """The median time of a step."""
        return float(statistics.median(step["step_time"] for step in self.steps))


def ours(task: Task) -> Trained:
    work = Path(tempfile.mkdtemp(dir=task.home))
    spec = {
        "job_id": "job_bench",
        "attempt": 1,
        "model": {"path": str(task.model)},
        "dataset_path": str(task.rows),
        "reward": {"path": str(task.reward)},
        "hyperparameters": task.wanted,
        "work_dir": str(work),
        "device": task.device,
    }
    first = protocol.encode({"type": "spec", "version": protocol.VERSION, "task": "training.grpo", "spec": spec})
    return _read(cpu_seconds([sys.executable, "-P", "-c", PARENT], cwd=work, env=_env(task), stdin=first), work)


def peer(task: Task) -> Trained:
    work = Path(tempfile.mkdtemp(dir=task.home))
    wanted = json.dumps({**task.wanted, "device": task.device, **(task.options or {})})
    repository = str(Path(__file__).parent.parent)
    env = {**_env(task), "PYTHONPATH": os.pathsep.join([repository, os.environ.get("PYTHONPATH", "")])}
    argv = [sys.executable, "-m", "benchmarks.plain_trl", str(task.model), str(task.rows), str(task.reward), wanted, str(work)]
    return _read(cpu_seconds(argv, cwd=work, env=env), work)


def _env(task: Task) -> dict[str, str]:
    return ENV if task.device == "cuda" else {**ENV, "OMP_NUM_THREADS": "1"}


def _read(cpu_s: float, work: Path) -> Trained:
    said = json.loads((work / SAID).read_text())
    return Trained(cpu_s, said["steps"], said["peak_bytes"])
