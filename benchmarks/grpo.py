"""What training under the platform costs beside the same training as a plain TRL script, in CPU-seconds of the process tree.

Ours has its reward in a jail, keeps every rollout, reports every metric and saves checkpoints on the way. Both see the same
rows in the same order with the same seed: their rewards must be equal, step for step. What a step costs is the difference of a
long and a short run, so that the imports do not count; the two sides take turns, so that a busy machine is busy for both.
"""

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import grpo_live
from benchmarks.report import QUICK, Figure, cpu_seconds, figure, main
from engines import protocol

RUNS = 1 if QUICK else 5
SHORT, STEPS = 10, 20 if QUICK else 110
GOAL, STEP_GOAL = 1.25, 1.03
EXAMPLE = Path(__file__).parent.parent / "examples" / "quick"
HYPERPARAMETERS = {
    "learning_rate": 1e-3,
    "rollouts_per_prompt": 8,
    "global_batch_size": 200,
    "max_response_length": 3,
    "kl_coef": 0.01,
    "seed": 42,
}
ENV = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
SAID = "steps.json"
# The child ends when its stdin does: a shell holds it open, drains the protocol and acknowledges every checkpoint at once.
PARENT = f"""
import json, os, subprocess, sys
reading, writing = os.pipe()
env = {{**os.environ, "BURNISH_PROTOCOL_FD": str(writing)}}
child = subprocess.Popen([sys.executable, "-P", "-m", "engines.child"], stdin=subprocess.PIPE, pass_fds=[writing], env=env)
os.close(writing)
child.stdin.write(sys.stdin.buffer.read()); child.stdin.flush()
steps = []
for line in os.fdopen(reading, "rb"):
    message = json.loads(line)
    if message["type"] == "checkpoint":
        child.stdin.write(json.dumps({{"type": "uploaded", "step": message["step"]}}).encode() + b"\\n"); child.stdin.flush()
    elif message["type"] == "metrics":
        steps.append({{key: message["values"].get(key) for key in ("reward", "step_time")}})
json.dump(steps, open("{SAID}", "w"))
sys.exit(child.wait())
"""


@dataclass(frozen=True)
class Trained:
    """One run: its CPU-seconds, the mean reward of each step, and the median time of a step in seconds."""

    cpu_s: float
    rewards: list[float]
    step_s: float


def measure() -> list[Figure]:
    """Train the quick example's task with both, by turns; return what that costs, and how it is watched."""
    with tempfile.TemporaryDirectory(prefix="burnish-bench-") as folder:
        home = Path(folder)
        model, rows = home / "tiny", home / "rows.jsonl"
        cpu_seconds([sys.executable, "-P", "-m", "engines.bases.tiny", str(model)], cwd=home, env=ENV)
        # Rows for a single epoch: from the second on the orders differ, ours being one that a resumed run can find again.
        rows.write_text((EXAMPLE / "prompts.jsonl").read_text() * STEPS)
        sides: dict[str, Callable[[int], Trained]] = {
            "ours": lambda steps: _ours(home, model, rows, steps),
            "peer": lambda steps: _peer(home, model, rows, steps),
        }
        short: dict[str, list[Trained]] = {"ours": [], "peer": []}
        whole: dict[str, list[Trained]] = {"ours": [], "peer": []}
        for _ in range(RUNS):
            for side, train in sides.items():
                short[side].append(train(SHORT))
                whole[side].append(train(STEPS))
    return [*_figures(short, whole), *grpo_live.measure()]


def _figures(short: dict[str, list[Trained]], whole: dict[str, list[Trained]]) -> list[Figure]:
    def step_cpu_ms(side: str) -> float:
        pairs = zip(short[side], whole[side], strict=True)
        return 1000 * statistics.median((long.cpu_s - brief.cpu_s) / (STEPS - SHORT) for brief, long in pairs)

    def middle(side: str, what: Callable[[Trained], float]) -> float:
        return statistics.median(map(what, whole[side]))

    ours, peer = whole["ours"][0].rewards, whole["peer"][0].rewards
    equal = sum(one == other for one, other in zip(ours, peer, strict=True))
    step_ms = (1000 * middle("ours", lambda run: run.step_s), 1000 * middle("peer", lambda run: run.step_s))
    return [
        figure("GRPO, a step, CPU-milliseconds of the process tree", step_cpu_ms("ours"), step_cpu_ms("peer"), STEP_GOAL),
        figure("GRPO, a step, milliseconds of TRL's own step_time", *step_ms, STEP_GOAL),
        figure(f"GRPO, steps whose reward is the same, of {STEPS}", equal, STEPS, 1.0, at_least=True),
        figure(f"GRPO, {STEPS} steps and all around them, CPU-seconds", *_cpu(middle), GOAL),
    ]


def _cpu(middle: Callable[[str, Callable[[Trained], float]], float]) -> tuple[float, float]:
    return middle("ours", lambda run: run.cpu_s), middle("peer", lambda run: run.cpu_s)


def _ours(home: Path, model: Path, rows: Path, steps: int) -> Trained:
    work = Path(tempfile.mkdtemp(dir=home))
    spec = {
        "job_id": "job_bench",
        "attempt": 1,
        "model": {"path": str(model)},
        "dataset_path": str(rows),
        "reward": {"path": str(EXAMPLE / "reward.py")},
        "hyperparameters": {**HYPERPARAMETERS, "max_steps": steps},
        "work_dir": str(work),
    }
    first = protocol.encode({"type": "spec", "version": protocol.VERSION, "task": "training.grpo", "spec": spec})
    return _read(cpu_seconds([sys.executable, "-P", "-c", PARENT], cwd=work, env=ENV, stdin=first), work)


def _peer(home: Path, model: Path, rows: Path, steps: int) -> Trained:
    work = Path(tempfile.mkdtemp(dir=home))
    wanted = json.dumps({**HYPERPARAMETERS, "max_steps": steps})
    repository = str(Path(__file__).parent.parent)
    env = {**ENV, "PYTHONPATH": os.pathsep.join([repository, os.environ.get("PYTHONPATH", "")])}
    argv = [sys.executable, "-m", "benchmarks.plain_trl", str(model), str(rows), str(EXAMPLE / "reward.py"), wanted, str(work)]
    return _read(cpu_seconds(argv, cwd=work, env=env), work)


def _read(cpu_s: float, work: Path) -> Trained:
    steps = json.loads((work / SAID).read_text())
    return Trained(cpu_s, [step["reward"] for step in steps], statistics.median(step["step_time"] for step in steps))


if __name__ == "__main__":
    main(measure)
