"""A deployment over stand-in engines, scaled by what is really asked of it: up, down to none, and woken."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from engines.serving import demand
from resolvers import base_models, deployment_changes, deployment_inputs, deployments
from resolvers.context import Context
from resolvers.deployment_inputs import ScalingInput
from tests.conftest import Server
from tests.engines.serving.test_reconcile import hosted, serves, stand_in, until

__all__ = ["stand_in"]
pytestmark = pytest.mark.anyio
SPEC = {"model": "tiny", "source": "huggingface", "name": "sums", "gpu": {"type": "CPU", "count": 1}}


async def reasons(ctx: Context, deployment_id: str) -> list[str]:
    found = await deployments.rows(ctx, deployment_id, "events")
    return [row.data["metadata"]["reason"] for row in found if row.data["type"] == "scaled"]


async def live(ctx: Context, deployment_id: str) -> list[str]:
    return sorted(row.status for row in await deployments.replicas(ctx, deployment_id) if row.ended_at is None)


async def test_load_brings_replicas_silence_takes_them_and_a_request_wakes_one(
    server: Server, tiny_model: Path, stand_in: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demand, "RATE_S", 0.3)
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    scaling = {"min_replicas": 0, "max_replicas": 2, "target_rps": 5.0, "stabilisation_window": 2}
    async with hosted(server), server.client() as client:
        row = await deployments.create(ctx, deployment_inputs.DeploymentInput.model_validate(SPEC | scaling))
        await serves(ctx, row, attempt=1)
        asking = asyncio.create_task(ask_on(client, row.id))

        async def both_run() -> bool:
            return await live(ctx, row.id) == ["running", "running"]

        async def none_is_left() -> bool:
            return await live(ctx, row.id) == []

        await until(both_run)
        asking.cancel()
        answers = await asking
        assert set(answers) == {200}
        await until(none_is_left)
        found = await deployments.get(ctx, row.id)
        assert (found.status, found.desired_replicas) == ("serving", 0)
        told = await reasons(ctx, row.id)
        assert told[0].startswith("1→2: ") and told[0].endswith(" rps > 5 rps")
        assert told[-1] == "1→0: no request for 2 s" or told[-1] == "2→0: no request for 2 s"
        woken = await client.post("/v1/completions", json={"model": row.id, "prompt": "2 + 2 ="})
        assert woken.status_code == 200
        assert (await reasons(ctx, row.id))[len(told)] == "0→1: a request waits"
        await deployments.stop(ctx, row.id)


async def ask_on(client: httpx2.AsyncClient, model: str) -> list[int]:
    """Ask until cancelled; return the statuses of the answers."""
    answers: list[int] = []
    try:
        while True:
            answer = await client.post("/v1/completions", json={"model": model, "prompt": "2 + 2 ="})
            answers.append(answer.status_code)
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        return answers


async def test_new_bounds_hold_at_once(server: Server, tiny_model: Path, stand_in: None) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)

    async def scaled(**values: Any) -> int:
        row = await deployment_changes.scale(ctx, made.id, ScalingInput.model_validate(values))
        return row.desired_replicas

    async with hosted(server):
        made = await deployments.create(ctx, deployment_inputs.DeploymentInput.model_validate(SPEC))
        await serves(ctx, made, attempt=1)
        assert await scaled(min_replicas=2, max_replicas=3) == 2

        async def two_run() -> bool:
            return await live(ctx, made.id) == ["running", "running"]

        async def one_runs() -> bool:
            return await live(ctx, made.id) == ["running"]

        await until(two_run)
        assert await scaled(min_replicas=0, max_replicas=1) == 1
        await until(one_runs)
        assert await scaled(max_replicas=4) == 1
        assert await reasons(ctx, made.id) == ["1→2: min_replicas 2", "2→1: max_replicas 1"]
        await deployments.stop(ctx, made.id)
