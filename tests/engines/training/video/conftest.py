"""Real runs of video jobs on the tiny CogVideoX, all in one process that has loaded diffusers."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.data.archive import media_name
from tests.engines.conftest import ROOT, shared_cache
from tests.engines.training.conftest import Run
from tests.engines.training.video.clips import clip

RECIPE = ROOT / "engines" / "bases" / "tiny_video.py"
RUNNER = Path(__file__).with_name("runner.py")
CLIPS = 4
# Every row has a clip and a caption of its own.
ROWS = [{"prompt": f"a square in colour {number}", "video": f"clips/{number}.mp4"} for number in range(CLIPS)]

Spec = dict[str, Any]


def tiny_video(*, rotary: bool) -> Path:
    """Return the folder of the tiny video model, made once for each version of its recipe and shared by all test runs."""
    kind = ["--rotary"] if rotary else []
    version = hashlib.sha256(RECIPE.read_bytes()).hexdigest()[:12]
    folder = shared_cache() / f"tiny-video{'-rotary' * rotary}-{version}"
    if not folder.is_dir():
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-P", "-m", "engines.bases.tiny_video", str(folder), *kind]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    return folder


class Studio:
    """Runs video jobs one after another, and makes their specs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-P", str(RUNNER)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)
        self.media = self._new("media")
        self.media.mkdir()
        for number in range(CLIPS):
            (self.media / media_name(f"clips/{number}.mp4")).write_bytes(clip(9, number=number))

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def spec(self, *, rotary: bool = False, resume_path: Path | None = None, rows: list[Any] = ROWS, **given: Any) -> Spec:
        """Return the spec of a job; keywords replace hyperparameters."""
        dataset = self._new("rows").with_suffix(".jsonl")
        dataset.write_text("".join(json.dumps(row) + "\n" for row in rows))
        hyperparameters = {
            "learning_rate": 1e-2,
            "max_steps": 12,
            "warmup_steps": 2,
            "lora_rank": 4,
            "lora_alpha": 8,
            "batch_size": 2,
            "num_frames": 9,
            "height": 32,
            "width": 32,
            "checkpoint_every": 5,
            "sample_prompts": 0,
            "sample_steps": 2,
        }
        return {
            "job_id": "job_test",
            "attempt": 1,
            "model": {"path": str(tiny_video(rotary=rotary))},
            "dataset_path": str(dataset),
            "hyperparameters": hyperparameters | given,
            "work_dir": str(self._new("work")),
            "resume_path": None if resume_path is None else str(resume_path),
            "device": "cpu",
            "media_dir": str(self.media),
        }

    def run(self, spec: Spec, *, stop: dict[str, Any] | None = None) -> Run:
        """Run one job; `stop` is `{type, step, save}`: the message at which the parent asks for an end, and how."""
        keep = self._new("kept")
        keep.mkdir()
        answer = self._order({"spec": spec, "keep": str(keep), "stop": stop})
        return Run(answer["messages"], answer["exit_code"], kept=keep)

    def judge(self, question: str, **about: Any) -> Any:
        """Return the answer of one of the runner's questions."""
        return self._order({"judge": question, "about": about})

    def _order(self, order: dict[str, Any]) -> Any:
        told = self._new("told")
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({**order, "told": str(told)}) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line == "\0ran\n":
                break
        return json.loads(told.read_text())

    def _new(self, name: str) -> Path:
        self._count += 1
        return self._folder / f"{name}-{self._count}"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    made = Studio(tmp_path_factory.mktemp("studio"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def finished(studio: Studio) -> Callable[..., tuple[Spec, Run]]:
    """Return whole runs with samples, each made once."""
    made: dict[bool, tuple[Spec, Run]] = {}

    def run(*, rotary: bool = False) -> tuple[Spec, Run]:
        if rotary not in made:
            spec = studio.spec(rotary=rotary, sample_prompts=2)
            made[rotary] = (spec, studio.run(spec))
        return made[rotary]

    return run
