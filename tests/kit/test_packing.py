"""Packing and trimming change where the rows of a stream are, and how many; never what they say."""

import asyncio
from typing import Any

import pytest

from burnish.kit import packed, stream
from burnish.kit.db import Database
from tests.kit.test_stream import append, chunks, lines, seqs

pytestmark = pytest.mark.anyio


async def points(db: Database, steps: range, attempt: int = 1) -> list[dict[str, Any]]:
    rows = [{"step": step, "values": {"loss": step / 7}} for step in steps]
    await append(db, "metrics", rows, attempt)
    return rows


async def found(db: Database, kind: str = "metrics", after: int = 0) -> list[dict[str, Any]]:
    async with db.read() as session:
        return [row.data for row in await stream.read(session, "job_1", kind, after=after, limit=100_000)]


async def blocks(db: Database) -> list[tuple[int, int]]:
    async with db.read() as session:
        return [(block.first_seq, block.last_seq) for block in await packed.metas(session, "job_1")]


async def test_metrics_are_packed_while_they_come(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "COMPACT_ROWS", 10)
    rows: list[dict[str, Any]] = []
    for start in range(0, 32, 4):
        rows += await points(database, range(start, start + 4))
        await stream.pack(database, "job_1", "metrics")
        assert await found(database) == rows
    # A block never takes the last row: more of its step may come.
    assert await blocks(database) == [(1, 10), (11, 19), (20, 29)]
    rows += await points(database, range(20, 23), attempt=2)
    await stream.pack(database, "job_1", "metrics")
    assert await blocks(database) == [(1, 10), (11, 19), (20, 29), (30, 32)]
    await stream.pack(database, "job_1", "metrics", ended=True)
    assert (await blocks(database))[4:] == [(33, 35)]
    assert await chunks(database) == 0
    assert await found(database) == rows
    assert await points(database, range(23, 24), attempt=2) == (await found(database, after=35))


async def test_small_chunks_of_metrics_are_merged_before_they_make_a_block(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MERGE_CHUNKS", 5)
    for step in range(5):
        await points(database, range(step, step + 1))
    await stream.pack(database, "job_1", "metrics")
    assert (await chunks(database), await blocks(database)) == (1, [])
    assert [row["step"] for row in await found(database)] == list(range(5))


async def test_many_keys_are_packed_by_their_size(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PACK_BYTES", 100)
    await points(database, range(20))
    await stream.pack(database, "job_1", "metrics")
    assert await blocks(database) == [(1, 19)]
    assert await seqs(database, "metrics") == list(range(1, 21))


async def test_packing_beside_writers_readers_and_itself_loses_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "COMPACT_ROWS", 8)
    monkeypatch.setattr(stream, "MERGE_CHUNKS", 3)

    async def write() -> None:
        for step in range(60):
            await points(database, range(step, step + 1), attempt=1 + step // 25)

    async def pack() -> None:
        for _ in range(20):
            await stream.pack(database, "job_1", "metrics")

    async def follow() -> list[int]:
        seen: list[int] = []
        while len(seen) < 60:
            async with database.read() as session:
                seen += [row.data["step"] for row in await stream.read(session, "job_1", "metrics", after=len(seen), limit=7)]
        return seen

    steps, *_ = await asyncio.gather(follow(), write(), pack(), pack())
    assert steps == list(range(60))
    await stream.pack(database, "job_1", "metrics", ended=True)
    assert [row["step"] for row in await found(database)] == list(range(60))
    assert await seqs(database, "metrics") == list(range(1, 61))


async def test_what_another_packed_meanwhile_is_left_alone(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = await points(database, range(30))
    merge = stream._merge

    def late(*arguments: Any) -> Any:
        monkeypatch.setattr(stream, "_merge", merge)
        asyncio.run_coroutine_threadsafe(stream.pack(database, "job_1", "metrics", ended=True), loop).result(10)
        return merge(*arguments)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(stream, "_merge", late)
    await stream.pack(database, "job_1", "metrics", ended=True)
    assert await blocks(database) == [(1, 30)]
    assert await found(database) == rows


async def test_packing_that_fails_changes_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = await points(database, range(30))

    async def fail(*_: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(packed, "write", fail)
        with pytest.raises(ZeroDivisionError):
            await stream.pack(database, "job_1", "metrics", ended=True)
    assert (await chunks(database), await blocks(database)) == (1, [])
    await stream.pack(database, "job_1", "metrics", ended=True)
    assert await found(database) == rows


@pytest.mark.parametrize("kind", ["logs", "metrics"])
async def test_trimming_takes_the_oldest_chunks_in_pieces(database: Database, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(stream, "COMPACT_ROWS", 4)
    for step in range(0, 20, 2):
        if kind == "logs":
            await append(database, kind, lines(str(step), str(step + 1)))
        else:
            await points(database, range(step, step + 2))
    if kind == "metrics":
        await stream.pack(database, "job_1", kind)
    rows = await found(database, kind)

    async def trim(through: int, most: int) -> tuple[bool, int]:
        async with database.transaction() as session:
            done = await stream.trim(session, "job_1", kind, through=through, most=most)
            return done, await stream.first_seq(session, "job_1", kind)

    step = 2 if kind == "logs" else 4
    assert await trim(1, 10) == (True, 1)
    assert await trim(9, 2) == (False, 1 + 2 * step)
    assert await trim(9, 10) == (True, 9)
    assert await found(database, kind) == rows[8:]
    assert await found(database, kind, after=3) == rows[8:]
    assert await found(database, kind, after=15) == rows[15:]
    assert await trim(stream.MAX_SEQ, 100) == (True, 21)
    assert await found(database, kind) == []
    assert await append(database, kind, lines("new") if kind == "logs" else [{"step": 1, "values": {}}]) == 21
    assert len(await found(database, kind, after=4)) == 1


async def test_a_stream_that_has_lost_nothing_begins_at_one(database: Database) -> None:
    await append(database, "logs", lines("a"))
    async with database.read() as session:
        assert await stream.first_seq(session, "job_1", "logs") == 1
        assert await stream.first_seq(session, "job_1", "events") == 1
