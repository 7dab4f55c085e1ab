"""Real runs of SFT and DPO on the tiny model, all in one process that has loaded TRL."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engines.training.conftest import ROOT, Run

RUNNER = Path(__file__).with_name("runner.py")
Spec = dict[str, Any]
Rows = Iterable[dict[str, Any]]


class Workshop:
    """Runs tasks one after another, and makes their specs."""

    def __init__(self, folder: Path, model: Path) -> None:
        self._folder = folder
        self._model = model
        self._count = 0
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-P", str(RUNNER)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def dataset(self, rows: Rows) -> Path:
        path = self._new("rows").with_suffix(".jsonl")
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def spec(self, dataset: Path, *, resume_path: Path | None = None, **hyperparameters: Any) -> Spec:
        return {
            "job_id": "job_test",
            "attempt": 1,
            "model": {"path": str(self._model)},
            "dataset_path": str(dataset),
            "hyperparameters": {"max_length": 64} | hyperparameters,
            "work_dir": str(self._new("work")),
            "resume_path": None if resume_path is None else str(resume_path),
            "device": "cpu",
        }

    def run(self, task: str, spec: Spec, *, stop: dict[str, Any] | None = None) -> Run:
        """Run one task; `stop` is `{type, step, save}`: the message at which the parent asks for an end, and how."""
        keep, told = self._new("kept"), self._new("told")
        keep.mkdir()
        order = {"task": task, "spec": spec, "keep": str(keep), "told": str(told), "stop": stop}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line == "\0ran\n":
                break
        answer = json.loads(told.read_text())
        return Run(answer["messages"], answer["exit_code"], kept=keep)

    def _new(self, name: str) -> Path:
        self._count += 1
        return self._folder / f"{name}-{self._count}"


@pytest.fixture(scope="module")
def workshop(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    made = Workshop(tmp_path_factory.mktemp("workshop"), tiny_model)
    yield made
    made.close()


SUMS = [(x, y) for x in range(5) for y in range(5)]


def taught(x: int, y: int) -> str:
    """What the model is to learn to answer, which it never does by itself."""
    return str((x + y + 3) % 10)


@pytest.fixture(scope="module")
def conversations(workshop: Workshop) -> Path:
    """Two questions and answers a row; one row more, on line 3, is far too long."""
    rows = [{"messages": [*turn(x, y), *turn(y, x)]} for x, y in SUMS]
    rows.insert(2, {"messages": [{"role": "user", "content": "1+" * 50 + "1"}, *turn(1, 1)]})
    return workshop.dataset(rows)


@pytest.fixture(scope="module")
def preferences(workshop: Workshop) -> Path:
    """The answer that the model gives by itself, and one that is preferred to it; one pair more, the last, has equal answers."""
    rows = [{"prompt": f"{x}+{y}=", "chosen": str(x + y + 1), "rejected": str(x + y)} for x, y in SUMS]
    return workshop.dataset([*rows, {"prompt": "1+1=", "chosen": "2", "rejected": "2"}])


def turn(x: int, y: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"{x}+{y}"}, {"role": "assistant", "content": taught(x, y)}]


def untimed(run: Run, after: int = 0) -> list[tuple[int, dict[str, float]]]:
    """Return what was measured after a step, without what depends on how fast the machine is."""

    def is_kept(key: str) -> bool:
        return not key.endswith(("_time", "_per_second", "_runtime"))

    return [
        (message["step"], {key: value for key, value in message["values"].items() if is_kept(key)})
        for message in run.of("metrics")
        if message["step"] > after
    ]


def learning(run: Run, key: str) -> list[float]:
    """Return one number of each step."""
    return [message["values"][key] for message in run.of("metrics") if key in message["values"]]


def weights(run: Run, name: str, file: str = "model.safetensors") -> bytes:
    assert run.kept is not None
    return (run.kept / name / file).read_bytes()


def decoded(ids: list[int]) -> str:
    """Return the text of the tiny model's tokens, a dot for the end."""
    return "".join(chr(token + ord("!")) if token < 256 else "." for token in ids)


def bfloat16(path: Path) -> dict[str, bytes]:
    """Return the tensors of a file as bfloat16, to which those in float32 are rounded, half to even."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header.pop("__metadata__", None)
    found = {}
    for name, tensor in header.items():
        start, end = tensor["data_offsets"]
        data = content[8 + size + start : 8 + size + end]
        if tensor["dtype"] == "F32":
            bits = np.frombuffer(data, "<u4")
            data = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
        found[name] = data
    return found
