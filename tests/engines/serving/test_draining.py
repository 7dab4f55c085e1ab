"""Leaving a host: its replicas are replaced elsewhere before they go, and where there is no elsewhere they come back with it."""

from pathlib import Path

import pytest
from sqlmodel import col, select

from burnish.kit.errors import NotFound
from burnish.kit.settings import Settings
from models.audit import OPERATOR, AuditEntry
from models.deployment import Deployment
from resolvers import deployments, hosts
from resolvers.context import Context
from tests.conftest import Server
from tests.engines.serving import hosting
from tests.engines.serving.hosting import hosted, is_at, live_replicas, serving, told, under_load, until

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    hosting.stand_in(monkeypatch)


@pytest.fixture
async def ctx(server: Server, settings: Settings, tmp_path: Path) -> Context:
    settings.cpu_slots = 4
    await hosting.add_model(server, tmp_path, "tiny")
    return await server.context()


async def is_empty(server: Server, host_id: str) -> bool:
    (found,) = await hosts.states(server.platform.core, [host_id])
    return found.draining and not found.working


async def is_on(ctx: Context, row: Deployment, host_id: str, count: int) -> bool:
    live = await live_replicas(ctx, row)
    return [(each.host_id, each.status) for each in live] == [(host_id, "running")] * count


async def test_a_host_gives_its_replicas_away_and_no_request_fails(server: Server, ctx: Context) -> None:
    async with hosted(server) as left:
        row = await serving(ctx, min_replicas=2, max_replicas=2)
        async with hosted(server) as other, under_load(server, row) as answers:
            await until(lambda: is_announced(server, other.host_id))
            (state,) = await hosts.drain(server.platform.core, left.host_id)
            assert (state.draining, state.working) == (True, 2)
            await until(lambda: is_on(ctx, row, other.host_id, 2))
            await until(lambda: is_empty(server, left.host_id))
            # Here: the hosts that stop with the test take their replicas with them.
            events = await told(ctx, row)
    assert {status for status, _ in answers} == {200}
    assert "unhealthy" not in events


async def is_announced(server: Server, host_id: str) -> bool:
    return bool(await hosts.states(server.platform.core, [host_id]))


async def test_the_only_host_ends_its_replicas_and_starts_them_when_the_drain_is_undone(server: Server, ctx: Context) -> None:
    core = server.platform.core
    async with hosted(server) as only:
        row = await serving(ctx)
        await hosts.drain(core)
        await until(lambda: is_empty(server, only.host_id))
        waiting = await until(lambda: live_replicas(ctx, row))
        assert [(each.status, each.host_id) for each in waiting] == [("pending", None)]
        # The one that served and the one that waits: a host that drains takes up nothing.
        assert len(await deployments.replicas(ctx, row.id)) == 2
        assert "Status: unhealthy: its host is being drained" in await told(ctx, row, "logs")
        (state,) = await hosts.drain(core, undo=True)
        assert not state.draining
        await until(lambda: is_at(ctx, row, "serving", running=1))
        assert await hosting.ask(server, row) == ["tiny"]
    assert await audited(server, only.host_id) == ["hosts.drain", "hosts.undrain"]


async def audited(server: Server, host_id: str) -> list[str]:
    async with server.platform.db.read() as session:
        its = select(AuditEntry.action).where(AuditEntry.resource_id == host_id, AuditEntry.actor == OPERATOR)
        return list((await session.exec(its.order_by(col(AuditEntry.id)))).all())


async def test_a_host_that_nobody_knows_is_not_drained(server: Server, ctx: Context) -> None:
    async with hosted(server) as there:
        await until(lambda: is_announced(server, there.host_id))
        with pytest.raises(NotFound):
            await hosts.drain(server.platform.core, "nowhere")
        (state,) = await hosts.states(server.platform.core, [there.host_id])
        assert not state.draining
