"""Requests that wait for a replica: how long, how many, and what ends their waiting."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from sqlmodel import select

from burnish.kit import clock, ids, outbox
from burnish.kit.tables import Outbox
from engines.serving import addressing
from models.deployment import Deployment, InferenceRequest
from models.replica import Replica as Row
from resolvers import deployment_changes, deployments, waking
from tests.conftest import Server, free_port
from tests.rest_compat import replica, things
from tests.rest_compat.replica import Replica

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "2+2?"}]


@pytest.fixture
async def engine() -> AsyncIterator[Replica]:
    async with replica.running() as made:
        yield made


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again and again at once."""
    monkeypatch.setattr(waking, "LOOK_S", 0.01)
    monkeypatch.setattr(waking, "AGAIN_S", 0.02)


async def until(look: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not look():
            await asyncio.sleep(0.005)


async def asleep(server: Server) -> Deployment:
    """Return a deployment that has served and has no replica now."""
    row = await things.serving_deployment(server, "http://127.0.0.1:9")
    await end_replicas(server, row)
    return row


async def end_replicas(server: Server, row: Deployment) -> None:
    async with server.platform.db.transaction() as session:
        for one in (await session.exec(select(Row).where(Row.deployment_id == row.id))).all():
            one.status, one.ended_at = "stopped", clock.now()
            session.add(one)


async def start_replica(server: Server, row: Deployment, url: str) -> str:
    its: dict[str, Any] = {"account_id": row.account_id, "deployment_id": row.id, "gpu_requested": row.gpu_requested}
    made = Row(id=ids.new("rep"), host_id="host", status="running", url=url, created_at=clock.now(), **its)
    async with server.platform.db.transaction() as session:
        session.add(made)
    return made.id


async def asked(server: Server, row: Deployment) -> httpx2.Response:
    async with server.client() as client:
        return await client.post(CHAT, json={"model": row.id, "messages": MESSAGES})


async def waiting(server: Server, row: Deployment, count: int = 1) -> list["asyncio.Task[httpx2.Response]"]:
    """Have so many requests wait."""
    tasks = [asyncio.create_task(asked(server, row)) for _ in range(count)]
    await until(lambda: held(server, row) == count)
    return tasks


def held(server: Server, row: Deployment) -> int:
    waited = server.platform.gateway.waking._waited.get(row.id)
    return waited.count if waited else 0


async def stored(server: Server, row: Deployment) -> Deployment:
    async with server.platform.db.read() as session:
        return await session.get_one(Deployment, row.id)


async def messages(server: Server, row: Deployment) -> int:
    """Count what its host has not been told yet."""
    async with server.platform.db.read() as session:
        its = (Outbox.resource_id == row.id, Outbox.actor == addressing.SERVE_MESSAGE)
        return len((await session.exec(select(Outbox).where(*its))).all())


def refused(answer: httpx2.Response) -> tuple[int, str, str | None]:
    return answer.status_code, answer.json()["error"]["code"], answer.headers.get("retry-after")


async def test_a_request_waits_until_a_replica_is_there_and_its_host_is_told(
    server: Server, engine: Replica, often: None
) -> None:
    row = await asleep(server)
    before = await messages(server, row)
    tasks = await waiting(server, row, 3)
    await woken(server, row)
    assert await messages(server, row) == before + 1
    replica_id = await start_replica(server, row, engine.url)
    assert [(await task).status_code for task in tasks] == [200] * 3
    assert held(server, row) == 0
    await server.platform.gateway.flush()
    async with server.platform.db.read() as session:
        logged = (await session.exec(select(InferenceRequest))).all()
    assert [one.replica_id for one in logged] == [replica_id] * 3


async def woken(server: Server, row: Deployment) -> None:
    async with asyncio.timeout(10):
        while (await stored(server, row)).wake_requested_at is None:
            await asyncio.sleep(0.005)


async def test_all_that_wait_share_one_look(server: Server, often: None, monkeypatch: pytest.MonkeyPatch) -> None:
    row = await asleep(server)
    await waiting(server, row, 10)
    looks, at_once, most = 0, 0, 0
    look: Callable[..., Awaitable[Any]] = addressing.running

    async def counted(*arguments: Any) -> Any:
        nonlocal looks, at_once, most
        looks, at_once = looks + 1, at_once + 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return await look(*arguments)

    monkeypatch.setattr(addressing, "running", counted)
    await until(lambda: looks >= 5)
    assert most == 1
    await deployments.stop(await server.context(), row.id)
    await until(lambda: held(server, row) == 0)


async def test_more_than_may_wait_are_told_to_try_again_and_the_others_wait_on(
    server: Server, engine: Replica, often: None
) -> None:
    server.platform.core.settings.held_requests = 2
    row = await asleep(server)
    tasks = await waiting(server, row, 2)
    assert refused(await asked(server, row)) == (503, "deployment_waking", "5")
    assert held(server, row) == 2
    await start_replica(server, row, engine.url)
    assert [(await task).status_code for task in tasks] == [200, 200]


async def test_nobody_waits_for_ever(server: Server, often: None) -> None:
    server.platform.core.settings.hold_s = 0.05
    row = await asleep(server)
    assert refused(await asked(server, row)) == (503, "deployment_waking", "5")
    assert held(server, row) == 0


@pytest.mark.parametrize("bound", ["hold_s", "held_requests"])
async def test_where_nobody_may_wait_a_request_wakes_nevertheless(server: Server, bound: str) -> None:
    setattr(server.platform.core.settings, bound, 0)
    row = await asleep(server)
    before = await messages(server, row)
    assert [refused(await asked(server, row)) for _ in range(3)] == [(503, "deployment_waking", "5")] * 3
    assert (await stored(server, row)).wake_requested_at is not None
    assert await messages(server, row) == before + 1


async def test_a_deployment_that_has_never_served_holds_nobody_and_is_not_woken(server: Server) -> None:
    row = await things.queued_deployment(server)
    assert refused(await asked(server, row)) == (503, "upstream_unavailable", "5")
    assert (await stored(server, row)).wake_requested_at is None


async def test_an_adopted_server_that_is_away_is_not_waited_for(server: Server) -> None:
    row = await asleep(server)
    async with server.platform.db.transaction() as session:
        (await session.get_one(Deployment, row.id)).source = "adopted"
    assert refused(await asked(server, row)) == (503, "upstream_unavailable", "5")
    assert (await stored(server, row)).wake_requested_at is None


async def test_who_waits_is_told_when_the_deployment_is_paused_or_stopped(server: Server, often: None) -> None:
    ctx = await server.context()
    row = await asleep(server)
    [task] = await waiting(server, row)
    await deployment_changes.pause(ctx, row.id)
    assert refused(await task) == (400, "deployment_not_serving", None)
    assert refused(await asked(server, row)) == (400, "deployment_not_serving", None)
    await deployment_changes.resume(ctx, row.id)
    [task] = await waiting(server, row)
    await deployments.stop(ctx, row.id)
    assert refused(await task) == (400, "deployment_not_serving", None)
    assert refused(await asked(server, row)) == (400, "deployment_not_serving", None)


async def test_a_client_who_leaves_waits_no_more(server: Server, often: None) -> None:
    row = await asleep(server)
    first, second = await waiting(server, row, 2)
    first.cancel()
    await until(lambda: held(server, row) == 1)
    looking = server.platform.gateway.waking._waited[row.id].looking
    assert looking is not None
    second.cancel()
    await until(looking.done)
    assert row.id not in server.platform.gateway.waking._waited
    await asyncio.gather(first, second, return_exceptions=True)


async def test_gateways_wake_a_deployment_once_in_a_while_together(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    row = await asleep(server)
    before, micros = await messages(server, row), clock.now_micros()
    gateways = [waking.Waking(server.platform.core) for _ in range(3)]
    for moment in (micros, micros + 4_900_000, micros + 5_000_000):
        monkeypatch.setattr(clock, "now_micros", lambda at=moment: at)
        for gateway in gateways:
            gateway._asked.clear()
            await gateway._wake(row.id)
    assert await messages(server, row) == before + 2


async def test_a_wake_that_was_broken_off_is_made_up_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    row = await asleep(server)

    def broken(*_: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "put", broken)
        with pytest.raises(ConnectionError):
            await server.platform.gateway.waking._wake(row.id)
    assert (await stored(server, row)).wake_requested_at is None
    await server.platform.gateway.waking._wake(row.id)
    assert (await stored(server, row)).wake_requested_at is not None


async def test_a_dead_replica_is_waited_out_until_another_is_there(server: Server, engine: Replica, often: None) -> None:
    row = await things.serving_deployment(server, f"http://127.0.0.1:{free_port()}")
    [task] = await waiting(server, row)
    replica_id = await start_replica(server, row, engine.url)
    assert (await task).status_code == 200
    await server.platform.gateway.flush()
    async with server.platform.db.read() as session:
        [logged] = (await session.exec(select(InferenceRequest))).all()
    assert logged.replica_id == replica_id


async def test_dead_replicas_alone_are_not_asked_for_ever(server: Server, often: None, monkeypatch: pytest.MonkeyPatch) -> None:
    # There is always one that may be asked again.
    monkeypatch.setattr(waking, "AGAIN_S", 0.0)
    server.platform.core.settings.hold_s = 0.2
    row = await things.serving_deployment(server, f"http://127.0.0.1:{free_port()}")
    for _ in range(2):
        await start_replica(server, row, f"http://127.0.0.1:{free_port()}")
    assert refused(await asked(server, row)) == (503, "deployment_waking", "5")
    await server.platform.gateway.flush()
    async with server.platform.db.read() as session:
        logged = (await session.exec(select(InferenceRequest))).all()
    assert [(one.id.startswith("req_"), one.status_code, one.replica_id) for one in logged] == [(True, 503, None)]
    assert server.platform.gateway.table.counts() == {}
