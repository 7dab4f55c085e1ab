import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from burnish.kit import live, stream
from burnish.kit.live import Batch
from burnish.kit.tables import StreamHead
from tests.kit.live_process import Start, running, take, until, whole

pytestmark = pytest.mark.anyio


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


async def test_the_heads_of_thousands_of_streams_are_read(start: Start) -> None:
    one = start()
    async with one.db.transaction() as session:
        session.add_all([StreamHead(resource_id=f"job_{number}", kind="logs", last_seq=number) for number in range(3000)])
    heads = await one.hub._heads([(f"job_{number}", "logs") for number in range(3500)])
    assert heads == {(f"job_{number}", "logs"): (number, None) for number in range(3000)}


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
