"""One real platform for all end-to-end tests: `burnish up` in a home of its own, with the tiny model registered."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.engines.conftest import tiny_model
from tests.running import BIN, Platform, eventually, up

__all__ = ["tiny_model"]
SUMS = [{"prompt": [{"role": "user", "content": f"{a}+{b}"}], "answer": str(a + b)} for a in range(5) for b in range(5)]
CORRECT = """
def reward(completions, answer, **columns):
    return [float(completion[-1]["content"] == right) for completion, right in zip(completions, answer)]
"""
HYPERPARAMETERS = {
    "learning_rate": 1e-3,
    "max_steps": 30,
    "rollouts_per_prompt": 8,
    "global_batch_size": 200,
    "max_response_length": 3,
    "kl_coef": 0.0,
}


@dataclass
class Running(Platform):
    """A platform with the tiny model and the sums."""

    def create_job(self, reward_function_id: str | None = None, **hyperparameters: Any) -> str:
        """Queue a job on the sums and return its id."""
        body = {
            "base_model": "tiny",
            "dataset_id": self.get("/v1/datasets")["data"][0]["id"],
            "reward_function_id": reward_function_id or self.get("/v1/reward_functions")["data"][0]["id"],
            "output_name": "sums",
            "gpu": {"type": "L4-24GB", "count": 1},
            "hyperparameters": HYPERPARAMETERS | hyperparameters,
        }
        job_id: str = self.post("/v1/training_jobs", body)["id"]
        return job_id

    def job(self, job_id: str) -> Any:
        return self.get(f"/v1/training_jobs/{job_id}")

    def finished(self, job_id: str, seconds: float = 150) -> Any:
        """Wait for a job's end and return it."""
        return eventually(lambda: job if (job := self.job(job_id))["completed_at"] else None, seconds)

    def reached(self, job_id: str, step: int) -> None:
        """Wait until a job has reported a step."""
        eventually(lambda: self.job(job_id)["current_step"] >= step)

    def steps(self, job_id: str) -> list[int]:
        metrics = self.get(f"/v1/training_jobs/{job_id}/metrics?max_points=10000")["metrics"]
        return [point["step"] for point in metrics]


@pytest.fixture(scope="session")
def platform(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(tmp_path_factory.mktemp("platform"), tiny_model) as running:
        yield running


@contextmanager
def started(home: Path, tiny_model: Path, **settings: str) -> Iterator[Running]:
    """Run `burnish up` with a home of its own, the tiny model registered and the sums uploaded."""
    with up(home, **settings) as platform:
        running = Running(**vars(platform))
        env = dict(running.env)
        subprocess.run([BIN / "burnish", "models", "add", "tiny", tiny_model], env=env, check=True, capture_output=True)
        _upload(running.client)
        yield running


def _upload(client: httpx2.Client) -> None:
    rows = "".join(json.dumps(row) + "\n" for row in SUMS)
    for path, name, content in (("datasets", "sums.jsonl", rows), ("reward_functions", "correct.py", CORRECT)):
        response = client.post(f"/v1/{path}", data={"name": "sums"}, files={"file": (name, content.encode())})
        assert response.status_code in (200, 201), response.text
