"""Once more for the lines of a batch that failed: a new file of just these, and a new batch of it."""

from collections.abc import AsyncIterator, Set
from contextlib import aclosing
from pathlib import PurePosixPath

import anyio
from sqlmodel import col, select

from burnish.kit.db import Session
from burnish.kit.errors import InvalidState
from engines import files
from engines.bulk import reading
from models import batch, file
from models.batch import Batch, BatchOutcome
from models.file import File
from resolvers import batches
from resolvers.context import Context
from resolvers.creating import once

CHUNK = 2**20


async def retry(ctx: Context, batch_id: str) -> Batch:
    """Begin a batch of the lines of another that failed, each as it was written; its window and labels are the other's.

    InvalidState where that one has not ended, has no failed line, or its input file was deleted.
    """
    ctx.require("write")
    row, source, failed = await _failed(ctx, batch_id)
    made = files.draft(ctx.account.id, file.BATCH, _filename(source.filename))

    async def make(session: Session) -> Batch:
        session.add(made)
        await session.flush()
        copy = batches.draft(
            ctx.account.id,
            made.id,
            row.endpoint,
            window_s=row.completion_window_s,
            output_expires_after_s=row.output_expires_after_s,
            labels=row.labels,
            retry_of=row.id,
        )
        return await batches.begin(session, copy)

    kept = False
    try:
        await files.write(ctx.core, made, _lines(ctx, source, failed))
        new = await once(ctx, "batches.retry", {"batch_id": batch_id}, Batch, make)
        kept = new.input_file_id == made.id
    finally:
        if not kept:
            with anyio.CancelScope(shield=True):
                await files.discard(ctx.core, made)
    return new


async def _failed(ctx: Context, batch_id: str) -> tuple[Batch, File, Set[int]]:
    """Return a batch that can be tried again, its input file, and the numbers of its failed lines."""
    async with ctx.db.read() as session:
        row = await batches.find(session, ctx, batch_id)
        if row.status not in batch.TERMINAL:
            raise InvalidState(f"The batch is {row.status}: only one that has ended can be tried again.")
        source = await session.get_one(File, row.input_file_id)
        bad = select(BatchOutcome.line).where(BatchOutcome.batch_id == batch_id, col(BatchOutcome.ok).is_(False))
        failed = frozenset((await session.exec(bad)).all())
    if not failed:
        hint = "Correct the file and make a batch of it." if row.status == batch.FAILED else None
        raise InvalidState("No line of this batch was asked and failed: there is nothing to try again.", hint=hint)
    if source.deleted_at is not None:
        raise InvalidState("The input file of this batch was deleted: its lines are not known any more.")
    return row, source, failed


def _filename(name: str) -> str:
    path = PurePosixPath(name)
    return f"{path.stem}-retry{path.suffix}"


async def _lines(ctx: Context, source: File, wanted: Set[int]) -> AsyncIterator[bytes]:
    """Yield the wanted lines of a file, some at once."""
    held: list[bytes] = []
    size = number = 0
    async with aclosing(reading.lines(ctx.core.storage, source.storage_key)) as lines:
        async for _, line in lines:
            number += 1
            if number not in wanted:
                continue
            held += [line.rstrip(b"\r"), b"\n"]
            size += len(line)
            if size >= CHUNK:
                yield b"".join(held)
                held, size = [], 0
    yield b"".join(held)
