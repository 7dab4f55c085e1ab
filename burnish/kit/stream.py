"""Sequenced streams: what a resource has said, in order, for as long as it is kept.

A stream is named by (resource, kind): `events`, `logs`, `metrics` and `rollouts` of a job, `events` and `logs` of a deployment,
`activity` of an account. Its rows carry sequence numbers 1, 2, 3 … without gaps, allocated under the head row's lock in the same
transaction that writes them, so that whoever has read up to a number has missed nothing before it. A cursor is such a number,
never anything of Redis.
"""

import json
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import delete, func, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select

from burnish.kit import series
from burnish.kit.db import Session
from burnish.kit.tables import StreamChunk, StreamHead

Data = dict[str, Any]
COMPACT_ROWS = 4096
COMPACT_BYTES = 2**20
MAX_SEQ = 2**63 - 2


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a stream; `data` has the shape of its kind."""

    seq: int
    attempt: int
    data: Data


@dataclass(frozen=True, slots=True)
class Frame:
    """An effect: rows that were just committed, as they will be read again. `rows` is empty where only the end was marked."""

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
    payload, plain = _encode(kind, rows)
    session.add(StreamChunk(resource_id=resource_id, kind=kind, first_seq=first, last_seq=last, attempt=attempt, payload=payload))
    session.effects.append(Frame(resource_id, kind, first, attempt, tuple(plain)))
    return last


async def end(session: Session, resource_id: str, kinds: Sequence[str], reason: str) -> None:
    """Mark streams as ended: their followers leave once they have read everything. The first reason stays."""
    for kind in kinds:
        last = await _advance(session, resource_id, kind, 0)
        marked = await session.exec(
            update(StreamHead)
            .where(col(StreamHead.resource_id) == resource_id, col(StreamHead.kind) == kind, col(StreamHead.end_reason).is_(None))
            .values(end_reason=reason)
            .returning(col(StreamHead.kind))
        )
        if marked.first() is not None:
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
    after = min(after, MAX_SEQ)
    within = (col(StreamChunk.resource_id) == resource_id, col(StreamChunk.kind) == kind)
    # Chunks never overlap: the one with the next row is found by the key, however long the stream is.
    start = select(func.max(col(StreamChunk.first_seq))).where(*within, col(StreamChunk.first_seq) <= after + 1).scalar_subquery()
    statement = (
        select(StreamChunk)
        .where(*within, col(StreamChunk.first_seq) >= func.coalesce(start, 0), col(StreamChunk.last_seq) > after)
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
    """Merge runs of small chunks of one attempt, up to 4,096 rows or 1 MiB each; return how many chunks are left."""
    # Under the head's lock: no append and no other compaction can come between the reading and the writing.
    await _advance(session, resource_id, kind, 0)
    within = (col(StreamChunk.resource_id) == resource_id, col(StreamChunk.kind) == kind)
    columns = (StreamChunk.first_seq, StreamChunk.last_seq, StreamChunk.attempt, func.length(col(StreamChunk.payload)))
    chunks = (await session.exec(select(*columns).where(*within).order_by(col(StreamChunk.first_seq)))).all()
    runs: list[list[tuple[int, int, int, int]]] = []
    for chunk in chunks:
        if runs and _fits(runs[-1], chunk):
            runs[-1].append(chunk)
        else:
            runs.append([chunk])
    for run in runs:
        if len(run) > 1:
            await _merge(session, resource_id, kind, run[0][0], run[-1][1])
    return len(runs)


async def remove(session: Session, resource_id: str) -> None:
    """Delete all streams of a resource."""
    await session.exec(delete(StreamChunk).where(col(StreamChunk.resource_id) == resource_id))
    await session.exec(delete(StreamHead).where(col(StreamHead.resource_id) == resource_id))


def decode(chunk: StreamChunk) -> list[Row]:
    return [Row(chunk.first_seq + index, chunk.attempt, item) for index, item in enumerate(_decode(chunk.kind, chunk.payload))]


def _decode(kind: str, payload: bytes) -> list[Data]:
    if kind == "metrics":
        return series.decode(payload)
    rows: list[Data] = orjson.loads(zlib.decompress(payload))
    return rows


def _encode(kind: str, rows: Sequence[Data]) -> tuple[bytes, list[Data]]:
    """Return the payload of a chunk, and the rows as they will be read from it."""
    if kind == "metrics":
        payload = series.encode(rows)
        return payload, series.decode(payload)
    raw = _dump(rows)
    return zlib.compress(raw, 6), orjson.loads(raw)


def _dump(rows: Sequence[Data]) -> bytes:
    try:
        return orjson.dumps(list(rows))
    except orjson.JSONEncodeError:
        # Half of a surrogate pair or a huge integer in what a user's program said must not cost the line.
        return json.dumps(list(rows), ensure_ascii=False).encode(errors="replace")


async def _advance(session: Session, resource_id: str, kind: str, count: int) -> int:
    """Lock the stream's head, making it where there is none, and return its last sequence number after `count` more rows."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = insert(StreamHead).values(resource_id=resource_id, kind=kind, last_seq=count)
    statement = row.on_conflict_do_update(
        index_elements=["resource_id", "kind"], set_={"last_seq": col(StreamHead.last_seq) + row.excluded.last_seq}
    )
    return int((await session.exec(statement.returning(col(StreamHead.last_seq)))).scalar_one())


def _fits(run: list[tuple[int, int, int, int]], chunk: tuple[int, int, int, int]) -> bool:
    same_attempt = run[0][2] == chunk[2]
    size = chunk[3] + sum(length for _, _, _, length in run)
    return same_attempt and chunk[1] - run[0][0] < COMPACT_ROWS and size <= COMPACT_BYTES


async def _merge(session: Session, resource_id: str, kind: str, first_seq: int, last_seq: int) -> None:
    within = (col(StreamChunk.resource_id) == resource_id, col(StreamChunk.kind) == kind)
    run = (*within, col(StreamChunk.first_seq) >= first_seq, col(StreamChunk.last_seq) <= last_seq)
    payloads = (await session.exec(select(StreamChunk.payload).where(*run).order_by(col(StreamChunk.first_seq)))).all()
    payload, _ = _encode(kind, [row for part in payloads for row in _decode(kind, part)])
    await session.exec(delete(StreamChunk).where(*run, col(StreamChunk.first_seq) > first_seq))
    whole = update(StreamChunk).where(*within, col(StreamChunk.first_seq) == first_seq)
    await session.exec(whole.values(last_seq=last_seq, payload=payload))
