"""GRPO on the GPU of this machine beside plain TRL: tokens a second of generation and of training, utilisation, peak memory.

`python -m benchmarks.gpu [--json] [--quick]` trains a Qwen3 with random weights, of 0.6B parameters where there is an NVIDIA GPU
(`BURNISH_BENCH_MODEL=1.7b` for a larger one), a toy on the CPU otherwise. Both sides generate with vLLM in the trainer's process
where it can be used, take the same micro-batches, and keep gradients the same way. Throughputs are medians over the steps after
the first; training counts the tokens of prompts and completions through the update.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import trained
from benchmarks.report import QUICK, Figure, cpu_seconds, figure, main
from benchmarks.trained import Task, Trained
from engines.compute.local import detect

RUNS = 1 if QUICK else 3
NEAR = 0.97
SAMPLE_S = 0.25
REWARD = """
def reward(completions, **columns):
    return [sum(map(ord, text)) % 97 / 97 for text in completions]
"""


@dataclass(frozen=True)
class Shape:
    """What is trained where: the model, the completions of a step and their tokens, and what is taken at once."""

    model: str
    device: str
    steps: int
    batch: int
    tokens: int
    micro_batch: int


def shape() -> Shape:
    if detect():
        return Shape(os.environ.get("BURNISH_BENCH_MODEL", "0.6b"), "cuda", 4 if QUICK else 10, 64, 512, 16)
    return Shape("toy", "cpu", 4 if QUICK else 12, 64, 32, 64)


def measure() -> list[Figure]:
    """Train on this machine with both, by turns; return what each got out of it."""
    what = shape()
    runs: dict[str, list[tuple[Trained, float]]] = {"ours": [], "peer": []}
    with tempfile.TemporaryDirectory(prefix="burnish-bench-") as folder:
        task = _task(Path(folder), what)
        for _ in range(RUNS):
            for side, train in (("ours", trained.ours), ("peer", trained.peer)):
                with sampling(what.device) as samples:
                    run = train(task)
                runs[side].append((run, _utilisation(samples, run)))
    return _figures(what, runs)


def _task(home: Path, what: Shape) -> Task:
    model, rows, reward = home / "model", home / "rows.jsonl", home / "reward.py"
    cpu_seconds([sys.executable, "-m", "benchmarks.random_model", str(model), what.model], cwd=Path(__file__).parent.parent)
    prompts = (json.dumps({"prompt": f"Continue this row of numbers: {number}, {number + 1}, "}) for number in range(1000))
    rows.write_text("\n".join(prompts))
    reward.write_text(REWARD)
    wanted = {
        "learning_rate": 1e-6,
        "max_steps": what.steps,
        "rollouts_per_prompt": 8,
        "global_batch_size": what.batch,
        "max_response_length": what.tokens,
        "kl_coef": 0.0,
        "seed": 42,
    }
    options = {"micro_batch": what.micro_batch, "vllm": what.device == "cuda"}
    return Task(home, model, rows, reward, wanted, what.device, options)


def _figures(what: Shape, runs: dict[str, list[tuple[Trained, float]]]) -> list[Figure]:
    def both(value: Callable[[Trained, float], float]) -> tuple[float, float]:
        ours, peer = (statistics.median(value(*run) for run in runs[side]) for side in ("ours", "peer"))
        return ours, peer

    of = f"{what.model} on the {'GPU' if what.device == 'cuda' else 'CPU'}"
    generated = both(lambda run, _: _median(run, lambda step: what.batch * what.tokens / step["generate_time"]))
    return [
        figure(f"{of}, generated tokens a second", *generated, NEAR, at_least=True),
        figure(f"{of}, trained tokens a second", *both(lambda run, _: _trained_per_s(run)), NEAR, at_least=True),
        figure(f"{of}, seconds a step", *both(lambda run, _: run.step_s), 1 / NEAR),
        figure(f"{of}, utilisation while it trains, %", *both(lambda _, used: used), NEAR, at_least=True),
        figure(f"{of}, peak memory, GiB", *both(lambda run, _: run.peak_bytes / 2**30), 1 / NEAR),
    ]


def _median(run: Trained, value: Callable[[dict[str, float]], float]) -> float:
    return float(statistics.median(value(step) for step in run.steps[1:]))


def _trained_per_s(run: Trained) -> float:
    pairs = zip(run.steps, run.steps[1:], strict=False)
    return float(statistics.median((now["num_tokens"] - before["num_tokens"]) / _update_s(now) for before, now in pairs))


def _update_s(step: dict[str, float]) -> float:
    return step["step_time"] - step["generate_time"] - (step.get("score_time") or 0.0)


def _utilisation(samples: list[tuple[float, float]], run: Trained) -> float:
    """Return the mean of what was sampled between the first step's end and the last's, in percent."""
    first, last = run.steps[0]["at"], run.steps[-1]["at"]
    return statistics.fmean([used for at, used in samples if first <= at <= last] or [0.0])


@contextmanager
def sampling(device: str) -> Iterator[list[tuple[float, float]]]:
    """Append (time, percent) to the list now and then: of the GPU, on the CPU of one core by what this process has started."""
    over, samples = threading.Event(), list[tuple[float, float]]()
    look = _gpu_percent if device == "cuda" else _Cpu()

    def sample() -> None:
        while not over.wait(SAMPLE_S):
            samples.append((time.time(), look()))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def _gpu_percent() -> float:
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


class _Cpu:
    """CPU time of this process's descendants since the last look, over the time since then."""

    def __init__(self) -> None:
        self._at, self._seconds = time.monotonic(), self._now()

    def __call__(self) -> float:
        at, seconds = time.monotonic(), self._now()
        used = 100 * (seconds - self._seconds) / (at - self._at)
        self._at, self._seconds = at, seconds
        return max(0.0, used)

    @staticmethod
    def _now() -> float:
        total = 0.0
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                total += sum(process.cpu_times()[:2])
        return total


if __name__ == "__main__":
    main(measure)
