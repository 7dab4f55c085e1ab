import asyncio
import itertools
import shutil
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy.exc import OperationalError

from burnish.kit import live, stream
from burnish.kit.db import Database
from burnish.kit.live import Batch, Hub
from burnish.kit.tables import StreamHead
from tests.kit.conftest import Broker

pytestmark = pytest.mark.anyio
NOWHERE = "unix:///nonexistent/broker.sock"


class Process:
    """What one process of the platform has: a database, a Redis client, a hub. `mute` loses what it publishes."""

    def __init__(self, path: Path, redis_url: str = NOWHERE, *, mute: bool = False) -> None:
        self.db = Database(f"sqlite+aiosqlite:///{path}")
        self.redis = Redis.from_url(redis_url)
        self.hub = Hub(self.db, self.redis)
        if not mute:
            self.db.on_commit = self._publish

    async def _publish(self, effects: list[object]) -> None:
        await self.hub.publish([effect for effect in effects if isinstance(effect, stream.Frame)])

    async def say(self, *texts: str, kind: str = "logs", end: str | None = None) -> None:
        async with self.db.transaction() as session:
            await stream.append(session, "job_1", kind, [{"message": text} for text in texts])
            if end is not None:
                await stream.end(session, "job_1", [kind], end)

    async def close(self) -> None:
        await self.hub.close()
        await self.redis.aclose()
        await self.db.dispose()


Start = Callable[..., Process]


@pytest.fixture
async def start(tmp_path: Path, migrated: Path) -> AsyncIterator[Start]:
    """Starts processes that share one database."""
    path = tmp_path / "burnish.db"
    shutil.copy(migrated, path)
    made: list[Process] = []

    def one(redis_url: str = NOWHERE, *, mute: bool = False) -> Process:
        made.append(Process(path, redis_url, mute=mute))
        return made[-1]

    yield one
    for process in made:
        await process.close()


@pytest.fixture
def no_healing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEAL_S", 3600.0)


@pytest.fixture
def quick_healing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEAL_S", 0.02)


@asynccontextmanager
async def running(hub: Hub) -> AsyncIterator[None]:
    task = asyncio.create_task(hub.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.005)


async def subscribed(process: Process) -> None:
    async def one_pattern() -> bool:
        try:
            return await process.redis.pubsub_numpat() == 1
        except OSError:
            return False

    await until(one_pattern)


async def take(batches: AsyncGenerator[Batch, None], count: int) -> list[str]:
    """Return the next `count` messages; fail where more come with them, or none for ten seconds."""
    found: list[str] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            batch = await anext(batches)
            found += [row.data["message"] for row in batch.rows]
            assert batch.cursor == (batch.rows[-1].seq if batch.rows else batch.cursor)
    assert len(found) == count
    return found


async def whole(batches: AsyncGenerator[Batch, None]) -> tuple[list[int], list[str], str | None]:
    """Follow to the end; return the sequence numbers, the messages and the reason."""
    seen: list[int] = []
    texts: list[str] = []
    reason = None
    async with asyncio.timeout(20):
        async for batch in batches:
            assert reason is None
            seen += [row.seq for row in batch.rows]
            texts += [row.data["message"] for row in batch.rows]
            reason = batch.end_reason
    return seen, texts, reason


@pytest.mark.usefixtures("no_healing")
async def test_of_many_requests_other_processes_hear_and_read_them_themselves(start: Start, broker: Broker) -> None:
    one, two = start(broker.url), start(broker.url)
    async with running(two.hub):
        await subscribed(two)
        here, there = (process.hub.follow("job_1", "requests") for process in (one, two))
        async with aclosing(here), aclosing(there):
            await one.say("first", kind="requests")
            assert (await take(here, 1), await take(there, 1)) == (["first"], ["first"])
            many = [str(number) * 100 for number in range(1_200)]
            await one.say(*many, kind="requests")
            assert (await take(here, 1_200), await take(there, 1_200)) == (many, many)
    sent = live.pack(stream.Frame("job_1", "requests", 8, 0, b"[" + b"1," * 10_000 + b"1]"))
    assert (live.unpack(sent).first_seq, live.unpack(sent).rows) == (9, [])


@pytest.mark.usefixtures("no_healing")
async def test_a_follower_reads_what_there_is_and_then_what_comes(start: Start) -> None:
    one = start()
    await one.say("a", "b")
    async with running(one.hub), aclosing(one.hub.follow("job_1", "logs")) as batches:
        assert await take(batches, 2) == ["a", "b"]
        for text in ("c", "d"):
            waiting = asyncio.ensure_future(take(batches, 1))
            await asyncio.sleep(0)
            await one.say(text)
            assert await waiting == [text]


@pytest.mark.usefixtures("no_healing")
async def test_a_cursor_resumes_without_loss_or_repetition(start: Start) -> None:
    one = start()
    for number in range(20):
        await one.say(str(number))
    await one.say(end="completed")
    for after in range(21):
        seen, texts, reason = await whole(one.hub.follow("job_1", "logs", after))
        assert seen == list(range(after + 1, 21))
        assert texts == [str(number) for number in range(after, 20)]
        assert reason == "completed"


@pytest.mark.parametrize("reason", ["completed", "failed", "cancelled", "stopped"])
async def test_a_stream_that_ended_before_anyone_followed_tells_why(start: Start, reason: str) -> None:
    one = start()
    await one.say(end=reason)
    assert await whole(one.hub.follow("job_1", "logs")) == ([], [], reason)


@pytest.mark.usefixtures("no_healing")
async def test_an_end_that_comes_with_the_last_rows_comes_after_them(start: Start) -> None:
    one = start()
    await one.say("a")
    following = asyncio.create_task(whole(one.hub.follow("job_1", "logs")))
    await one.say("b", "c", end="failed")
    assert await following == ([1, 2, 3], ["a", "b", "c"], "failed")


@pytest.mark.usefixtures("no_healing")
@pytest.mark.parametrize(("kind", "count"), [("logs", 1000), ("logs", 1001), ("logs", 2500), ("rollouts", 16), ("rollouts", 50)])
async def test_a_long_past_is_read_in_pages(start: Start, kind: str, count: int) -> None:
    one = start()
    await one.say(*map(str, range(count)), kind=kind)
    async with running(one.hub), aclosing(one.hub.follow("job_1", kind)) as batches:
        assert await take(batches, count) == [str(number) for number in range(count)]
        waiting = asyncio.ensure_future(whole(batches))
        await one.say("last", kind=kind, end="completed")
        assert await waiting == ([count + 1], ["last"], "completed")


@pytest.mark.usefixtures("quick_healing")
async def test_a_lost_publish_is_healed(start: Start) -> None:
    one, silent = start(), start(mute=True)
    async with running(one.hub), aclosing(one.hub.follow("job_1", "logs")) as batches:
        await silent.say("a")
        assert await take(batches, 1) == ["a"]
        await silent.say("b")
        assert await take(batches, 1) == ["b"]
        await silent.say(end="cancelled")
        assert await whole(batches) == ([], [], "cancelled")


@pytest.mark.usefixtures("no_healing")
async def test_a_gap_is_read_from_the_database(start: Start) -> None:
    one, silent = start(), start(mute=True)
    async with aclosing(one.hub.follow("job_1", "logs")) as batches:
        await one.say("a")
        assert await take(batches, 1) == ["a"]
        await silent.say("lost")
        await one.say("b")
        assert await take(batches, 2) == ["lost", "b"]
        await silent.say("lost too")
        await one.say(end="completed")
        assert await whole(batches) == ([4], ["lost too"], "completed")


@pytest.mark.usefixtures("no_healing")
async def test_frames_that_arrive_late_twice_or_out_of_order_do_no_harm(start: Start) -> None:
    one, silent = start(), start(mute=True)
    kept: list[stream.Frame] = []
    for text in ("a", "b", "c"):
        async with silent.db.transaction() as session:
            await stream.append(session, "job_1", "logs", [{"message": text}])
            kept += [effect for effect in session.effects if isinstance(effect, stream.Frame)]
    async with aclosing(one.hub.follow("job_1", "logs")) as batches:
        assert await take(batches, 3) == ["a", "b", "c"]
        for order in itertools.permutations(kept):
            await one.hub.publish([*order, *order])
        await one.say("d", end="completed")
        assert await whole(batches) == ([4], ["d"], "completed")


@pytest.mark.usefixtures("no_healing")
async def test_a_follower_too_slow_for_its_buffer_loses_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BUFFERED_FRAMES", 4)
    one = start()
    await one.say("0")
    async with aclosing(one.hub.follow("job_1", "logs")) as slow:
        assert await take(slow, 1) == ["0"]
        (follower,) = one.hub._topics["job_1", "logs"]
        for number in range(1, 40):
            await one.say(str(number))
            assert len(follower.frames) <= 4
        await one.say(end="completed")
        assert await whole(slow) == (list(range(2, 41)), [str(number) for number in range(1, 40)], "completed")


@pytest.mark.usefixtures("quick_healing")
async def test_slow_and_fast_followers_beside_a_writer_all_get_each_row_once(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BUFFERED_FRAMES", 8)
    one, silent = start(), start(mute=True)

    async def slow(batches: AsyncGenerator[Batch, None], pace: int) -> list[int]:
        seen: list[int] = []
        async for batch in batches:
            seen += [row.seq for row in batch.rows]
            for _ in range(pace):
                await asyncio.sleep(0)
        return seen

    async with running(one.hub):
        # A cursor past the end of a stream without a row would be that of a deleted stream.
        for number in range(20):
            await one.say(str(number))
        following = [asyncio.create_task(slow(one.hub.follow("job_1", "logs", after), after * 20)) for after in range(20)]
        for number in range(20, 60):
            await (silent if number % 7 == 3 else one).say(str(number))
        await one.say(end="completed")
        async with asyncio.timeout(20):
            seen = await asyncio.gather(*following)
    assert seen == [list(range(after + 1, 61)) for after in range(20)]


async def test_a_follower_that_leaves_is_forgotten(start: Start) -> None:
    one = start()
    await one.say("a")
    batches = one.hub.follow("job_1", "logs")
    await take(batches, 1)
    assert list(one.hub._topics) == [("job_1", "logs")]
    await batches.aclose()
    assert one.hub._topics == {}


async def test_a_cancelled_follower_is_forgotten(start: Start) -> None:
    one = start()
    following = asyncio.create_task(whole(one.hub.follow("job_1", "logs")))

    async def has_joined() -> bool:
        return bool(one.hub._topics)

    await until(has_joined)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert one.hub._topics == {}


@pytest.mark.usefixtures("no_healing")
async def test_a_watcher_hears_of_every_stream_of_its_kind_in_any_process(start: Start, broker: Broker) -> None:
    one, two = start(broker.url), start(broker.url)
    heard_here: list[str] = []
    heard_there = asyncio.Queue[str]()
    one.hub.watch("logs", heard_here.append)
    two.hub.watch("logs", heard_there.put_nowait)
    async with running(two.hub):
        await subscribed(two)
        await one.say("a", kind="events")
        await one.say("b")
        # At once in the process that wrote it: before whoever waited for the commit goes on.
        assert heard_here == ["job_1"]
        async with asyncio.timeout(20):
            assert await heard_there.get() == "job_1"
        assert heard_there.empty()


async def test_the_heads_of_thousands_of_streams_are_read(start: Start) -> None:
    one = start()
    async with one.db.transaction() as session:
        session.add_all([StreamHead(resource_id=f"job_{number}", kind="logs", last_seq=number) for number in range(3000)])
    heads = await one.hub._heads([(f"job_{number}", "logs") for number in range(3500)])
    assert heads == {(f"job_{number}", "logs"): (number, None) for number in range(3000)}


@pytest.mark.usefixtures("no_healing")
async def test_another_process_hears_through_the_broker(start: Start, broker: Broker) -> None:
    one, two = start(broker.url), start(broker.url)
    async with running(two.hub), aclosing(two.hub.follow("job_1", "logs")) as batches:
        await subscribed(two)
        for text in ("a", "b", "c"):
            await one.say(text)
            assert await take(batches, 1) == [text]
        await one.say("d", end="completed")
        assert await whole(batches) == ([4], ["d"], "completed")


@pytest.mark.usefixtures("no_healing")
async def test_a_process_that_hears_itself_through_the_broker_repeats_nothing(start: Start, broker: Broker) -> None:
    one = start(broker.url)
    async with running(one.hub):
        await subscribed(one)
        following = asyncio.create_task(whole(one.hub.follow("job_1", "logs")))
        for number in range(30):
            await one.say(str(number))
        await one.say(end="completed")
        assert (await following)[0] == list(range(1, 31))


@pytest.mark.usefixtures("no_healing")
@pytest.mark.parametrize("rubbish", [b"", b"not json", b"[1]", b'{"a": 1}', b"\xff\xfe"])
async def test_rubbish_on_the_channel_does_not_stop_the_reader(start: Start, broker: Broker, rubbish: bytes) -> None:
    one, two = start(broker.url), start(broker.url)
    async with running(two.hub), aclosing(two.hub.follow("job_1", "logs")) as batches:
        await subscribed(two)
        await one.redis.publish(f"{live.CHANNEL}job_1/logs", rubbish)
        await one.say("a")
        assert await take(batches, 1) == ["a"]


@pytest.mark.usefixtures("quick_healing")
async def test_followers_outlive_the_broker_and_find_it_again(
    start: Start, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RECONNECT_S", 0.01)
    one, two = start(broker.url), start(broker.url)
    async with running(two.hub), aclosing(two.hub.follow("job_1", "logs")) as batches:
        await subscribed(two)
        broker.kill()
        await one.say("a", "b")
        assert await take(batches, 2) == ["a", "b"]
        broker.start()
        await subscribed(two)
        monkeypatch.setattr(live, "HEAL_S", 3600.0)
        await one.say("c", end="completed")
        assert await whole(batches) == ([3], ["c"], "completed")


async def test_no_commit_waits_for_a_broker_that_hangs(start: Start, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SEND_S", 60.0)
    one = start(broker.url)
    await one.say("a")
    await one.hub.close()
    broker.send(signal.SIGSTOP)
    try:
        async with asyncio.timeout(20):
            for number in range(10):
                await one.say(str(number))
            await one.hub.publish([stream.Frame("job_2", "logs", number, 0) for number in range(600)])
        assert len(one.hub._unsent) == live.BUFFERED_FRAMES
    finally:
        broker.send(signal.SIGCONT)
    async with one.db.read() as session:
        assert await stream.last_seq(session, "job_1", "logs") == 11


@pytest.mark.usefixtures("no_healing")
async def test_long_lines_come_a_few_at_a_time(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAGE_CHARACTERS", 10)
    one = start()
    await one.say("a" * 8, "b" * 8, "c", "d")
    await one.say(end="completed")
    assert [[row.seq for row in batch.rows] async for batch in one.hub.follow("job_1", "logs")] == [[1, 2], [3, 4]]


@pytest.mark.usefixtures("quick_healing")
async def test_a_follower_waits_out_a_database_that_is_away(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = start(), start(mute=True)
    async with running(one.hub), aclosing(one.hub.follow("job_1", "logs")) as batches:
        await one.say("a")
        assert await take(batches, 1) == ["a"]
        page, away = one.hub.page, iter((True, True))

        async def failing(*args: Any) -> Batch:
            if next(away, False):
                raise OperationalError("SELECT", {}, OSError("gone"))
            return await page(*args)

        monkeypatch.setattr(one.hub, "page", failing)
        await other.say("b")
        assert await take(batches, 1) == ["b"]
        assert next(away, None) is None


async def test_a_page_stops_where_it_is_told(start: Start) -> None:
    one = start()
    await one.say("a", "b", "c")
    pages = [await one.hub.page("job_1", "logs", 0, 2), await one.hub.page("job_1", "logs", 2, 9)]
    assert [([row.seq for row in page.rows], page.more) for page in pages] == [([1, 2], False), ([3], False)]
