"""Looking through a long stream for some of its rows, either way, without decoding what cannot hold one.

Rows are stored as JSON in compressed chunks. A row that is sought has certain words in its JSON, so a chunk that lacks them is
passed over at the price of unpacking it; one of another attempt is not even fetched.
"""

import asyncio
import itertools
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import orjson
import sqlalchemy
from sqlalchemy import Select
from sqlmodel import col, func, select

from burnish.kit.db import Session
from burnish.kit.stream import Row
from burnish.kit.tables import StreamChunk

FETCHED_AT_ONCE = 8
# As they are stored: rows of some kinds can be large.
MOST_BYTES = 16 * 2**20
# Each word is looked for in all of a chunk: a search takes as long as they are many.
LONGEST_SOUGHT = 1_000


@dataclass(frozen=True, slots=True)
class Sought:
    """Which rows are sought. Of each group of `words`, the JSON of a row that `matches` has at least one, whatever its case."""

    matches: Callable[[Row], bool]
    words: tuple[tuple[str, ...], ...] = ()
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found, in the order of the stream. All up to `reached` was looked at, that row too, going the way that was asked;
    `more` where the end was not reached.
    """

    rows: list[Row]
    reached: int
    more: bool


def word(text: str, *, whole: bool = False) -> str:
    """Return what the JSON of a row has where it has this text within a string, or as a `whole` one."""
    # Half of a surrogate pair can be sought and is never stored.
    quoted = orjson.dumps(text.encode(errors="replace").decode()).decode().casefold()
    return quoted if whole else quoted[1:-1]


async def scan(
    session: Session,
    resource_id: str,
    kind: str,
    sought: Sought,
    *,
    after: int,
    before: int,
    limit: int,
    most: int,
    backwards: bool,
) -> Scan:
    """Return the first `limit` rows between `after` and `before` that are sought, or with `backwards` the last.

    Looks at `most` rows or `MOST_BYTES`, and the rest of their chunk. Not for `metrics`, whose rows are packed otherwise.
    """
    span = _Span(after, before, backwards)
    result = await session.stream(_chunks(resource_id, kind, sought.attempt, span).execution_options(yield_per=FETCHED_AT_ONCE))
    found: list[Row] = []
    looked, size, reached, more = 0, 0, before if backwards else after, False
    async for first_seq, last_seq, attempt, payload in result:
        if looked >= most or size >= MOST_BYTES or len(found) == limit:
            more = True
            break
        found += await asyncio.to_thread(_look, payload, first_seq, attempt, sought, span, limit - len(found))
        looked += last_seq - first_seq + 1
        size += len(payload)
        end = max(first_seq, after + 1) if backwards else min(last_seq, before - 1)
        reached = found[-1].seq if len(found) == limit else end
        if reached != end:
            more = True
            break
    await result.close()
    return Scan(found[::-1] if backwards else found, reached, more)


@dataclass(frozen=True, slots=True)
class _Span:
    """The rows between two, neither of them one of these, and which way they are gone through."""

    after: int
    before: int
    backwards: bool


def _chunks(resource_id: str, kind: str, attempt: int | None, span: _Span) -> Select[int, int, int, bytes]:
    within = (col(StreamChunk.resource_id) == resource_id, col(StreamChunk.kind) == kind)
    # Chunks never overlap: the one with the first row is found by the key, however long the stream is.
    start = select(func.max(col(StreamChunk.first_seq))).where(*within, col(StreamChunk.first_seq) <= span.after + 1)
    columns = (col(StreamChunk.first_seq), col(StreamChunk.last_seq), col(StreamChunk.attempt), col(StreamChunk.payload))
    statement = sqlalchemy.select(*columns).where(
        *within,
        col(StreamChunk.first_seq) >= func.coalesce(start.scalar_subquery(), 0),
        col(StreamChunk.first_seq) < span.before,
        col(StreamChunk.last_seq) > span.after,
    )
    if attempt is not None:
        statement = statement.where(col(StreamChunk.attempt) == attempt)
    first = col(StreamChunk.first_seq)
    return statement.order_by(first.desc() if span.backwards else first)


def _look(payload: bytes, first_seq: int, attempt: int, sought: Sought, span: _Span, limit: int) -> list[Row]:
    """Return the first `limit` rows of a chunk that are sought, going the way of the span; takes milliseconds."""
    raw = zlib.decompress(payload)
    if sought.words:
        text = raw.decode().casefold()
        if not all(any(word in text for word in group) for group in sought.words):
            return []
    rows = [Row(seq, attempt, data) for seq, data in enumerate(orjson.loads(raw), first_seq) if span.after < seq < span.before]
    if span.backwards:
        rows.reverse()
    return list(itertools.islice(filter(sought.matches, rows), limit))
