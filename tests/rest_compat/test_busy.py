"""Replicas that have as many requests as they may: who waits, who is told to come again, and how."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from burnish.kit.settings import Settings
from models.deployment import Deployment
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
