"""Sequenced streams: what a resource has said, in order, for as long as it is kept.

A stream is named by (resource, kind): `events`, `logs`, `metrics` and `rollouts` of a job, `events` and `logs` of a deployment,
`activity` of an
account. Its rows carry sequence numbers 1, 2, 3 … without gaps, allocated under the head row's lock in the same transaction that
writes them, so that whoever has read up to a number has missed nothing before it. A cursor is such a number, never anything of
Redis.
"""

import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import delete, update
from sqlmodel import col, select

from burnish.kit import series
from burnish.kit.db import Session
from burnish.kit.tables import StreamChunk, StreamHead

Data = dict[str, Any]
COMPACT_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a stream; `data` has the shape of its kind."""

    seq: int
    attempt: int
    data: Data


@dataclass(frozen=True, slots=True)
class Frame:
    """An effect: rows that were just committed, for those who follow. `rows` is empty where only the end was marked."""

    resource_id: str
    kind: str
    first_seq: int
    attempt: int
    rows: tuple[Data, ...]
    end_reason: str | None = None


async def append(session: Session, resource_id: str, kind: str, rows: Sequence[Data], *, attempt: int = 0) -> int:
    """Append rows and return the sequence number of the last; they are published after the commit."""
    if not rows:
        return await last_seq(session, resource_id, kind)
    last = await _advance(session, resource_id, kind, len(rows))
    first = last - len(rows) + 1
    chunk = StreamChunk(
        resource_id=resource_id, kind=kind, first_seq=first, last_seq=last, attempt=attempt, payload=_encode(kind, rows)
    )
    session.add(chunk)
    session.effects.append(Frame(resource_id, kind, first, attempt, tuple(rows)))
    return last


async def end(session: Session, resource_id: str, kinds: Sequence[str], reason: str) -> None:
    """Mark streams as ended: their followers leave once they have read everything. The first reason stays."""
    for kind in kinds:
        last = await _advance(session, resource_id, kind, 0)
        await session.exec(
            update(StreamHead)
            .where(col(StreamHead.resource_id) == resource_id, col(StreamHead.kind) == kind, col(StreamHead.end_reason).is_(None))
            .values(end_reason=reason)
        )
        session.effects.append(Frame(resource_id, kind, last + 1, 0, (), reason))


async def head(session: Session, resource_id: str, kind: str) -> tuple[int, str | None]:
    """Return the last sequence number (0 for an empty stream) and why the stream ended, if it has."""
    statement = select(StreamHead.last_seq, StreamHead.end_reason).where(
        StreamHead.resource_id == resource_id, StreamHead.kind == kind
    )
    found = (await session.exec(statement)).first()
    return (found[0], found[1]) if found else (0, None)


async def last_seq(session: Session, resource_id: str, kind: str) -> int:
    return (await head(session, resource_id, kind))[0]


async def read(session: Session, resource_id: str, kind: str, *, after: int = 0, limit: int = 1000) -> list[Row]:
    """Return up to `limit` rows that follow the cursor `after`."""
    statement = (
        select(StreamChunk)
        .where(StreamChunk.resource_id == resource_id, StreamChunk.kind == kind, col(StreamChunk.last_seq) > after)
        .order_by(col(StreamChunk.first_seq))
    )
    rows: list[Row] = []
    result = await session.stream_scalars(statement.execution_options(yield_per=64))
    async for chunk in result:
        rows.extend(row for row in decode(chunk) if row.seq > after)
        if len(rows) >= limit:
            break
    await result.close()
    return rows[:limit]


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


async def compact(session: Session, resource_id: str, kind: str) -> int:
    """Merge runs of small chunks of one attempt into chunks of up to 4,096 rows; return how many chunks are left."""
    statement = (
        select(StreamChunk)
        .where(StreamChunk.resource_id == resource_id, StreamChunk.kind == kind)
        .order_by(col(StreamChunk.first_seq))
    )
    chunks = list((await session.exec(statement)).all())
    runs: list[list[StreamChunk]] = []
    for chunk in chunks:
        run = runs[-1] if runs else None
        if run and run[0].attempt == chunk.attempt and chunk.last_seq - run[0].first_seq < COMPACT_ROWS:
            run.append(chunk)
        else:
            runs.append([chunk])
    for run in runs:
        if len(run) > 1:
            await _merge(session, run)
    return len(runs)


async def remove(session: Session, resource_id: str) -> None:
    """Delete all streams of a resource."""
    await session.exec(delete(StreamChunk).where(col(StreamChunk.resource_id) == resource_id))
    await session.exec(delete(StreamHead).where(col(StreamHead.resource_id) == resource_id))


def decode(chunk: StreamChunk) -> list[Row]:
    data = series.decode(chunk.payload) if chunk.kind == "metrics" else orjson.loads(zlib.decompress(chunk.payload))
    return [Row(chunk.first_seq + index, chunk.attempt, item) for index, item in enumerate(data)]


def _encode(kind: str, rows: Sequence[Data]) -> bytes:
    return series.encode(rows) if kind == "metrics" else zlib.compress(orjson.dumps(list(rows)), 6)


async def _advance(session: Session, resource_id: str, kind: str, count: int) -> int:
    statement = (
        update(StreamHead)
        .where(col(StreamHead.resource_id) == resource_id, col(StreamHead.kind) == kind)
        .values(last_seq=StreamHead.last_seq + count)
        .returning(col(StreamHead.last_seq))
    )
    last = (await session.exec(statement)).scalar_one_or_none()
    if last is not None:
        return int(last)
    # The first rows of a stream are written with the resource itself, so that two writers never meet here; should they, the
    # primary key
    # refuses the second transaction as a whole.
    session.add(StreamHead(resource_id=resource_id, kind=kind, last_seq=count))
    await session.flush()
    return count


async def _merge(session: Session, run: list[StreamChunk]) -> None:
    rows = [row.data for chunk in run for row in decode(chunk)]
    first, rest = run[0], run[1:]
    for chunk in rest:
        await session.delete(chunk)
    await session.flush()
    first.last_seq = rest[-1].last_seq
    first.payload = _encode(first.kind, rows)
    session.add(first)
