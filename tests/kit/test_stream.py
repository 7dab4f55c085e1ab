import asyncio
import json
import random
from typing import Any

import pytest
from sqlmodel import select

from burnish.kit import stream
from burnish.kit.db import Database, Session
from burnish.kit.stream import Frame
from burnish.kit.tables import StreamChunk, StreamHead

pytestmark = pytest.mark.anyio


def lines(*texts: str) -> list[dict[str, Any]]:
    return [{"message": text} for text in texts]


async def append(db: Database, kind: str, rows: list[dict[str, Any]], attempt: int = 1) -> int:
    async with db.transaction() as session:
        return await stream.append(session, "job_1", kind, rows, attempt=attempt)


async def texts(db: Database, after: int = 0, limit: int = 1000) -> list[str]:
    async with db.read() as session:
        return [row.data["message"] for row in await stream.read(session, "job_1", "logs", after=after, limit=limit)]


async def seqs(db: Database, kind: str = "logs") -> list[int]:
    async with db.read() as session:
        return [row.seq for row in await stream.read(session, "job_1", kind, limit=100_000)]


async def chunks(db: Database) -> int:
    async with db.read() as session:
        return len((await session.exec(select(StreamChunk.first_seq))).all())


async def test_rows_are_numbered_from_one_across_appends(database: Database) -> None:
    assert await append(database, "logs", lines("a", "b")) == 2
    assert await append(database, "logs", lines("c"), attempt=2) == 3
    async with database.read() as session:
        rows = await stream.read(session, "job_1", "logs")
    assert [(row.seq, row.attempt, row.data["message"]) for row in rows] == [(1, 1, "a"), (2, 1, "b"), (3, 2, "c")]


async def test_appending_nothing_writes_nothing(database: Database) -> None:
    assert await append(database, "logs", []) == 0
    async with database.read() as session:
        assert (await session.exec(select(StreamHead))).all() == []


async def test_streams_are_apart_by_resource_and_kind(database: Database) -> None:
    await append(database, "logs", lines("a"))
    async with database.transaction() as session:
        assert await stream.append(session, "job_2", "logs", lines("b")) == 1
        assert await stream.append(session, "job_1", "events", lines("c")) == 1
    assert await texts(database) == ["a"]


async def append_to(session: Session) -> int:
    await stream.append(session, "job_1", "logs", lines("lost"))
    return 0


async def test_a_rolled_back_append_leaves_no_gap(database: Database) -> None:
    await append(database, "logs", lines("a"))
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            await stream.append(session, "job_1", "logs", lines(str(1 // await append_to(session))))
    assert await append(database, "logs", lines("b")) == 2
    assert await texts(database) == ["a", "b"]


async def test_parallel_appends_leave_no_gap_and_lose_nothing(database: Database) -> None:
    async def write(writer: int) -> None:
        for index in range(5):
            await append(database, "logs", lines(*(f"{writer}-{index}-{row}" for row in range(writer % 3 + 1))))

    await asyncio.gather(*(write(writer) for writer in range(20)))
    wanted = {f"{writer}-{index}-{row}" for writer in range(20) for index in range(5) for row in range(writer % 3 + 1)}
    found = await texts(database)
    assert set(found) == wanted
    assert len(found) == len(wanted)
    assert await seqs(database) == list(range(1, len(wanted) + 1))


async def test_a_reader_beside_writers_never_sees_a_row_before_an_earlier_one(database: Database) -> None:
    writers = asyncio.gather(*(append(database, "logs", lines("x")) for _ in range(60)))
    seen: list[int] = []
    while len(seen) < 60:
        async with database.read() as session:
            rows = await stream.read(session, "job_1", "logs", after=seen[-1] if seen else 0)
        seen += [row.seq for row in rows]
    await writers
    assert seen == list(range(1, 61))


async def test_reading_starts_after_the_cursor_and_stops_at_the_limit(database: Database) -> None:
    for start in range(0, 40, 4):
        await append(database, "logs", lines(*map(str, range(start, start + 4))))
    for after in range(42):
        for limit in (1, 3, 4, 5, 100):
            assert await texts(database, after, limit) == [str(number) for number in range(after, 40)][:limit]


@pytest.mark.parametrize("after", [2**63 - 1, 2**63, 10**40])
async def test_a_cursor_past_everything_reads_nothing(database: Database, after: int) -> None:
    await append(database, "logs", lines("a"))
    assert await texts(database, after) == []


async def test_a_cursor_before_everything_reads_it_all(database: Database) -> None:
    await append(database, "logs", lines("a"))
    assert await texts(database, -5) == ["a"]


async def test_rows_of_many_resources_are_appended_as_those_of_one(database: Database) -> None:
    await append(database, "logs", lines("a"))
    async with database.transaction() as session:
        lasts = await stream.append_each(session, "logs", {"job_2": lines("b", "c"), "job_1": lines("d")}, attempt=2)
        frames = list(session.effects)
    assert lasts == {"job_2": 2, "job_1": 2}
    assert frames == [
        Frame("job_2", "logs", 1, 2, b'[{"message":"b"},{"message":"c"}]'),
        Frame("job_1", "logs", 2, 2, b'[{"message":"d"}]'),
    ]
    async with database.read() as session:
        rows = [(row.seq, row.attempt, row.data["message"]) for row in await stream.read(session, "job_1", "logs")]
        assert rows == [(1, 1, "a"), (2, 2, "d")]
        assert [row.data["message"] for row in await stream.read(session, "job_2", "logs")] == ["b", "c"]


async def test_the_tail_is_the_last_rows_whatever_the_chunks(database: Database) -> None:
    await append(database, "logs", lines("a", "b", "c"))
    await append(database, "logs", lines("d", "e"))
    async with database.read() as session:
        for count, wanted in [(0, []), (1, ["e"]), (3, ["c", "d", "e"]), (99, ["a", "b", "c", "d", "e"])]:
            assert [row.data["message"] for row in await stream.tail(session, "job_1", "logs", count)] == wanted


async def test_all_pages_together_are_the_stream(database: Database) -> None:
    for number in range(7):
        await append(database, "logs", lines(str(number), "and"))
    async with database.read() as session:
        pages = [[row.seq for row in page] async for page in stream.read_all(session, "job_1", "logs", after=1, page=4)]
    assert pages == [[2, 3, 4, 5], [6, 7, 8, 9], [10, 11, 12, 13], [14]]


async def test_the_first_end_stays(database: Database) -> None:
    await append(database, "logs", lines("a"))
    frames: list[object] = []
    for reason in ("cancelled", "failed"):
        async with database.transaction() as session:
            await stream.end(session, "job_1", ("logs", "metrics"), reason)
            frames += session.effects
    async with database.read() as session:
        assert await stream.head(session, "job_1", "logs") == (1, "cancelled")
        assert await stream.head(session, "job_1", "metrics") == (0, "cancelled")
        assert await stream.head(session, "job_1", "events") == (0, None)
    assert frames == [Frame("job_1", "logs", 2, 0, b"[]", "cancelled"), Frame("job_1", "metrics", 1, 0, b"[]", "cancelled")]


async def test_a_frame_holds_the_rows_as_they_are_read_again(database: Database) -> None:
    nan = float("nan")
    said = {
        "metrics": [{"step": 1, "values": {"a": nan, "b": None, "c": 3}}],
        "logs": [{"message": "half \ud800 pair", "big": 10**30}, {"message": nan, "pair": (1, 2)}],
    }
    frames: list[Any] = []
    for kind, rows in said.items():
        async with database.transaction() as session:
            await stream.append(session, "job_1", kind, rows[:1])
            await stream.append(session, "job_1", kind, rows[1:])
            frames += session.effects
    for kind in said:
        async with database.read() as session:
            stored = [row.data for row in await stream.read(session, "job_1", kind)]
        live = [row for frame in frames if frame.kind == kind for row in frame.rows]
        assert live == stored
        json.dumps(live, allow_nan=False).encode()
    assert [frame.rows[0] for frame in frames if frame.kind == "metrics"] == [{"step": 1, "values": {"c": 3.0}}]


async def test_metrics_are_rows_like_any_other(database: Database) -> None:
    rows = [{"step": step, "values": {"loss": step / 7}} for step in range(30)]
    for start in range(0, 30, 3):
        await append(database, "metrics", rows[start : start + 3])
    async with database.read() as session:
        assert [row.data for row in await stream.read(session, "job_1", "metrics", after=10, limit=5)] == rows[10:15]


async def test_compaction_changes_the_chunks_and_not_a_row(database: Database) -> None:
    rng = random.Random(4)
    number = 0
    for attempt in (1, 2, 3):
        for _ in range(12):
            count = rng.randint(1, 5)
            await append(database, "logs", lines(*(str(number + index) for index in range(count))), attempt)
            number += count
    async with database.read() as session:
        before = await stream.read(session, "job_1", "logs")
    await stream.pack(database, "job_1", "logs")
    assert await chunks(database) == 3
    async with database.read() as session:
        assert await stream.read(session, "job_1", "logs") == before
        assert await stream.read(session, "job_1", "logs", after=17, limit=9) == before[17:26]
    assert await append(database, "logs", lines("later"), 3) == number + 1


async def test_compacted_chunks_stay_within_their_bounds(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "COMPACT_ROWS", 10)
    for number in range(25):
        await append(database, "logs", lines(str(number)))
    await stream.pack(database, "job_1", "logs")
    assert await chunks(database) == 3
    monkeypatch.setattr(stream, "COMPACT_BYTES", 1)
    await stream.pack(database, "job_1", "logs")
    assert await chunks(database) == 3
    assert await texts(database) == [str(number) for number in range(25)]


async def test_compaction_beside_writers_readers_and_itself_loses_nothing(database: Database) -> None:
    async def write() -> None:
        for number in range(40):
            await append(database, "logs", lines(str(number)))

    async def compact() -> None:
        for _ in range(8):
            await stream.pack(database, "job_1", "logs")

    async def follow() -> list[str]:
        found: list[str] = []
        while len(found) < 40:
            found += await texts(database, len(found))
        return found

    followed = await asyncio.gather(follow(), write(), compact(), compact())
    assert followed[0] == [str(number) for number in range(40)]
    assert await texts(database) == followed[0]
    assert await seqs(database) == list(range(1, 41))


async def test_removing_a_resource_leaves_the_others(database: Database) -> None:
    await append(database, "logs", lines("a"))
    async with database.transaction() as session:
        await stream.append(session, "job_2", "logs", lines("b"))
        await stream.remove(session, "job_1")
    async with database.read() as session:
        assert await stream.read(session, "job_1", "logs") == []
        assert await stream.last_seq(session, "job_1", "logs") == 0
        assert [row.seq for row in await stream.read(session, "job_2", "logs")] == [1]
