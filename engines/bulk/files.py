"""The files that a batch leaves: its outcomes in the order of the input, put together as they are stored.

They are made from rows that change no more, and may be made again. Each holder of the lease has keys of its own, so that one
that was thought dead overwrites nothing.
"""

from collections.abc import AsyncIterator

from sqlalchemy import func, update
from sqlmodel import col, select

from burnish.kit.core import Core
from engines import files
from models import file
from models.batch import Batch, BatchOutcome
from models.file import File

OUTPUT, ERRORS = "output", "errors"
# A page of outcomes, at the most; one alone may be larger.
MOST_LINES, MOST_BYTES = 2000, 2 * 2**20
FORGOTTEN_AT_ONCE = 500


class PayloadGone(Exception):
    """The files of this batch were stored by another, who has the lease now."""


async def store(core: Core, row: Batch, token: int, name: str, lines: AsyncIterator[bytes]) -> File | None:
    """Store lines as a file of the batch and return its row, which nobody has stored; None where there are none."""
    stored = files.draft(
        row.account_id,
        file.BATCH_OUTPUT,
        f"{row.id}_{name}.jsonl",
        internal=row.parent_id is not None,
        expires_after_s=row.output_expires_after_s,
    )
    stored.storage_key = f"{_folder(row)}/{token}/{name}.jsonl"

    async def all_of(first: bytes) -> AsyncIterator[bytes]:
        yield first
        async for piece in lines:
            yield piece

    async for first in lines:
        await files.write(core, stored, all_of(first))
        return stored
    return None


async def payloads(core: Core, batch_id: str, *, ok: bool) -> AsyncIterator[bytes]:
    """Yield the lines of the output or the error file, some at once."""
    last = 0
    while True:
        last, held = await _page(core, batch_id, ok, last)
        if not held:
            return
        yield b"".join(held)


async def _page(core: Core, batch_id: str, ok: bool, last: int) -> tuple[int, list[bytes]]:
    outcome = BatchOutcome
    mine = (outcome.batch_id == batch_id, col(outcome.ok).is_(ok))
    sizes = select(outcome.line, func.length(outcome.payload)).where(*mine, col(outcome.line) > last)
    async with core.db.read() as session:
        through = total = 0
        for line, size in (await session.exec(sizes.order_by(col(outcome.line)).limit(MOST_LINES))).all():
            if size is None:
                raise PayloadGone(batch_id)
            total += size
            if through and total > MOST_BYTES:
                break
            through = line
        wanted = select(outcome.payload).where(*mine, col(outcome.line) > last, col(outcome.line) <= through)
        held = (await session.exec(wanted.order_by(col(outcome.line)))).all()
    found = [payload for payload in held if payload is not None]
    if len(found) < len(held):
        raise PayloadGone(batch_id)
    return through, found


async def clear(core: Core, row: Batch) -> None:
    """Delete what holders of the lease have stored that is no file of the batch."""
    its = [file_id for file_id in (row.output_file_id, row.error_file_id) if file_id is not None]
    async with core.db.read() as session:
        kept = set((await session.exec(select(File.storage_key).where(col(File.id).in_(its)))).all())
    for key, _ in await core.storage.list(_folder(row)):
        if key not in kept:
            await core.storage.delete(key)


async def forget(core: Core, batch_id: str, last: int) -> int | None:
    """Set the payloads of some lines after `last` null; return the last of them, None where there are no more."""
    outcome = BatchOutcome
    some = select(outcome.line).where(outcome.batch_id == batch_id, col(outcome.line) > last)
    async with core.db.transaction() as session:
        lines = (await session.exec(some.order_by(col(outcome.line)).limit(FORGOTTEN_AT_ONCE))).all()
        if not lines:
            return None
        within = (col(outcome.batch_id) == batch_id, col(outcome.line) > last, col(outcome.line) <= lines[-1])
        await session.exec(update(outcome).where(*within).values(payload=None))
    return lines[-1]


def _folder(row: Batch) -> str:
    return f"{row.account_id}/batches/{row.id}"
