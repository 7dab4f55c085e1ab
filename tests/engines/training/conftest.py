"""A parent for real training children: it starts one, answers its protocol and keeps everything that it said."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engines import protocol

ROOT = Path(__file__).parents[3]
DEADLINE_S = 120.0

Spec = dict[str, Any]


@dataclass
class Run:
    """What one child said, with the seconds since its start at which each message came, and how it ended."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    exit_code: int | None = None
    seconds: float = 0.0
    kept: Path | None = None

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    def logs(self, source: str = "trainer") -> list[str]:
        return [message["message"] for message in self.of("log") if message["source"] == source]

    def series(self, key: str) -> list[float]:
        return [message["values"][key] for message in self.of("metrics")]

    @property
    def failure(self) -> dict[str, Any]:
        (failed,) = self.of("failed")
        return {key: failed[key] for key in ("code", "message", "attribution", "user_code_line")}


class Parent:
    """Runs children. Every checkpoint is copied to `keep`, as an upload would be, before it is acknowledged."""

    def __init__(self, keep: Path) -> None:
        self._keep = keep
        keep.mkdir(exist_ok=True)
        self._child: subprocess.Popen[bytes] | None = None

    def kept(self, name: str) -> Path:
        return self._keep / name

    def kept_bytes(self, name: str) -> bytes:
        return (self._keep / name / "model.safetensors").read_bytes()

    def send(self, kind: str, **fields: Any) -> None:
        assert self._child is not None and self._child.stdin is not None
        self._child.stdin.write(protocol.encode({"type": kind, **fields}))
        self._child.stdin.flush()

    def run(
        self,
        spec: Spec,
        on_message: Callable[[dict[str, Any]], None] = lambda message: None,
        module: str = "engines.child",
    ) -> Run:
        reading, writing = os.pipe()
        environment = {**os.environ, protocol.FD_VARIABLE: str(writing), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-P", "-m", module]
        run, started = Run(kept=self._keep), time.monotonic()
        with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[writing], env=environment) as self._child:
            os.close(writing)
            try:
                self.send("spec", version=protocol.VERSION, task="training.grpo", spec=spec)
                with os.fdopen(reading, "rb") as lines:
                    for line in lines:
                        self._take(run, {**protocol.decode(line), "after_s": time.monotonic() - started}, on_message)
                run.exit_code = self._child.wait(DEADLINE_S)
            finally:
                self._child.kill()
        run.seconds = time.monotonic() - started
        return run

    def _take(self, run: Run, message: dict[str, Any], on_message: Callable[[dict[str, Any]], None]) -> None:
        run.messages.append(message)
        if message["type"] == "checkpoint":
            shutil.copytree(message["path"], self._keep / f"{'final' if message['final'] else 'step'}-{message['step']}")
            self.send("uploaded", step=message["step"])
        on_message(message)


@pytest.fixture
def parent(tmp_path: Path) -> Parent:
    return Parent(tmp_path / "kept")


REWARD = """
def reward(prompts, completions, answer, **columns):
    print("scoring", len(completions), "completions")
    texts = [completion[0]["content"] for completion in completions]
    return [{"correct": float(text == a), "format": 0.1 * text.isdigit()} for text, a in zip(texts, answer)]
"""


@pytest.fixture(scope="session")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 25 sums that the tiny model half knows, as a dataset; one prompt more, on line 3, is far too long."""
    rows = [{"prompt": [{"role": "user", "content": f"{x}+{y}"}], "answer": str(x + y)} for x in range(5) for y in range(5)]
    rows.insert(2, {"prompt": [{"role": "user", "content": "1+" * 50 + "1"}], "answer": "51"})
    path = tmp_path_factory.mktemp("dataset") / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="session")
def make_spec(tiny_model: Path, sums: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Spec]:
    """Return a function that makes the spec of a job on the tiny model; keywords replace hyperparameters and the reward."""

    def make(*, reward: str = REWARD, dataset: Path = sums, resume_path: Path | None = None, **hyperparameters: Any) -> Spec:
        folder = tmp_path_factory.mktemp("job")
        (folder / "reward.py").write_text(reward)
        defaults = {
            "learning_rate": 1e-3,
            "max_steps": 36,
            "rollouts_per_prompt": 8,
            "global_batch_size": 80,
            "max_prompt_length": 32,
            "max_response_length": 3,
            "checkpoint_every": 13,
            "seed": 42,
        }
        return {
            "job_id": "job_test",
            "attempt": 1,
            "model": {"path": str(tiny_model)},
            "dataset_path": str(dataset),
            "reward": {"path": str(folder / "reward.py"), "format": "trl", "deadline_s": 20.0},
            "hyperparameters": defaults | hyperparameters,
            "work_dir": str(folder / "work"),
            "resume_path": None if resume_path is None else str(resume_path),
            "device": "cpu",
        }

    return make


@pytest.fixture(scope="session")
def finished(make_spec: Callable[..., Spec], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One whole run of 36 steps, shared by the tests that only look at it."""
    return Parent(tmp_path_factory.mktemp("kept")).run(make_spec())
