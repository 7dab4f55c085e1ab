"""A deployment over stand-in engines, scaled by what is really asked of it: up, down to none, and woken."""

from typing import Any

import pytest

from burnish.kit.settings import Settings
from engines.serving import demand
from models.deployment import Deployment
from resolvers import deployment_changes, deployments
from resolvers.context import Context
from resolvers.deployment_inputs import ScalingInput
from tests.conftest import Server
from tests.engines.serving import hosting
from tests.engines.serving.hosting import ask, events_of, hosted, is_at, serving, under_load, until

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    hosting.stand_in(monkeypatch)
    # The stand-ins are quick, and so is what is asked of them.
    monkeypatch.setattr(demand, "RATE_S", 0.3)


@pytest.fixture
async def ctx(server: Server, settings: Settings, tmp_path: Any) -> Context:
    """The tenant, with a model `tiny` and room for four replicas on each host."""
    settings.cpu_slots = 4
    await hosting.add_model(server, tmp_path, "tiny")
    return await server.context()


async def reasons(ctx: Context, row: Deployment) -> list[str]:
    return [told["reason"] for told in await events_of(ctx, row, "scaled")]


async def test_load_brings_replicas_silence_takes_them_and_a_request_wakes_one(server: Server, ctx: Context) -> None:
    scaling = {"min_replicas": 0, "max_replicas": 2, "target_rps": 5.0, "stabilisation_window": 2}
    async with hosted(server):
        row = await serving(ctx, **scaling)
        async with under_load(server, row) as answers:
            await until(lambda: is_at(ctx, row, "serving", running=2))
        assert {status for status, _ in answers} == {200}
        await until(lambda: is_at(ctx, row, "serving", running=0))
        told = await reasons(ctx, row)
        assert told[0].startswith("1→2: ")
        assert " rps > 5 rps" in told[0]
        assert told[-1].endswith("→0: no request for 2 s")
        assert await ask(server, row) == ["tiny"]
        assert (await reasons(ctx, row))[len(told)] == "0→1: a request waits"
        await deployments.stop(ctx, row.id)


async def test_new_bounds_hold_at_once(server: Server, ctx: Context) -> None:
    async def scaled(**values: Any) -> int:
        changed = await deployment_changes.scale(ctx, row.id, ScalingInput.model_validate(values))
        return changed.desired_replicas

    async with hosted(server):
        row = await serving(ctx)
        assert await scaled(min_replicas=2, max_replicas=3) == 2
        await until(lambda: is_at(ctx, row, "serving", running=2))
        assert await scaled(min_replicas=0, max_replicas=1) == 1
        await until(lambda: is_at(ctx, row, "serving", running=1))
        assert await scaled(max_replicas=4) == 1
        await deployment_changes.pause(ctx, row.id)
        assert await scaled(min_replicas=2) == 2
        assert await reasons(ctx, row) == ["1→2: min_replicas 2", "2→1: max_replicas 1"]
        await deployments.stop(ctx, row.id)
