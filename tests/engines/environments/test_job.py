"""A whole job in an environment: the integration's key over REST, the job by its resolver, the host, its child, a real server."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from burnish.kit.settings import Settings
from engines import jobs as job_runs
from engines import protocol
from models.job import Job
from resolvers import base_models, datasets, jobs, metrics
from tests.conftest import Server
from tests.engines.environments.conftest import EnvironmentServer
from tests.engines.environments.names import KEY
from tests.engines.test_supervise import ended, new_job, supervising, until

pytestmark = pytest.mark.anyio


async def test_a_job_learns_in_an_environment_and_leaves_no_session(
    settings: Settings, server: Server, environments: EnvironmentServer, tools_model: Path, tmp_path: Path
) -> None:
    settings.openreward_api_url = settings.openreward_session_url = environments.url
    ctx = await server.context()
    await base_models.add(server.platform.core, "tools", tools_model)
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"prompt": "-", "task_index": index}) + "\n" for index in range(4)))
    dataset = await datasets.create(ctx, datasets.DatasetInput(name="tasks"), rows)
    body: dict[str, Any] = {
        "base_model": "tools",
        "dataset_id": dataset.id,
        "environments": {"owner/sums": {"splits": ["train"]}},
        "output_name": "out",
        "gpu": {"type": "L4-24GB", "count": 1},
        "hyperparameters": {
            "max_steps": 2,
            "rollouts_per_prompt": 4,
            "global_batch_size": 16,
            "max_prompt_length": 40,
            "max_response_length": 24,
        },
    }
    async with server.client() as client:
        refused = await client.post("/v1/training_jobs", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "integration_not_configured")
        configured = await client.put("/v1/settings/integrations/openreward", json={"api_key": KEY})
        assert configured.status_code == 200, configured.text

    job = await jobs.create(ctx, jobs.JobInput.model_validate(body))
    async with supervising(server):
        row: Job = await until(ended(ctx, job.id), 240)

    assert (row.status, row.error, row.current_step) == ("completed", None, 2)
    groups = [group for chunk in await jobs.rows(ctx, job.id, "rollouts") for group in chunk.data["groups"]]
    assert len(groups) == 8
    assert {group["dataset_row"] for group in groups} == {0, 1, 2, 3}
    told = [completion for group in groups for completion in group["completions"]]
    assert len(told) == 32
    assert all(each["messages"][0] == {"role": "user", "content": "-\n\nsum?"} for each in told)
    assert all(each["components"] == {"owner/sums": each["reward"]} for each in told)
    assert any(message["role"] == "tool" for each in told for message in each["messages"])
    found = await metrics.read(ctx, job.id, max_points=10)
    assert [point.step for point in found.points] == [1, 2]
    assert all(point.values["environment_time"] > 0 for point in found.points)
    lines = [line.data["message"] for line in await jobs.rows(ctx, job.id, "logs")]
    assert "environments: owner/sums train: 25 tasks; the dataset names 4 of them" in lines
    assert not any(KEY in line for line in lines)
    state = environments.state()
    assert (state["open"], state["set_up"] - state["torn_down"]) == (0, 0)
    assert state["set_up"] == 32


class CutOff:
    """A trainer that nobody answers."""

    @classmethod
    async def task(cls, task: str, spec: dict[str, Any], **_: Any) -> "CutOff":
        return cls()

    async def messages(self) -> AsyncIterator[protocol.Message]:
        yield {"type": "failed", "code": "worker_lost", "message": "No environment answers.", "attribution": "platform"}

    async def log(self) -> AsyncIterator[str]:
        no_lines: tuple[str, ...] = ()
        for line in no_lines:
            yield line

    async def wait(self) -> int:
        return protocol.EXIT_FAILED

    def kill(self) -> None:
        pass


async def test_an_outage_is_tried_again_by_the_host_and_costs_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_runs, "Child", CutOff)
    ctx = await server.context()
    job = await new_job(server, ctx, tmp_path)
    async with supervising(server):
        row: Job = await until(ended(ctx, job.id), 20)

    assert (row.status, row.attempt, row.cost_micros) == ("failed", 3, 0)
    assert row.error is not None
    assert (row.error["code"], row.error["attribution"]) == ("worker_lost", "platform")
    reason = "The trainer died 3 times without getting further; the last time of No environment answers."
    assert row.error["message"] == reason
