"""A deployment takes another model while it is asked without a pause: no request fails, whether the new model serves or not."""

from pathlib import Path

import pytest

from burnish.kit.settings import Settings
from models.deployment import Deployment
from resolvers import deployment_changes, deployments
from resolvers.context import Context
from resolvers.deployment_inputs import VersionInput
from tests.conftest import Server
from tests.engines.serving import hosting
from tests.engines.serving.hosting import events_of, hosted, is_at, live_replicas, serving, told, under_load, until

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    hosting.stand_in(monkeypatch)


@pytest.fixture
async def ctx(server: Server, tmp_path: Path) -> Context:
    """The tenant, with the models `tiny`, `other` and `bad`, which does not start."""
    for name in ("tiny", "other", "bad"):
        await hosting.add_model(server, tmp_path, name, broken=name == "bad")
    return await server.context()


async def update(ctx: Context, row: Deployment, model: str) -> Deployment:
    return await deployment_changes.update(ctx, row.id, VersionInput(model=model, source="huggingface"))


async def has_answered(answers: list[tuple[int, str]], text: str) -> bool:
    return any(text in answer for _, answer in answers)


@pytest.mark.parametrize(("count", "slots"), [(1, 4), (2, 4), (2, 2)])
async def test_an_update_fails_no_request(server: Server, ctx: Context, settings: Settings, count: int, slots: int) -> None:
    settings.cpu_slots = slots
    async with hosted(server):
        row = await serving(ctx, min_replicas=count, max_replicas=count)
        async with under_load(server, row) as answers:
            await until(lambda: has_answered(answers, "tiny"))
            await update(ctx, row, "other")
            await until(lambda: is_at(ctx, row, "serving", running=count, version=2))
            before = len(answers)
            await until(lambda: has_answered(answers[before:], "other"))
            # Here: the host that stops with the test takes its replicas with it.
            events = await told(ctx, row)
    assert {status for status, _ in answers} == {200}
    assert await hosting.versions(server, row) == [(1, "replaced"), (2, "serving")]
    assert await events_of(ctx, row, "updated") == [{"version": 2, "model": "other", "checkpoint_id": None}]
    assert "unhealthy" not in events


async def test_a_model_that_does_not_start_changes_nothing_for_callers(server: Server, ctx: Context, settings: Settings) -> None:
    settings.replica_attempts, settings.cpu_slots = 2, 2
    async with hosted(server):
        row = await serving(ctx)
        async with under_load(server, row) as answers:
            await update(ctx, row, "bad")
            await until(lambda: was_given_up(ctx, row))
            before = len(answers)
            await until(lambda: has_answered(answers[before:], "tiny"))
    assert {status for status, _ in answers} == {200}
    found = await deployments.get(ctx, row.id)
    assert (found.status, found.version, found.model, found.error) == ("serving", 1, "tiny", None)
    assert await hosting.versions(server, row) == [(1, "serving"), (2, "failed")]
    (given_up,) = await events_of(ctx, row, "update_failed")
    assert (given_up["version"], given_up["back_to"]) == (2, 1)
    assert given_up["error"].startswith("Its replicas failed 2 times in a row; the last time: the engine ended with exit code 3")


async def was_given_up(ctx: Context, row: Deployment) -> bool:
    live = await live_replicas(ctx, row)
    return bool(await events_of(ctx, row, "update_failed")) and [each.version for each in live] == [1]


async def test_a_model_that_nobody_has_ends_an_update_at_once(
    server: Server, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    async with hosted(server):
        row = await serving(ctx)
        await update(ctx, row, "nobody/nothing")
        await until(lambda: was_given_up(ctx, row))
        assert await hosting.ask(server, row) == ["tiny"]
    (given_up,) = await events_of(ctx, row, "update_failed")
    assert given_up["error"].startswith("model_unavailable: ")


async def test_the_only_replica_is_updated_when_there_is_room_beside_it(server: Server, ctx: Context, settings: Settings) -> None:
    settings.cpu_slots = 1

    async def waits() -> bool:
        return "No host has room for version 2 beside the replica that serves; the update waits for room" in await told(
            ctx, row, "logs"
        )

    async with hosted(server):
        row = await serving(ctx)
        async with under_load(server, row) as answers:
            await update(ctx, row, "other")
            await until(waits)
            settings.cpu_slots = 2
            await until(lambda: is_at(ctx, row, "serving", running=1, version=2))
    assert {status for status, _ in answers} == {200}


async def test_an_update_of_an_update_goes_to_the_newest(server: Server, ctx: Context, settings: Settings) -> None:
    settings.cpu_slots = 4
    async with hosted(server):
        row = await serving(ctx)
        await update(ctx, row, "bad")
        await update(ctx, row, "other")
        await until(lambda: is_at(ctx, row, "serving", running=1, version=3))
        assert await hosting.ask(server, row) == ["other"]
    assert await hosting.versions(server, row) == [(1, "replaced"), (2, "replaced"), (3, "serving")]
