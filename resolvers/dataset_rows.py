"""The rows of a dataset, from anywhere in it, without reading what comes before.

A row is a line of the stored JSONL; its number counts from 0, as the trainer counts it. Beside a large file a sparse index is
kept, made when its rows are first asked for: where after each 256 KiB a line begins. A page reads from there on.
"""

import asyncio
from array import array
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from burnish.kit.errors import InvalidState
from burnish.kit.storage import Storage
from models.dataset import Dataset
from resolvers import datasets
from resolvers.context import Context
from resolvers.keeping import kept

STRIDE = 256 * 2**10
# A page ends where its rows have so many bytes, however few they are.
PAGE_BYTES = 4 * 2**20
SEARCHED_BYTES = 16 * 2**20
# A longer row is shown by its beginning only.
LONGEST_BYTES = 256 * 2**10
PREVIEW_CHARACTERS = 2000
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One row; `data` is None where it is longer than can be shown."""

    number: int
    size_bytes: int
    data: Any
    preview: str


@dataclass(frozen=True, slots=True)
class RowPage:
    """Rows in their order. All rows before the one numbered `reached` were looked at; `more` where others follow."""

    rows: list[DatasetRow]
    reached: int
    more: bool


async def page(ctx: Context, dataset_id: str, *, start: int = 0, limit: int = 20, search: str | None = None) -> RowPage:
    """Return rows from the one numbered `start` on, those that contain `search`, whatever its case.

    A request looks at about 16 MiB. InvalidState where the dataset has not been read, Unavailable while a large one is indexed.
    """
    row = await datasets.get(ctx, dataset_id)
    if row.storage_key is None:
        raise InvalidState("The dataset has not been read yet: its first job reads it.", hint="Validate the source for a look.")
    line, offset = await _nearest(ctx, row, start)
    sought = _Sought(start, limit, search.casefold() if search else None)
    found: list[tuple[int, bytes]] = []
    looked, size, reached = 0, 0, start
    async with aclosing(_blocks(ctx.core.storage, row.storage_key, offset)) as blocks:
        async for block, is_last in blocks:
            part = await asyncio.to_thread(_look, block, line, sought, limit - len(found), PAGE_BYTES - size)
            found += part.lines
            size += sum(len(content) for _, content in part.lines)
            looked += len(block)
            line += block.count(b"\n") + (not block.endswith(b"\n"))
            reached = max(start, line if part.reached is None else part.reached)
            is_end = is_last and part.reached is None
            is_enough = len(found) >= limit or part.reached is not None or looked >= SEARCHED_BYTES
            if is_enough or is_end:
                return RowPage([_row(number, content) for number, content in found], reached, not is_end)
    return RowPage([], start, more=False)


@dataclass(frozen=True, slots=True)
class _Sought:
    start: int
    limit: int
    text: str | None


@dataclass(frozen=True, slots=True)
class _Part:
    """What a block of lines held; `reached` is the number of the line to go on with, where its end was not reached."""

    lines: list[tuple[int, bytes]]
    reached: int | None


def _look(block: bytes, first: int, sought: _Sought, limit: int, most_bytes: int) -> _Part:
    """Return the rows that are sought among lines numbered from `first`, up to so many of them and so many bytes and one more."""
    # An escape may stand for what is sought; without any, text that is nowhere in the block is in none of its lines.
    if sought.text is not None and b"\\" not in block and sought.text not in block.decode(errors="replace").casefold():
        return _Part([], None)
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    found: list[tuple[int, bytes]] = []
    size = 0
    for number, content in enumerate(lines[max(0, sought.start - first) :], max(first, sought.start)):
        content = content.strip().removeprefix(BOM)
        if not content or (sought.text is not None and not _holds(content, sought.text)):
            continue
        if len(found) == limit or (found and size >= most_bytes):
            return _Part(found, number)
        found.append((number, content))
        size += len(content)
    return _Part(found, None)


def _holds(content: bytes, text: str) -> bool:
    if text in content.decode(errors="replace").casefold():
        return True
    return b"\\" in content and any(text in part.casefold() for part in _texts(orjson.loads(content)))


def _texts(data: Any) -> Iterator[str]:
    """Yield the texts of a row, keys and values, as they are without escapes."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        yield from (text for item in data.items() for part in item for text in _texts(part))
    elif isinstance(data, list):
        yield from (text for part in data for text in _texts(part))


def _row(number: int, content: bytes) -> DatasetRow:
    data = orjson.loads(content) if len(content) <= LONGEST_BYTES else None
    preview = content[: PREVIEW_CHARACTERS * 4].decode(errors="replace")[:PREVIEW_CHARACTERS]
    return DatasetRow(number, len(content), data, preview)


async def _blocks(storage: Storage, key: str, offset: int) -> AsyncGenerator[tuple[bytes, bool], None]:
    """Yield a file from an offset on in blocks of whole lines, and with each whether it is the last."""
    rest, block = b"", b""
    async with aclosing(storage.stream(key, offset=offset)) as pieces:
        async for piece in pieces:
            cut = piece.rfind(b"\n") + 1
            if not cut:
                rest += piece
                continue
            if block:
                yield block, False
            block, rest = rest + piece[:cut], piece[cut:]
    if block and rest:
        yield block, False
    if block or rest:
        yield rest or block, True


async def _nearest(ctx: Context, row: Dataset, start: int) -> tuple[int, int]:
    """Return the number and the offset of the last line of the index that is not behind the one numbered `start`."""
    if not row.size_bytes or row.size_bytes <= STRIDE or start == 0:
        return 0, 0
    key = f"{row.account_id}/{row.id}/rows.index"
    assert row.storage_key is not None
    storage_key = row.storage_key
    found = array("Q", await kept(ctx, key, lambda: _index(ctx.core.storage, storage_key), "the index of its rows"))
    lines = found[: len(found) // 2]
    place = bisect_right(lines, start) - 1
    return lines[place], found[len(lines) + place]


async def _index(storage: Storage, key: str) -> bytes:
    """Return the index of a file: the numbers of its lines, then where they begin."""
    numbers, offsets = array("Q", [0]), array("Q", [0])
    number, offset = 0, 0
    async with aclosing(storage.stream(key)) as pieces:
        async for piece in pieces:
            for begin in range(0, len(piece), STRIDE):
                part = piece[begin : begin + STRIDE]
                number += part.count(b"\n")
                last = part.rfind(b"\n")
                if last >= 0:
                    numbers.append(number)
                    offsets.append(offset + last + 1)
                offset += len(part)
    if offsets[-1] == offset:
        # No line begins at the end of the file.
        numbers.pop()
        offsets.pop()
    return (numbers + offsets).tobytes()
