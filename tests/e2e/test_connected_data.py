"""A job on a connected dataset: the source is read when the job starts, once, and shows in the job's log."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import HYPERPARAMETERS, SUMS, Running, started
from tests.engines.data.files import Files, serving

pytestmark = pytest.mark.e2e
ROWS = [{"question": row["prompt"], "answer": row["answer"]} for row in SUMS]


@pytest.fixture(scope="module")
def platform(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(tmp_path_factory.mktemp("platform"), tiny_model, BURNISH_OPEN_NETWORKS="127.0.0.0/8") as running:
        yield running


@pytest.fixture
def served() -> Iterator[Files]:
    with serving({"/rows.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode()}) as made:
        yield made


def connected(platform: Running, url: str) -> str:
    mapping = {"question": "prompt", "answer": "label"}
    body = {"name": "rows", "source_type": "url", "source_uri": url, "column_mapping": mapping}
    dataset_id: str = platform.post("/v1/datasets/connect", body)["id"]
    return dataset_id


def trained(platform: Running, dataset_id: str) -> tuple[dict[str, object], str]:
    """Run a short job whose reward takes the original name and the mapped one; return it and its log."""
    reward = (
        "def reward(completions, answer, label, **columns):\n"
        "    assert list(answer) == list(label)\n    return [float(len(right)) for right in answer]\n"
    )
    files = {"file": ("reward.py", reward.encode())}
    made = platform.client.post("/v1/reward_functions", data={"name": "both"}, files=files).json()
    body = {
        "base_model": "tiny",
        "dataset_id": dataset_id,
        "reward_function_id": made["id"],
        "output_name": "rows",
        "gpu": {"type": "CPU", "count": 1},
        "hyperparameters": HYPERPARAMETERS | {"max_steps": 2, "global_batch_size": 16},
    }
    job = platform.finished(platform.post("/v1/training_jobs", body)["id"])
    return job, platform.client.get(f"/v1/training_jobs/{job['id']}/logs/full").text


def test_the_first_job_reads_the_source_and_the_second_uses_what_was_read(platform: Running, served: Files) -> None:
    dataset_id = connected(platform, f"{served.url}/rows.jsonl")
    assert platform.get(f"/v1/datasets/{dataset_id}")["num_rows"] is None
    job, log = trained(platform, dataset_id)
    assert (job["status"], job["error"]) == ("completed", None)
    assert f"Reading the dataset from its source, {served.url}/rows.jsonl" in log
    assert "The dataset is read: 25 rows" in log
    assert platform.get(f"/v1/datasets/{dataset_id}")["num_rows"] == 25
    asked = len(served.requests)
    job, log = trained(platform, dataset_id)
    assert (job["status"], "Reading the dataset" in log, len(served.requests)) == ("completed", False, asked)


def test_a_source_that_is_gone_fails_the_job_with_the_reason(platform: Running, served: Files) -> None:
    job, log = trained(platform, connected(platform, f"{served.url}/gone.jsonl"))
    host = served.url.removeprefix("http://")
    message = f"The dataset's source cannot be read: {host} answers HTTP 404: there is no such file."
    assert job["status"] == "failed"
    assert {"code": "dataset_error", "message": message, "attribution": "user"}.items() <= dict(job["error"]).items()  # type: ignore[call-overload]
    assert message in log
