"""Lines that cannot be sent now: a replica is dead, or a deployment sleeps, is paused, or has ended."""

import asyncio
import json
from typing import Any

import pytest

from burnish.kit import clock
from engines.bulk import sending
from engines.bulk.pool import Line
from models import deployment as dep
from models.deployment import Deployment
from tests.engines.bulk.pooling import ANSWER, GONE, HELLO, PATH, World, engine, statuses, until, upstream, world
from tests.engines.serving.upstream import Upstream

__all__ = ["engine", "upstream", "world"]

pytestmark = pytest.mark.anyio


async def test_a_replica_that_dies_costs_no_attempt_that_counts(world: World, engine: Upstream) -> None:
    await world.start(GONE, engine.url)
    answer = await world.ask()
    assert (answer.status_code, answer.attempts, statuses(answer)) == (200, 2, [200])
    assert world.slept == []


async def test_lines_outlast_an_outage_however_long(world: World, engine: Upstream) -> None:
    await world.start(GONE)
    task = world.ask()
    for _ in range(50):
        world.now += 30
        await world.look()
        await asyncio.sleep(0.002)
    assert not task.done()
    await world.stop_all()
    await world.start(engine.url)
    answer = await task
    assert (answer.status_code, statuses(answer)) == (200, [200])
    assert answer.attempts > sending.DEATHS


async def test_a_line_that_one_replica_after_another_dies_of_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "DEATHS", 3)
    await world.start(GONE, "http://127.0.0.1:7", "http://127.0.0.1:11")
    answer = await world.ask()
    assert (answer.status_code, answer.code, answer.attempts, answer.logged) == (None, "engine_unreachable", 3, ())
    assert answer.message == "3 replicas went away, one after the other, before they answered it."


async def dropping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End the connection on whoever asks with `poison`, and answer all else."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        if b"poison" in await reader.readexactly(size):
            return writer.transport.abort()
        said = json.dumps(ANSWER).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(said), said))
        return writer.close()


async def test_a_line_that_the_connection_ends_on_lets_the_others_go_first_and_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "DEATHS", 3)
    await world.change(max_batch_size=1)
    async with await asyncio.start_server(dropping, "127.0.0.1", 0) as server:
        await world.start(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        bad = world.ask(body={**HELLO, "user": "poison"}, line=1)
        good = [world.ask(line=line) for line in range(2, 6)]
        for _ in range(200):
            world.now += 1
            await world.look()
            await asyncio.sleep(0.002)
        assert [(await answer).status_code for answer in good] == [200] * 4
        answer = await bad
    assert (answer.status_code, answer.code, answer.attempts) == (None, "engine_unreachable", 3)
    assert answer.message == "The connection ended 3 times after this was sent, without an answer."
    assert world.slept == [0.5, 1.0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"status": dep.STOPPED}, "The deployment name is stopped."),
        ({"status": dep.FAILED}, "The deployment name is failed."),
        ({"deleted_at": clock.now()}, "The deployment name was deleted."),
    ],
)
async def test_a_deployment_that_ends_ends_the_lines_that_wait(world: World, values: dict[str, Any], message: str) -> None:
    task = world.ask()
    await until(lambda: world.pool.routes.use("dep_1").route)
    await world.change(**values)
    answer = await task
    assert (answer.status_code, answer.code, answer.message) == (None, "deployment_not_serving", message)
    assert (answer.attempts, answer.logged) == (0, ())


async def test_a_deployment_that_is_not_there_answers_nothing(world: World) -> None:
    answer = await world.pool.answer(Line("batch_1", 1, "a", "dep_2", PATH, b"{}", {}))
    assert (answer.code, answer.message) == ("deployment_not_serving", "There is no deployment dep_2.")


async def test_lines_in_line_for_a_place_hear_that_the_deployment_ended(world: World, engine: Upstream) -> None:
    await world.change(max_batch_size=1)
    await world.start(engine.url)
    engine.answer = engine.silent()
    first, second = world.ask(line=1), world.ask(line=2)
    await until(lambda: engine.bodies and world.pool.table.waiting("dep_1"))
    await world.change(status=dep.STOPPED)
    assert (await second).code == "deployment_not_serving"
    first.cancel()
    await asyncio.wait([first])


async def test_a_pause_is_waited_out_and_nobody_woken(world: World, engine: Upstream) -> None:
    await world.start(engine.url)
    await world.change(paused_at=clock.now())
    task = world.ask()
    for _ in range(3):
        world.now += 10
        await world.look()
        await asyncio.sleep(0.01)
    assert not task.done()
    assert (engine.bodies, await world.woken()) == ([], 0)
    await world.change(paused_at=None)
    assert (await task).status_code == 200


async def test_a_deployment_that_sleeps_is_woken_once_each_few_seconds(world: World, engine: Upstream) -> None:
    tasks = [world.ask(line=line) for line in range(5)]
    await until(lambda: world.pool.routes.use("dep_1").route)
    woken: list[int] = []
    for _ in range(4):
        await world.look()
        await asyncio.sleep(0.05)
        woken.append(await world.woken())
    assert woken == [1, 1, 1, 1]
    async with world.core.db.read() as session:
        assert (await session.get_one(Deployment, "dep_1")).wake_requested_at is not None
    await world.start(engine.url)
    assert [(await task).status_code for task in tasks] == [200] * 5
