"""Sequenced streams: what a resource has said, in order, for as long as it is kept.

A stream is named by (resource, kind): `events`, `logs`, `metrics` and `rollouts` of a job, `events` and `logs` of a deployment,
`activity` of an account. Its rows carry sequence numbers 1, 2, 3 … without gaps, allocated under the head row's lock in the same
transaction that writes them, so that whoever has read up to a number has missed nothing before it. A cursor is such a number,
never anything of Redis.

Rows are appended as small chunks, which packing merges: those of `metrics` become blocks of columns (`burnish.kit.packed`), all
others larger chunks. Neither their numbers nor anything else of the rows changes by that. Only retention takes rows away, always
the oldest.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
from sqlalchemy import delete, func, update
from sqlmodel import col, select

from burnish.kit import packed, series, stream_rows
from burnish.kit.db import Database, Session
from burnish.kit.tables import StreamChunk, StreamHead

Data = dict[str, Any]
METRICS = "metrics"
COMPACT_ROWS = 4096
COMPACT_BYTES = 2**20
# Of metrics as they wait for being packed: many keys make long rows.
PACK_BYTES = 2**23
# So many small chunks are merged before there are rows enough for a block.
MERGE_CHUNKS = 256
MAX_SEQ = 2**63 - 2
FAR = 2**62


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a stream; `data` has the shape of its kind."""

    seq: int
    attempt: int
    data: Data


@dataclass(frozen=True)
class Frame:
    """An effect: rows that were just committed, as they will be read again: a JSON array, empty where only the end was marked.

    Nobody may follow them here: they are parsed for the first who asks.
    """

    resource_id: str
    kind: str
    first_seq: int
    attempt: int
    json: bytes = b"[]"
    end_reason: str | None = None

    @cached_property
    def rows(self) -> list[Data]:
        found: list[Data] = orjson.loads(self.json)
        return found


async def append(session: Session, resource_id: str, kind: str, rows: Sequence[Data], *, attempt: int = 0) -> int:
    """Append rows and return the sequence number of the last; they are published after the commit."""
    if not rows:
        return await last_seq(session, resource_id, kind)
    return (await append_each(session, kind, {resource_id: rows}, attempt=attempt))[resource_id]


async def append_each(session: Session, kind: str, rows: Mapping[str, Sequence[Data]], *, attempt: int = 0) -> dict[str, int]:
    """Append rows, one or more, to the stream of each resource, and return the sequence number of the last of each; for many as
    few statements as for one. The heads are locked in the order given.
    """
    lasts = await stream_rows.advance(session, kind, {resource_id: len(its) for resource_id, its in rows.items()})
    chunks, frames = [], []
    for resource_id, its in rows.items():
        last = lasts[resource_id]
        first = last - len(its) + 1
        payload, plain = stream_rows.encode(its, plain=kind == METRICS)
        place = {"resource_id": resource_id, "kind": kind, "first_seq": first, "last_seq": last, "attempt": attempt}
        chunks.append({**place, "payload": payload})
        frames.append(Frame(resource_id, kind, first, attempt, plain))
    await stream_rows.add(session, chunks)
    session.effects += frames
    return lasts


async def end(session: Session, resource_id: str, kinds: Sequence[str], reason: str) -> None:
    """Mark streams as ended: their followers leave once they have read everything. The first reason stays."""
    for kind in kinds:
        last = await _lock(session, resource_id, kind)
        marked = await session.exec(
            update(StreamHead)
            .where(col(StreamHead.resource_id) == resource_id, col(StreamHead.kind) == kind, col(StreamHead.end_reason).is_(None))
            .values(end_reason=reason)
            .returning(col(StreamHead.kind))
        )
        if marked.first() is not None:
            session.effects.append(Frame(resource_id, kind, last + 1, 0, end_reason=reason))


async def head(session: Session, resource_id: str, kind: str) -> tuple[int, str | None]:
    """Return the last sequence number (0 for an empty stream) and why the stream ended, if it has."""
    statement = select(StreamHead.last_seq, StreamHead.end_reason).where(
        StreamHead.resource_id == resource_id, StreamHead.kind == kind
    )
    found = (await session.exec(statement)).first()
    return (found[0], found[1]) if found else (0, None)


async def last_seq(session: Session, resource_id: str, kind: str) -> int:
    return (await head(session, resource_id, kind))[0]


async def first_seq(session: Session, resource_id: str, kind: str) -> int:
    """Return the number of the first row that is kept; 1 where nothing has been taken away."""
    found = await session.exec(select(StreamHead.first_seq).where(StreamHead.resource_id == resource_id, StreamHead.kind == kind))
    return found.first() or 1


async def read(session: Session, resource_id: str, kind: str, *, after: int = 0, limit: int = 1000) -> list[Row]:
    """Return up to `limit` rows that follow the cursor `after`; the first ones kept where those are gone."""
    after = min(after, MAX_SEQ)
    if kind != METRICS:
        return await _chunked(session, resource_id, kind, after, limit)
    rows: list[Row] = []
    while len(rows) < limit:
        more = await _next_metrics(session, resource_id, rows[-1].seq if rows else after, limit - len(rows))
        if not more:
            break
        rows += more
    return rows


async def _chunked(session: Session, resource_id: str, kind: str, after: int, limit: int) -> list[Row]:
    within = (col(StreamChunk.resource_id) == resource_id, col(StreamChunk.kind) == kind)
    # Chunks never overlap: the one with the next row is found by the key, however long the stream is.
    first = col(StreamChunk.first_seq)
    start = select(func.max(first)).where(*within, first <= after + 1).scalar_subquery()
    statement = (
        select(StreamChunk).where(*within, first >= func.coalesce(start, 0), col(StreamChunk.last_seq) > after).order_by(first)
    )
    if limit < FAR - after:
        # Nor is more fetched than these rows can be in, counted from where they go on at the latest.
        following = select(func.min(first)).where(*within, first > after).scalar_subquery()
        statement = statement.where(first <= func.coalesce(following, after) + limit)
    rows: list[Row] = []
    result = await session.stream_scalars(statement.execution_options(yield_per=64))
    async for chunk in result:
        rows += decode(chunk, after=after, limit=limit)
        if len(rows) >= limit:
            break
    await result.close()
    return rows[:limit]


async def waiting(session: Session, resource_id: str) -> list[Row]:
    """Return the rows of `metrics` that are not packed yet."""
    return await _chunked(session, resource_id, METRICS, 0, MAX_SEQ)


async def _next_metrics(session: Session, resource_id: str, after: int, limit: int) -> list[Row]:
    """Return rows from one block or from the chunks, whichever holds the next row."""
    rows = await _chunked(session, resource_id, METRICS, after, limit)
    before = rows[0].seq if rows else None
    if before is not None and before <= after + 1:
        return _unbroken(rows)
    block = await packed.following(session, resource_id, after, before)
    if block is None:
        return _unbroken(rows)
    start = max(0, after + 1 - block.first_seq)
    table = (await packed.tables(session, resource_id, [block])).get(block.first_seq)
    if table is None:
        # Deleted in this moment: what follows is not.
        return await _next_metrics(session, resource_id, block.last_seq, limit)
    first = block.first_seq + start
    found = series.rows(table.take(slice(start, start + limit)))
    return [Row(first + index, block.attempt, data) for index, data in enumerate(found)]


def _unbroken(rows: list[Row]) -> list[Row]:
    """Return the rows up to the first gap: what is missing there has been packed while they were read."""
    return [row for index, row in enumerate(rows) if row.seq == rows[0].seq + index]


async def read_all(
    session: Session, resource_id: str, kind: str, *, after: int = 0, page: int = 1000
) -> AsyncIterator[list[Row]]:
    """Yield every row after the cursor, a page at a time."""
    while rows := await read(session, resource_id, kind, after=after, limit=page):
        yield rows
        after = rows[-1].seq


async def tail(session: Session, resource_id: str, kind: str, count: int) -> list[Row]:
    """Return the last `count` rows."""
    last = await last_seq(session, resource_id, kind)
    return await read(session, resource_id, kind, after=max(0, last - count), limit=count)


async def pack(db: Database, resource_id: str, kind: str, *, ended: bool = False) -> None:
    """Merge runs of small chunks of one attempt, up to 4,096 rows or 1 MiB each, or make blocks of them.

    In short transactions, beside whoever appends or packs, too; unless the stream has `ended`, metrics that may still grow are
    left.
    """
    while True:
        async with db.read() as session:
            run = _due(kind, await _pieces(session, resource_id, kind), ended=ended)
            payloads = await _payloads(session, resource_id, kind, run) if run else []
        if not run:
            return
        made = await asyncio.to_thread(_merge, kind, run, payloads)
        async with db.transaction() as session:
            await _lock(session, resource_id, kind)
            # Another may have packed the same meanwhile; then there is nothing left to do here.
            if run.pieces == await _pieces(session, resource_id, kind, run):
                await _replace(session, resource_id, kind, run, made)


async def trim(session: Session, resource_id: str, kind: str, *, through: int = MAX_SEQ, most: int = 500) -> bool:
    """Delete the rows up to and including `through`, as far as whole chunks go and at most so many of them; True once all of
    these are gone.
    """
    await _lock(session, resource_id, kind)
    within = (col(StreamChunk.resource_id) == resource_id, col(StreamChunk.kind) == kind)
    last = 0
    if kind == METRICS:
        blocks = [block for block in await packed.metas(session, resource_id) if block.last_seq <= through][:most]
        await packed.remove(session, resource_id, [block.first_seq for block in blocks])
        last = max((block.last_seq for block in blocks), default=0)
        most -= len(blocks)
    ends = select(StreamChunk.last_seq).where(*within, col(StreamChunk.last_seq) <= through).order_by(col(StreamChunk.first_seq))
    found = (await session.exec(ends.limit(most))).all()
    if found:
        await session.exec(delete(StreamChunk).where(*within, col(StreamChunk.last_seq) <= found[-1]))
    last = max(last, *found, 0)
    if last:
        its = (col(StreamHead.resource_id) == resource_id, col(StreamHead.kind) == kind)
        await session.exec(update(StreamHead).where(*its).values(first_seq=last + 1))
    return len(found) < most


async def remove(session: Session, resource_id: str) -> None:
    """Delete all streams of a resource."""
    await packed.remove(session, resource_id)
    await session.exec(delete(StreamChunk).where(col(StreamChunk.resource_id) == resource_id))
    await session.exec(delete(StreamHead).where(col(StreamHead.resource_id) == resource_id))


def decode(chunk: StreamChunk, *, after: int = 0, limit: int = MAX_SEQ) -> list[Row]:
    """Return up to `limit` rows of a chunk that follow the cursor."""
    skipped = max(0, after + 1 - chunk.first_seq)
    items = stream_rows.decode(chunk.payload, plain=chunk.kind == METRICS)[skipped : skipped + limit]
    return [Row(seq, chunk.attempt, item) for seq, item in enumerate(items, chunk.first_seq + skipped)]


async def _lock(session: Session, resource_id: str, kind: str) -> int:
    """Lock the stream's head, making it where there is none, and return its last sequence number."""
    return (await stream_rows.advance(session, kind, {resource_id: 0}))[resource_id]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A chunk without its payload."""

    first_seq: int
    last_seq: int
    attempt: int
    size: int


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring chunks of one attempt that are to be merged. `whole` where the last rows are to be packed, too."""

    pieces: list[_Piece]
    whole: bool

    @property
    def first_seq(self) -> int:
        return self.pieces[0].first_seq

    @property
    def last_seq(self) -> int:
        return self.pieces[-1].last_seq

    @property
    def count(self) -> int:
        return self.last_seq - self.first_seq + 1

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class _Merged:
    """What a run becomes: blocks with the number of their rows, then a chunk of what is left."""

    blocks: list[tuple[int, series.Block]]
    payload: bytes | None


async def _pieces(session: Session, resource_id: str, kind: str, within: _Run | None = None) -> list[_Piece]:
    size = func.length(col(StreamChunk.payload))
    statement = select(StreamChunk.first_seq, StreamChunk.last_seq, StreamChunk.attempt, size)
    statement = statement.where(StreamChunk.resource_id == resource_id, StreamChunk.kind == kind)
    if within is not None:
        statement = statement.where(col(StreamChunk.first_seq).between(within.first_seq, within.last_seq))
    return [_Piece(*row) for row in await session.exec(statement.order_by(col(StreamChunk.first_seq)))]


def _due(kind: str, pieces: list[_Piece], *, ended: bool) -> _Run | None:
    """Return the first run that is worth merging."""
    runs: list[list[_Piece]] = []
    size = 0
    for piece in pieces:
        if runs and _fits(kind, runs[-1], size, piece):
            runs[-1].append(piece)
            size += piece.size
        else:
            runs.append([piece])
            size = piece.size
    for found, following in itertools.zip_longest(runs, runs[1:]):
        run = _Run(found, ended if following is None else found[0].attempt != following[0].attempt)
        if kind != METRICS:
            worth = len(found) > 1
        else:
            worth = run.whole or run.count >= COMPACT_ROWS or run.size >= PACK_BYTES or len(found) >= MERGE_CHUNKS
        if worth:
            return run
    return None


def _fits(kind: str, run: list[_Piece], size: int, piece: _Piece) -> bool:
    if run[0].attempt != piece.attempt:
        return False
    if kind == METRICS:
        return run[-1].last_seq - run[0].first_seq < 2 * COMPACT_ROWS and size < PACK_BYTES
    return piece.last_seq - run[0].first_seq < COMPACT_ROWS and size + piece.size <= COMPACT_BYTES


async def _payloads(session: Session, resource_id: str, kind: str, run: _Run) -> list[bytes]:
    statement = select(StreamChunk.payload).where(
        StreamChunk.resource_id == resource_id,
        StreamChunk.kind == kind,
        col(StreamChunk.first_seq).between(run.first_seq, run.last_seq),
    )
    return list((await session.exec(statement.order_by(col(StreamChunk.first_seq)))).all())


def _merge(kind: str, run: _Run, payloads: list[bytes]) -> _Merged:
    """Return what the run becomes; takes a while for a long one, so call it from a thread."""
    rows = [row for payload in payloads for row in stream_rows.decode(payload, plain=kind == METRICS)]
    if kind != METRICS:
        return _Merged([], stream_rows.encode(rows, plain=False)[0])
    blocks: list[tuple[int, series.Block]] = []
    steps = [row["step"] for row in rows]
    is_large, done = run.size >= PACK_BYTES, 0
    while len(rows) - done >= COMPACT_ROWS or (is_large and not blocks) or (run.whole and done < len(rows)):
        left = len(rows) - done
        count = left if run.whole and left < COMPACT_ROWS else series.cut(steps[done : done + COMPACT_ROWS + 1], COMPACT_ROWS)
        blocks.append((count, series.encode(series.table(rows[done : done + count]))))
        done += count
    return _Merged(blocks, orjson.dumps(rows[done:]) if done < len(rows) else None)


async def _replace(session: Session, resource_id: str, kind: str, run: _Run, made: _Merged) -> None:
    within = (col(StreamChunk.resource_id) == resource_id, col(StreamChunk.kind) == kind)
    await session.exec(delete(StreamChunk).where(*within, col(StreamChunk.first_seq).between(run.first_seq, run.last_seq)))
    first, attempt = run.first_seq, run.pieces[0].attempt
    for count, block in made.blocks:
        await packed.write(session, resource_id, first, count, attempt, block)
        first += count
    if made.payload is not None:
        named: dict[str, Any] = {"resource_id": resource_id, "kind": kind, "attempt": attempt}
        session.add(StreamChunk(**named, first_seq=first, last_seq=run.last_seq, payload=made.payload))
    await session.flush()
