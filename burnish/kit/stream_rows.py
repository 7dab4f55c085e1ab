"""How `burnish.kit.stream` keeps rows: the numbers that heads give out, and what chunks hold."""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from burnish.kit import series
from burnish.kit.db import Session
from burnish.kit.tables import StreamChunk, StreamHead

Data = dict[str, Any]


def _advancing(insert: Any) -> Any:
    """Return the statement that locks heads, making them where there are none, and adds the `last_seq` given to theirs."""
    row = insert(StreamHead)
    added = {"last_seq": col(StreamHead.last_seq) + row.excluded.last_seq}
    statement = row.on_conflict_do_update(index_elements=["resource_id", "kind"], set_=added)
    return statement.returning(col(StreamHead.resource_id), col(StreamHead.last_seq))


# Made once: putting a statement together takes longer than executing it, and events, logs and requests are appended all the time.
_ADVANCE = {"postgresql": _advancing(postgresql.insert), "sqlite": _advancing(sqlite.insert)}
_ADD = insert(StreamChunk)


async def advance(session: Session, kind: str, counts: Mapping[str, int]) -> dict[str, int]:
    """Lock the heads of these resources in this order, making them where there are none, and return the last sequence number of
    each after so many more rows.
    """
    connection = await session.connection()
    rows = [{"resource_id": resource_id, "kind": kind, "last_seq": count} for resource_id, count in counts.items()]
    return {row.resource_id: row.last_seq for row in await connection.execute(_ADVANCE[connection.dialect.name], rows)}


async def add(session: Session, chunks: Sequence[Data]) -> None:
    """Write chunks, given by their columns."""
    await (await session.connection()).execute(_ADD, chunks)


def decode(payload: bytes, *, plain: bool) -> list[Data]:
    rows: list[Data] = orjson.loads(payload if plain else zlib.decompress(payload))
    return rows


def encode(rows: Sequence[Data], *, plain: bool) -> tuple[bytes, bytes]:
    """Return the payload of a chunk, and the JSON of the rows as they will be read from it.

    The `plain` ones of metrics are not compressed: they will be packed soon, and a fast trainer takes this path at each step.
    """
    if plain:
        text = orjson.dumps(series.plain(rows))
        return text, text
    text = _dump(rows)
    return zlib.compress(text, 6), text


def _dump(rows: Sequence[Data]) -> bytes:
    try:
        return orjson.dumps(list(rows))
    except orjson.JSONEncodeError:
        # Half of a surrogate pair or a huge integer in what a user's program said must not cost the line.
        text = json.dumps(list(rows), ensure_ascii=False).encode(errors="replace")
        return orjson.dumps(orjson.loads(text))
