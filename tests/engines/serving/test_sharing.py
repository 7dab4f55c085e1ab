"""What the tables of several API processes know of each other, with Redis there, away and back."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from redis.asyncio.client import PubSub

from burnish.kit.core import Core
from burnish.kit.settings import Settings
from engines.serving import sharing as gateway_sharing
from engines.serving.router import Lease, Outcome, Table, Target
from engines.serving.sharing import CHANNEL, Sharing
from tests.kit.conftest import Broker, broker

__all__ = ["broker"]

pytestmark = pytest.mark.anyio
A, B = (Target(f"rep_{name}", f"http://127.0.0.1/{name}") for name in "ab")


class Process:
    """A table with its sharing, as an API process has them. `said` is what it published."""

    def __init__(self, settings: Settings, *, cap: int = 2) -> None:
        self.core = Core(settings)
        self.table = Table(cap=cap, queue=10)
        self.table.set("dep", [A, B])
        self.sharing = Sharing(self.core, self.table)
        self.running: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.running = asyncio.create_task(self.sharing.run())

    async def stop(self) -> None:
        """End it as a kill would: it takes nothing back."""
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)
            self.running = None

    async def take(self, *, wait_s: float = 10.0, without: Target = B) -> Lease:
        lease = await self.table.take("dep", without=[without], wait_s=wait_s)
        assert lease is not None
        return lease

    def load(self, target: Target = A) -> int:
        """What the others have outstanding, as far as this process knows."""
        return self.table._replicas[target.replica_id].others


Start = Callable[..., Process]


@pytest.fixture
async def start(settings: Settings, broker: Broker) -> AsyncIterator[Start]:
    """Starts processes that share a broker."""
    settings.redis_url = broker.url
    made: list[Process] = []

    def one(**values: Any) -> Process:
        made.append(Process(settings, **values))
        made[-1].start()
        return made[-1]

    yield one
    for process in made:
        await process.stop()
        await process.core.close()


@pytest.fixture
def quickly_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_sharing, "AWAY_S", 0.02)


async def until(look: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not look():
            await asyncio.sleep(0.005)


async def listening(process: Process, count: int) -> None:
    async def subscribed() -> int:
        return dict(await process.core.redis.pubsub_numsub(CHANNEL))[CHANNEL.encode()]

    async with asyncio.timeout(10):
        while await subscribed() != count:
            await asyncio.sleep(0.005)


async def test_each_knows_what_the_others_have_outstanding(start: Start) -> None:
    one, two, three = start(), start(), start()
    await listening(one, 3)
    leases = [await one.take(), await two.take()]
    await until(lambda: (one.load(), two.load(), three.load()) == (1, 1, 2))
    assert (await three.take(without=Target("none", ""))).target == B
    for lease in leases:
        lease.release(Outcome.OK)
    await until(lambda: (one.load(), two.load(), three.load()) == (0, 0, 0))
    await until(lambda: (one.load(B), two.load(B), three.load(B)) == (1, 1, 0))


async def test_a_place_that_becomes_free_elsewhere_wakes_the_line(start: Start) -> None:
    one, two = start(), start()
    await listening(one, 2)
    leases = [await one.take(), await one.take()]
    await until(lambda: two.load() == 2)
    waiting = asyncio.create_task(two.take())
    await until(lambda: two.table.waiting("dep") == 1)
    leases[0].release(Outcome.OK)
    assert (await waiting).target == A
    assert (one.table.counts(), two.table.counts()) == ({"rep_a": 1}, {"rep_a": 1})


async def test_a_line_elsewhere_gets_its_share_of_a_replica_that_is_always_busy(start: Start) -> None:
    one, two = start(), start()
    await listening(one, 2)

    async def busy() -> None:
        while True:
            lease = await one.take()
            await asyncio.sleep(0)
            lease.release(Outcome.OK)

    tasks = [asyncio.create_task(busy()) for _ in range(5)]
    await until(lambda: two.load() == 2)
    async with asyncio.timeout(10):
        assert (await two.take()).target == A
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_process_that_dies_is_forgotten_and_its_places_are_free(start: Start) -> None:
    one, two = start(), start()
    await listening(one, 2)
    for _ in range(2):
        await one.take()
    await until(lambda: two.load() == 2)
    waiting = asyncio.create_task(two.take())
    await one.stop()
    assert (await waiting).target == A
    assert (two.load(), two.sharing._heard) == (0, {})


async def test_a_process_that_has_something_outstanding_for_long_is_not_forgotten(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_sharing, "HEARTBEAT_S", 0.0)
    one, two = start(), start()
    await listening(one, 2)
    await one.take()
    await until(lambda: two.load() == 1)
    (process,) = two.sharing._heard
    # It says so again and again, though nothing changes.
    for _ in range(3):
        two.sharing._heard[process] = 0.0
        await until(lambda: two.sharing._heard.get(process, 0.0) > 0.0 and two.load() == 1)


async def test_a_process_that_closes_takes_back_what_it_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_sharing, "EXPIRE_S", 3600.0)
    one, two = start(), start()
    await listening(one, 2)
    await one.take()
    await until(lambda: two.load() == 1)
    await one.stop()
    await one.sharing.close()
    await until(lambda: two.load() == 0)


async def test_a_breaker_that_opens_in_one_opens_in_all(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = start(), start()
    await listening(one, 2)
    told: list[str] = []
    # What was heard is not told again, or it would go round for ever.
    monkeypatch.setattr(two.sharing, "_open", lambda replica_id, seconds: told.append(replica_id))
    two.table.on_open = two.sharing._open
    (await one.take()).release(Outcome.UNREACHABLE)
    await until(lambda: two.table._replicas["rep_a"].shut_until is not None)
    assert (two.table._replicas["rep_a"].open_s, two.table._replicas["rep_b"].shut_until, told) == (0.5, None, [])


async def test_a_breaker_that_opens_is_told_without_delay(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_sharing, "TELL_S", 3600.0)
    one, two = start(), start()
    await listening(one, 2)
    (await one.take()).release(Outcome.UNREACHABLE)
    await until(lambda: two.table._replicas["rep_a"].shut_until is not None)


async def test_a_process_that_hears_itself_keeps_its_subscription(start: Start) -> None:
    one = start()
    await listening(one, 1)
    echo = one.sharing._echo
    assert echo is not None
    await one.take()
    await until(lambda: one.sharing._told[0] and echo.when() is None)
    assert one.sharing._echo is echo


async def test_with_redis_away_each_goes_on_alone_and_together_again_when_it_is_back(
    start: Start, broker: Broker, quickly_back: None
) -> None:
    one, two = start(), start()
    await listening(one, 2)
    for _ in range(2):
        await one.take()
    await until(lambda: two.load() == 2)
    waiting = asyncio.create_task(two.take())
    broker.kill()
    # The places that nobody speaks of any more are free.
    assert (await waiting).target == A
    await two.take()
    assert (one.table.counts(), two.table.counts()) == ({"rep_a": 2}, {"rep_a": 2})
    (await one.take(without=A)).release(Outcome.UNREACHABLE)
    broker.start()
    await until(lambda: (one.load(), two.load()) == (2, 2))


async def test_a_redis_that_hangs_stops_nothing(
    start: Start, broker: Broker, quickly_back: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_sharing, "SEND_S", 0.05)
    one, two = start(), start()
    await listening(one, 2)
    await one.take()
    await until(lambda: two.load() == 1)
    broker.send(signal.SIGSTOP)
    try:
        await until(lambda: two.load() == 0)
        await until(lambda: one.sharing._away)
        (await two.take()).release(Outcome.OK)
    finally:
        broker.send(signal.SIGCONT)
    await until(lambda: two.load() == 1)


async def test_a_connection_that_breaks_is_made_anew(start: Start, quickly_back: None) -> None:
    one, two = start(), start()
    await listening(one, 2)
    for client in await one.core.redis.client_list(_type="pubsub"):
        await one.core.redis.client_kill_filter(_id=client["id"])
    await two.take()
    await until(lambda: one.load() == 1)


async def test_a_subscription_that_hears_nothing_is_made_anew(
    start: Start, quickly_back: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_sharing, "ECHO_S", 0.05)
    listen, deaf = PubSub.listen, asyncio.Event()

    async def hear_nothing(pubsub: PubSub) -> AsyncIterator[dict[str, Any]]:
        monkeypatch.setattr(PubSub, "listen", listen)
        deaf.set()
        await asyncio.Event().wait()
        yield {}

    monkeypatch.setattr(PubSub, "listen", hear_nothing)
    one = start()
    await deaf.wait()
    two = start()
    await listening(two, 2)
    await two.take()
    await one.take(without=A)
    await until(lambda: (one.load(A), two.load(B)) == (1, 1))


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"not json",
        b"[1]",
        b'{"process": "x"}',
        b'{"process": [], "counts": 1, "wanted": {}, "opened": {}}',
        orjson.dumps({"process": "x", "counts": {"rep_a": "5"}, "wanted": {}, "opened": {}}),
        orjson.dumps({"process": "x", "counts": {"rep_a": -5}, "wanted": {}, "opened": {}}),
        orjson.dumps({"process": "x", "counts": {}, "wanted": {}, "opened": {"rep_a": None}}),
        b"\xff\xfe",
    ],
)
async def test_rubbish_on_the_channel_changes_nothing(start: Start, rubbish: bytes) -> None:
    one, two = start(), start()
    await listening(one, 2)
    await one.core.redis.publish(CHANNEL, rubbish)
    await one.take()
    await until(lambda: two.load() == 1)
    assert (one.load(), one.table._replicas["rep_a"].shut_until) == (0, None)


async def test_no_breaker_stays_open_for_longer_than_a_table_would_open_it(start: Start) -> None:
    one = start()
    await listening(one, 1)
    said = {"process": "x", "counts": {}, "wanted": {}, "opened": {"rep_a": 1e9}}
    one.sharing.hear(orjson.dumps(said))
    assert one.table._replicas["rep_a"].open_s == 10.0


async def test_who_hears_nobody_says_it_less_often(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    one = start(cap=9)
    said: list[dict[str, int]] = []
    now = 1000.0

    async def publish(channel: str, raw: bytes) -> None:
        said.append(orjson.loads(raw)["counts"])

    await one.stop()
    monkeypatch.setattr(one.core.redis, "publish", publish)
    monkeypatch.setattr(one.sharing, "_clock", lambda: now)
    leases = []
    for _ in range(3):
        leases.append(await one.take())
        await one.sharing.tell()
    now += 2 * gateway_sharing.HEARTBEAT_S
    await one.sharing.tell()
    one.sharing._heard["somebody"] = now
    leases.append(await one.take())
    await one.sharing.tell()
    for lease in leases:
        lease.release(Outcome.OK)
    assert said == [{"rep_a": 1}, {"rep_a": 3}, {"rep_a": 4}]


async def test_nothing_is_said_while_nothing_changes(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    one = start()
    said: list[dict[str, Any]] = []

    async def publish(channel: str, raw: bytes) -> None:
        said.append({key: value for key, value in orjson.loads(raw).items() if key != "process"})

    await one.stop()
    monkeypatch.setattr(one.core.redis, "publish", publish)
    monkeypatch.setattr(gateway_sharing, "HEARTBEAT_S", 3600.0)
    one.sharing._heard["somebody"] = 0.0
    await one.sharing.tell()
    lease = await one.take()
    for _ in range(3):
        await one.sharing.tell()
    lease.release(Outcome.OK)
    for _ in range(3):
        await one.sharing.tell()
    nothing: dict[str, Any] = {"counts": {}, "wanted": {}, "opened": {}, "bulk": {}}
    assert said == [{**nothing, "counts": {"rep_a": 1}}, nothing]
