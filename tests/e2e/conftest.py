"""One real platform for all end-to-end tests: `burnish up` in a home of its own, with the tiny model registered."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import psutil
import pytest

from tests.conftest import free_port
from tests.engines.conftest import tiny_model

__all__ = ["tiny_model"]
T = TypeVar("T")
BIN = Path(sys.executable).parent
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


def eventually(look: Callable[[], T | None], seconds: float = 90) -> T:
    """Return the first truthy answer of `look`; fail when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing within {seconds} s")


@dataclass
class Running:
    """A platform that was started by `burnish up`."""

    home: Path
    url: str
    key: str
    process: "subprocess.Popen[bytes]"
    client: httpx2.Client

    def get(self, path: str) -> Any:
        response = self.client.get(path)
        response.raise_for_status()
        return response.json()

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        response = self.client.post(path, json=body or {})
        assert response.is_success, response.text
        return response.json()

    def parts(self, needle: str) -> list[psutil.Process]:
        """Return the platform's processes whose command line holds `needle`, guards aside."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                words = process.cmdline()
            except psutil.Error:
                continue
            if "engines.guard" not in words and any(needle in word for word in words):
                found.append(process)
        return found

    def kill(self, needle: str) -> int:
        """Kill -9 the one process whose command line holds `needle`; return its pid."""
        victim = eventually(lambda: self.parts(needle), 30)[0]
        victim.kill()
        return int(victim.pid)

    def answers(self) -> bool:
        """Say whether the API is there."""
        try:
            return self.client.get("/health").status_code == 200
        except httpx2.HTTPError:
            return False

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
    port = free_port()
    env = {
        **os.environ,
        "BURNISH_HOME": str(home),
        "BURNISH_PORT": str(port),
        "BURNISH_CPU_FALLBACK": "true",
        "BURNISH_LEASE_S": "6",
        "BURNISH_BILLING_PERIOD_S": "5",
        **settings,
    }
    with (home / "up.log").open("wb") as log, ExitStack() as undo:
        process = subprocess.Popen([BIN / "burnish", "up"], env=env, stdout=log, stderr=log)
        undo.callback(process.wait, 60)
        undo.callback(process.terminate)
        running = _ready(home, f"http://127.0.0.1:{port}", process)
        undo.callback(running.client.close)
        subprocess.run([BIN / "burnish", "models", "add", "tiny", tiny_model], env=env, check=True, capture_output=True)
        _upload(running.client)
        yield running


def _ready(home: Path, url: str, process: "subprocess.Popen[bytes]") -> Running:
    credentials_file = home / "credentials.json"

    def announced() -> bool:
        assert process.poll() is None, (home / "up.log").read_text()
        return credentials_file.exists()

    eventually(announced, 60)
    credentials = json.loads(credentials_file.read_text())
    headers = {"Authorization": f"Bearer {credentials['api_key']}"}
    client = httpx2.Client(base_url=url, headers=headers, timeout=60, trust_env=False, transport=httpx2.HTTPTransport(retries=5))
    running = Running(home, url, credentials["api_key"], process, client)
    eventually(running.answers, 60)
    return running


def _upload(client: httpx2.Client) -> None:
    rows = "".join(json.dumps(row) + "\n" for row in SUMS)
    for path, name, content in (("datasets", "sums.jsonl", rows), ("reward_functions", "correct.py", CORRECT)):
        response = client.post(f"/v1/{path}", data={"name": "sums"}, files={"file": (name, content.encode())})
        assert response.status_code in (200, 201), response.text
