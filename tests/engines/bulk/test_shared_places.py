"""What gateways and hosts hear of each other's requests: batches give way to interactive traffic, never the other way round."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest

from burnish.kit.core import Core
from burnish.kit.settings import Settings
from engines.bulk.places import Places
from engines.serving.router import Outcome, Table, Target
from engines.serving.sharing import CHANNEL, Sharing
from tests.kit.conftest import Broker, broker

__all__ = ["broker"]

pytestmark = pytest.mark.anyio
A = Target("rep_a", "http://127.0.0.1/a")


class Process:
    def __init__(self, settings: Settings, table: Table) -> None:
        self.core = Core(settings)
        self.table = table
        self.sharing = Sharing(self.core, table, bulk=isinstance(table, Places))
        self.running = asyncio.create_task(self.sharing.run())

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.core.close()


def gateway(cap: int = 16) -> Table:
    made = Table(cap=cap, queue=10)
    made.set("dep", [A])
    return made


def places() -> Places:
    made = Places(cap=16)
    made.seat("dep", [A], 16)
    return made


Start = Callable[[Table], Process]


@pytest.fixture
async def start(settings: Settings, broker: Broker) -> AsyncIterator[Start]:
    settings.redis_url = broker.url
    made: list[Process] = []

    def one(table: Table) -> Process:
        made.append(Process(settings, table))
        return made[-1]

    yield one
    for process in made:
        await process.stop()


async def until(look: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not look():
            await asyncio.sleep(0.005)


async def listening(process: Process, count: int) -> None:
    async with asyncio.timeout(10):
        while dict(await process.core.redis.pubsub_numsub(CHANNEL))[CHANNEL.encode()] != count:
            await asyncio.sleep(0.005)


async def test_batches_give_way_to_interactive_traffic_and_it_heeds_them_not(start: Start) -> None:
    bulk, other, asked = places(), places(), gateway()
    one, _, _ = start(bulk), start(other), start(asked)
    await listening(one, 3)
    seats = [await bulk.sit("dep", "batch") for _ in range(14)]
    await until(lambda: other._replicas["rep_a"].others == 14)
    assert other.places("dep") == 7
    # All of a gateway's places are free, and each is given at once.
    leases = [await asked.take("dep", wait_s=0) for _ in range(16)]
    assert all(leases) and asked._replicas["rep_a"].others == 0
    await until(lambda: bulk.places("dep") == 0 and other.places("dep") == 0)
    for given in [*seats, *leases]:
        assert given is not None
        given.release(Outcome.OK)
    await until(lambda: bulk.places("dep") == other.places("dep") == 14)


async def test_a_gateway_waits_for_no_line_of_a_batch() -> None:
    asked = gateway(cap=1)
    asked.other_bulk("host", {"rep_a": 500})
    assert await asked.take("dep", wait_s=0) is not None
    assert asked.wanted() == {}


async def test_what_a_host_says_is_forgotten_when_it_says_no_more(core: Core) -> None:
    now, bulk = 0.0, places()
    sharing = Sharing(core, bulk, lambda: now, bulk=True)
    said = {"process": "h", "counts": {}, "wanted": {}, "opened": {}, "bulk": {"rep_a": 14}}
    sharing.hear(orjson.dumps(said))
    assert bulk.places("dep") == 7
    sharing.hear(orjson.dumps({**said, "process": "g", "counts": {"rep_a": 10}, "bulk": {}}))
    assert bulk.places("dep") == 2
    now = 1.5
    sharing.expire()
    assert bulk.places("dep") == 14


async def test_a_process_of_an_earlier_release_is_understood(core: Core) -> None:
    bulk = places()
    Sharing(core, bulk, bulk=True).hear(b'{"process":"g","counts":{"rep_a":3},"wanted":{},"opened":{}}')
    assert bulk.places("dep") == 11


async def test_lines_that_fail_close_a_replica_to_nobody_else(core: Core) -> None:
    bulk = places()
    sharing = Sharing(core, bulk, bulk=True)
    seat = await bulk.sit("dep", "batch")
    assert seat is not None
    seat.leave(Outcome.UNREACHABLE)
    assert not bulk.is_up(A)
    assert sharing._opened == {}
    # What gateways found out is heeded.
    other = places()
    Sharing(core, other, bulk=True).hear(b'{"process":"g","counts":{},"wanted":{},"opened":{"rep_a":3},"bulk":{}}')
    assert not other.is_up(A)
