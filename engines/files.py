"""Stored files: made by callers and by hosts alike, and deleted when their time is over.

The bytes of a file are there before its row, and go after it: a row that was deleted keeps its key until they are gone, so that
a host finds what somebody died over.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import structlog
from sqlalchemy import update
from sqlmodel import col, exists, or_, select

from burnish.kit import clock, ids
from burnish.kit.core import Core
from burnish.kit.db import Session
from models import batch, file
from models.batch import Batch
from models.file import File

log = structlog.get_logger(__name__)
AT_ONCE = 100


def draft(account_id: str, purpose: str, filename: str, *, internal: bool = False, expires_after_s: int | None = None) -> File:
    """Return a new file that nobody has stored, of no bytes yet."""
    file_id, now = ids.new(file.PREFIX, "-"), clock.now()
    return File(
        id=file_id,
        account_id=account_id,
        filename=filename,
        purpose=purpose,
        size_bytes=0,
        storage_key=f"{account_id}/files/{file_id}",
        internal=internal,
        created_at=now,
        expires_at=None if expires_after_s is None else now + timedelta(seconds=expires_after_s),
    )


async def write(core: Core, row: File, source: Path | AsyncIterator[bytes]) -> None:
    """Store the bytes of a new file and note its size in the row, which the caller adds to the database afterwards."""
    if isinstance(source, Path):
        row.size_bytes = source.stat().st_size
        await core.storage.put(row.storage_key, source)
    else:
        row.size_bytes = 0
        await core.storage.put(row.storage_key, _counted(row, source))


async def put_file(
    core: Core,
    account_id: str,
    purpose: str,
    filename: str,
    source: Path | AsyncIterator[bytes],
    *,
    internal: bool = False,
    expires_after_s: int | None = None,
) -> File:
    """Store a file of the host's own making, whole or not at all."""
    row = draft(account_id, purpose, filename, internal=internal, expires_after_s=expires_after_s)
    try:
        await write(core, row, source)
        async with core.db.transaction() as session:
            session.add(row)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await discard(core, row)
        raise
    return row


async def discard(core: Core, row: File) -> None:
    """Delete the bytes of a file that was not made; a caller who went away right after the commit has made it."""
    async with core.db.read() as session:
        made = await session.get(File, row.id) is not None
    if not made:
        await core.storage.delete(row.storage_key)


async def _counted(row: File, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in source:
        row.size_bytes += len(chunk)
        yield chunk


async def needed_by(session: Session, file_id: str) -> str | None:
    """Return the batch that has not ended and reads this file, if there is one."""
    statement = select(Batch.id).where(Batch.input_file_id == file_id, col(Batch.status).not_in(batch.TERMINAL))
    return (await session.exec(statement.limit(1))).first()


def mark(row: File, now: datetime) -> None:
    """Have a file deleted: it is hidden at once, and the sweep finds it until its bytes are gone."""
    row.deleted_at = row.expires_at = now


async def forget(core: Core, row: File) -> None:
    """Delete the bytes of a deleted file; may be done again."""
    if not row.storage_key:
        return
    await core.storage.delete(row.storage_key)
    async with core.db.transaction() as session:
        gone = update(File).where(col(File.id) == row.id, col(File.deleted_at).is_not(None))
        await session.exec(gone.values(storage_key="", expires_at=None))


async def sweep(core: Core) -> int:
    """Delete the files that are past their time, except those that a batch still needs; return how many."""
    count, seen = 0, ""
    while found := await _due(core, seen):
        for file_id in found:
            try:
                count += await _expire(core, file_id)
            except Exception as error:
                log.warning("file_not_deleted", file=file_id, exc_info=error)
        seen = found[-1]
    return count


async def _due(core: Core, after: str) -> list[str]:
    reading = exists().where(col(Batch.input_file_id) == col(File.id), col(Batch.status).not_in(batch.TERMINAL))
    over = (col(File.expires_at) <= clock.now(), col(File.id) > after, or_(col(File.deleted_at).is_not(None), ~reading))
    async with core.db.read() as session:
        return list((await session.exec(select(File.id).where(*over).order_by(col(File.id)).limit(AT_ONCE))).all())


async def _expire(core: Core, file_id: str) -> bool:
    async with core.db.transaction() as session:
        row = await session.get_one(File, file_id, with_for_update=True)
        if row.deleted_at is None:
            # A batch may have been made of it since.
            if await needed_by(session, file_id) is not None:
                return False
            mark(row, clock.now())
            session.add(row)
    await forget(core, row)
    return True
