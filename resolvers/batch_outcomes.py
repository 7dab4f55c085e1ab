"""What has become of a batch's lines: one by one, by cause, and as the files that they make, also before those are written."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import defer
from sqlmodel import col, select

from burnish.kit.core import Core
from burnish.kit.db import Session
from burnish.kit.errors import NotFound
from burnish.kit.paging import Page
from engines.bulk import reading
from models import batch
from models.batch import Batch, BatchOutcome
from models.file import File
from resolvers import batches, downloads, files
from resolvers.context import Context, Platform
from resolvers.downloads import Download

JSONL = "application/jsonl"
OUTPUT, ERRORS = "output", "errors"
MOST_CAUSES = 100
# How much is read at once of lines that no file holds yet, about.
AT_ONCE_BYTES = 2 * 2**20
FIRST, MOST = 16, 1000
# What a column of lines can hold.
FAR = 2**31 - 1


@dataclass(frozen=True)
class Cause:
    """Lines that failed for the same reason; the first of them stands for all."""

    code: str | None
    deployment_id: str | None
    count: int
    first: BatchOutcome


async def page(
    ctx: Context,
    batch_id: str,
    *,
    ok: bool | None = None,
    code: str | None = None,
    deployment_id: str | None = None,
    limit: int = 100,
    after: int = 0,
) -> Page[BatchOutcome]:
    """Return the outcomes that meet all of what is given, in the order of the input, of lines after `after`; their payloads are
    left out.
    """
    ctx.require("read")
    equal = {BatchOutcome.ok: ok, BatchOutcome.code: code, BatchOutcome.deployment_id: deployment_id}
    where = [col(column) == value for column, value in equal.items() if value is not None]
    where += [col(BatchOutcome.batch_id) == batch_id, col(BatchOutcome.line) > min(after, FAR)]
    statement = _bare().where(*where).order_by(col(BatchOutcome.line)).limit(limit + 1)
    async with ctx.db.read() as session:
        await batches.find(session, ctx, batch_id)
        rows = (await session.exec(statement)).all()
    return Page(list(rows[:limit]), len(rows) > limit)


async def causes(ctx: Context, batch_id: str) -> list[Cause]:
    """Return why lines failed, the most frequent reason first: by code and deployment, each with its first line."""
    ctx.require("read")
    outcome = BatchOutcome
    count, first = func.count().label("count"), func.min(outcome.line).label("first")
    grouped = (
        select(outcome.code, outcome.deployment_id, count, first)
        .where(outcome.batch_id == batch_id, col(outcome.ok).is_(False))
        .group_by(col(outcome.code), col(outcome.deployment_id))
        .order_by(count.desc(), first)
        .limit(MOST_CAUSES)
    )
    async with ctx.db.read() as session:
        await batches.find(session, ctx, batch_id)
        groups = (await session.exec(grouped)).all()
        lines = [group[3] for group in groups]
        found = (await session.exec(_bare().where(outcome.batch_id == batch_id, col(outcome.line).in_(lines)))).all()
    by_line = {row.line: row for row in found}
    return [Cause(code, deployment_id, number, by_line[line]) for code, deployment_id, number, line in groups]


def _bare() -> Any:
    payload: Any = BatchOutcome.payload
    return select(BatchOutcome).options(defer(payload))


async def partial(ctx: Context, batch_id: str, ok: bool) -> Download:
    """Return the output file of a batch, or its error file, as far as there is one: in any status, in the order of the input.

    Of a batch whose file was found wrong the error file is all its problems. NotFound where the file was deleted.
    """
    return await _download(ctx.core, await batches.get(ctx, batch_id), ok)


def url(core: Core, row: Batch, ok: bool) -> str:
    """Return a URL of what `partial` gives, which works without an API key for a limited time."""
    return downloads.signed_url(core, _filename(row.id, ok), batch=row.id, part=OUTPUT if ok else ERRORS)


async def open(platform: Platform, claims: dict[str, Any]) -> Download:
    """Return what a download token names."""
    async with platform.db.read() as session:
        row = await session.get(Batch, claims["batch"])
    if row is None:
        raise NotFound("This batch is gone.")
    return await _download(platform.core, row, claims["part"] == OUTPUT)


async def _download(core: Core, row: Batch, ok: bool) -> Download:
    name = _filename(row.id, ok)
    if row.status not in batch.TERMINAL:
        return Download(name, JSONL, None, _so_far(core, row.id, ok))
    async with core.db.read() as session:
        stored = await _stored(session, row, ok)
    if stored is None:
        return Download(name, JSONL, 0, _nothing())
    found = files.download(core, stored)
    return replace(found, filename=name, media_type=JSONL)


def _filename(batch_id: str, ok: bool) -> str:
    return f"{batch_id}_{OUTPUT if ok else ERRORS}.jsonl"


async def _stored(session: Session, row: Batch, ok: bool) -> File | None:
    """Return the file that a batch has written, None where it had nothing to write."""
    file_id = row.output_file_id if ok else row.error_file_id
    found = None if file_id is None else await session.get(File, file_id)
    if found is not None and found.deleted_at is not None:
        raise NotFound("This file was deleted.")
    return found


async def _nothing() -> AsyncGenerator[bytes, None]:
    nothing: list[bytes] = []
    for chunk in nothing:
        yield chunk


async def _so_far(core: Core, batch_id: str, ok: bool) -> AsyncGenerator[bytes, None]:
    """Yield the lines that no file holds yet; what the batch stores meanwhile is read on from there."""
    outcome = BatchOutcome
    last, count = 0, FIRST
    while True:
        mine = (outcome.batch_id == batch_id, col(outcome.ok).is_(ok), col(outcome.line) > last)
        statement = select(outcome.line, outcome.payload).where(*mine).order_by(col(outcome.line)).limit(count)
        async with core.db.read() as session:
            found = (await session.exec(statement)).all()
        held: list[bytes] = []
        for line, payload in found:
            if payload is None:
                yield b"".join(held)
                async with aclosing(_rest(core, batch_id, ok, last)) as rest:
                    async for chunk in rest:
                        yield chunk
                return
            held.append(payload)
            last = line
        if held:
            yield b"".join(held)
        if len(found) < count:
            return
        mean = max(1, sum(map(len, held)) // len(held))
        count = max(1, min(MOST, AT_ONCE_BYTES // mean))


async def _rest(core: Core, batch_id: str, ok: bool, last: int) -> AsyncGenerator[bytes, None]:
    """Yield the stored file from behind the outcome of line `last` on: it holds them all in the same order."""
    outcome = BatchOutcome
    before = (outcome.batch_id == batch_id, col(outcome.ok).is_(ok), col(outcome.line) <= last)
    async with core.db.read() as session:
        stored = await _stored(session, await session.get_one(Batch, batch_id), ok)
        skipped = (await session.exec(select(func.count()).select_from(outcome).where(*before))).one()
    if stored is None:
        raise FileNotFoundError(f"{batch_id} has neither the lines nor the file of them")
    held: list[bytes] = []
    size = 0
    async with aclosing(reading.lines(core.storage, stored.storage_key)) as lines:
        number = 0
        async for _, line in lines:
            number += 1
            if number <= skipped:
                continue
            held += [line, b"\n"]
            size += len(line) + 1
            if size >= AT_ONCE_BYTES:
                yield b"".join(held)
                held, size = [], 0
    if held:
        yield b"".join(held)
