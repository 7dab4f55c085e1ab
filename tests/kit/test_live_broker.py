"""Following streams across processes, through a broker that may go away."""

import asyncio
import signal
from contextlib import aclosing

import pytest

from burnish.kit import live, stream
from tests.kit.conftest import Broker
from tests.kit.live_process import Start, running, subscribed, take, whole

pytestmark = pytest.mark.anyio


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
