"""Replicas that have as many requests as they may: who waits, who is told to come again, and how."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from sqlmodel import col, select, update

from burnish.kit import clock, ids
from burnish.kit.settings import Settings
from engines.serving import breaker
from models.deployment import Deployment, InferenceRequest
from models.replica import Replica as Row
from tests.conftest import Server
from tests.rest_compat import replica, things
from tests.rest_compat.replica import Replica

pytestmark = pytest.mark.anyio
MESSAGES = [{"role": "user", "content": "2+2?"}]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    settings.replica_requests, settings.queued_requests = 1, 2
    return settings


@pytest.fixture
async def engine() -> AsyncIterator[Replica]:
    async with replica.running() as made:
        yield made


async def asked(server: Server, row: Deployment) -> httpx2.Response:
    async with server.client() as client:
        return await client.post("/v1/chat/completions", json={"model": row.id, "messages": MESSAGES})


def ready(row: Deployment, url: str) -> Row:
    its: dict[str, Any] = {"account_id": row.account_id, "deployment_id": row.id, "gpu_requested": row.gpu_requested}
    return Row(id=ids.new("rep"), host_id="host", status="running", url=url, created_at=clock.now(), **its)


async def busy(server: Server, row: Deployment, engine: Replica) -> "asyncio.Task[httpx2.Response]":
    """Have the only replica work on a request that does not end by itself."""
    engine.silent = True
    task = asyncio.create_task(asked(server, row))
    async with asyncio.timeout(10):
        await engine.asked.wait()
    engine.silent = False
    return task


async def waiting(server: Server, row: Deployment, count: int) -> list["asyncio.Task[httpx2.Response]"]:
    tasks = [asyncio.create_task(asked(server, row)) for _ in range(count)]
    async with asyncio.timeout(10):
        while server.platform.gateway.table.waiting(row.id) != count:
            await asyncio.sleep(0.005)
    return tasks


async def leave(task: "asyncio.Task[httpx2.Response]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_who_finds_no_place_waits_and_is_answered_once_there_is_one(server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    first = await busy(server, row, engine)
    tasks = await waiting(server, row, 2)
    assert len(engine.seen) == 1
    await leave(first)
    assert [(await task).status_code for task in tasks] == [200, 200]
    assert server.platform.gateway.table.counts() == {}


async def test_where_too_many_wait_the_next_is_told_to_come_again(server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    first = await busy(server, row, engine)
    tasks = await waiting(server, row, 2)
    refused = await asked(server, row)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], refused.headers["retry-after"]) == (429, "rate_limit_exceeded", "1")
    assert (len(engine.seen), server.platform.gateway.table.waiting(row.id)) == (1, 2)
    for task in (*tasks, first):
        await leave(task)


async def test_who_waits_too_long_is_told_that_all_are_busy(server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    first = await busy(server, row, engine)
    server.platform.core.settings.hold_s = 0.05
    refused = await asked(server, row)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], refused.headers["retry-after"]) == (503, "deployment_busy", "1")
    assert (len(engine.seen), server.platform.gateway.table.waiting(row.id)) == (1, 0)
    await leave(first)


async def test_a_replica_on_trial_is_back_with_its_first_word(server: Server, engine: Replica) -> None:
    server.platform.core.settings.hold_s = 0.05
    server.platform.gateway.table._cap = 2
    row = await things.serving_deployment(server, engine.url)
    assert (await asked(server, row)).status_code == 200
    server.platform.gateway.table.trip(await things.replica_of(server, row), 0.0)
    engine.endless = True
    body = {"model": row.id, "messages": MESSAGES, "stream": True}
    async with server.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as answer:
        pieces = answer.aiter_bytes()
        await anext(pieces)
        assert (await asked(server, row)).status_code == 200
        await anext(pieces)


async def test_who_waited_for_a_replica_and_now_stands_in_line_hears_of_the_next_one(server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    gateway, db = server.platform.gateway, server.platform.db
    async with db.transaction() as session:
        await session.exec(update(Row).values(status="warming"))
    engine.silent = True
    tasks = [asyncio.create_task(asked(server, row)) for _ in range(2)]
    async with asyncio.timeout(10), replica.running() as second:
        while not (waited := gateway.waking._waited.get(row.id)) or waited.count < 2:
            await asyncio.sleep(0.005)
        # As long as they wait, nobody uses the route.
        await gateway.routes.refresh()
        await gateway.routes.refresh()
        async with db.transaction() as session:
            await session.exec(update(Row).values(status="running"))
        while not gateway.table.waiting(row.id):
            await asyncio.sleep(0.005)
        async with db.transaction() as session:
            session.add(ready(row, second.url))
        await gateway.routes.refresh()
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert ([task.result().status_code for task in done], len(engine.seen), len(second.seen)) == ([200], 1, 1)
        for task in left:
            await leave(task)


async def logged(server: Server) -> list[Any]:
    await server.platform.gateway.flush()
    async with server.platform.db.read() as session:
        statement = select(InferenceRequest.status_code, InferenceRequest.replica_id)
        return list((await session.exec(statement.order_by(col(InferenceRequest.id)))).all())


async def test_what_no_replica_took_is_of_none_in_the_log(
    server: Server, engine: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who cannot be reached may be tried again at once.
    monkeypatch.setattr(breaker, "OPEN_S", 0.0)
    row = await things.serving_deployment(server, "http://127.0.0.1:9")
    async with server.platform.db.transaction() as session:
        session.add(ready(row, engine.url))
    first = await busy(server, row, engine)
    server.platform.core.settings.hold_s = 0.05
    assert (await asked(server, row)).status_code == 503
    assert await logged(server) == [(503, None)]
    await leave(first)
