"""Datasets: checked line by line, then stored; nothing is kept of a file with a problem."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
from pydantic import Field
from sqlmodel import col, or_, select

from burnish.kit import clock, ids, paging
from burnish.kit.db import Session
from burnish.kit.errors import Conflict, Invalid, NotFound, PayloadTooLarge, Unavailable
from burnish.kit.paging import ALWAYS, Span
from engines import task
from engines.data import intake, reading, tidy
from engines.data.intake import Taken
from engines.data.jsonl import Report
from engines.protocol import ChildFailure
from models import events, job
from models.dataset import Dataset
from models.job import Job
from resolvers import eval_uses
from resolvers.context import Context
from resolvers.creating import once
from resolvers.inputs import MAX_NAME, Input

# A larger file is checked in a process of its own, which leaves this one free for everybody else.
CHECKED_HERE = 2 * 2**20


class DatasetInput(Input):
    name: str = Field(min_length=1, max_length=MAX_NAME)


async def create(ctx: Context, spec: DatasetInput, file: Path) -> Dataset:
    """Make a dataset of a file on this machine, which is left as it is: JSONL, packed or not, or an archive of video rows.

    Invalid (`invalid_dataset`) with up to 20 problems in `details`, each with its line; PayloadTooLarge past the limit.
    """
    ctx.require("write")
    settings = ctx.core.settings
    if file.stat().st_size > settings.max_dataset_bytes:
        raise PayloadTooLarge(f"A dataset has at most {settings.max_dataset_bytes} bytes.", param="file")
    async with reading.scratch(settings) as folder:
        taken = await _take(ctx, file, folder)
        check_problems(taken.report.problems)
        return await _store(ctx, spec, taken)


async def _take(ctx: Context, file: Path, folder: Path) -> Taken:
    """Check a file, and unpack it where it is packed: here where that is soon done, in a child where it is not."""
    settings = ctx.core.settings
    most, line = settings.max_dataset_bytes, settings.max_line_bytes
    if file.stat().st_size <= CHECKED_HERE and await asyncio.to_thread(intake.is_plain, file):
        return await asyncio.to_thread(intake.plain, file, folder, line)
    spec = {"path": str(file), "folder": str(folder), "max_bytes": most, "max_line_bytes": line}
    try:
        found = await task.run("data.intake", spec, folder=folder, deadline_s=settings.source_timeout_s)
    except ChildFailure as failure:
        raise refusal(failure, "file") from None
    media = found["media"]
    return Taken(Report(**found["report"]), Path(found["rows"]), None if media is None else Path(media))


async def _store(ctx: Context, spec: DatasetInput, taken: Taken) -> Dataset:
    dataset_id = ids.new("ds")
    place = f"{ctx.account.id}/{dataset_id}"
    columns = reading.columns_of(taken.report, clock.now())

    async def make(session: Session) -> Dataset:
        media = None if taken.media is None else f"{place}/media"
        row = Dataset(
            id=dataset_id,
            account_id=ctx.account.id,
            name=spec.name,
            storage_key=f"{place}/data.jsonl",
            media_prefix=media,
            created_at=columns["read_at"],
            **columns,
        )
        session.add(row)
        await session.flush()
        await events.note(session, ctx.account.id, row.id, "created", {"name": row.name})
        return row

    try:
        await ctx.core.storage.put(f"{place}/data.jsonl", taken.rows)
        if taken.media is not None:
            await ctx.core.storage.put_folder(f"{place}/media", taken.media)
        row = await once(ctx, "datasets.create", {"name": spec.name, "sha256": taken.report.sha256}, Dataset, make)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await clean_up(ctx, dataset_id)
        raise
    if row.id != dataset_id:
        await ctx.core.storage.delete(place)
    return row


def check_problems(problems: Sequence[Mapping[str, Any]], param: str = "file") -> None:
    """Raise Invalid (`invalid_dataset`) with all problems, where there are any."""
    if problems:
        first = problems[0]
        message = f"line {first['line']}: {first['message']}"
        raise Invalid(message, code="invalid_dataset", param=param, details=problems)


def refusal(failure: ChildFailure, param: str) -> Exception:
    """Return what the caller is told where a child could not use what it was given."""
    if failure.attribution == "platform":
        return Unavailable("The file could not be worked on just now.")
    if failure.code == "payload_too_large":
        return PayloadTooLarge(failure.message, param=param)
    code = "invalid_dataset" if failure.code in ("timeout", "oom") else failure.code
    return Invalid(failure.message, code=code, param=param, details=[{"line": None, "message": failure.message}])


async def clean_up(ctx: Context, dataset_id: str) -> None:
    """Delete the files of a dataset that was not made; a caller who went away right after the commit has made it."""
    async with ctx.db.read() as session:
        if await session.get(Dataset, dataset_id) is None:
            await ctx.core.storage.delete(f"{ctx.account.id}/{dataset_id}")


async def delete(ctx: Context, dataset_id: str) -> Dataset:
    """Delete a dataset and its files; jobs that have ended keep its name. Conflict while a job needs it."""
    ctx.require("write")
    row = await once(
        ctx, "datasets.delete", {"dataset_id": dataset_id}, Dataset, lambda session: _delete(session, ctx, dataset_id)
    )
    await asyncio.shield(tidy.forget_files(ctx.core, row))
    return row


async def _delete(session: Session, ctx: Context, dataset_id: str) -> Dataset:
    row = await find(session, ctx, dataset_id, lock=True)
    statement = select(Job.id).where(Job.dataset_id == row.id, col(Job.status).not_in(job.TERMINAL))
    using = (await session.exec(statement.limit(1))).first()
    if using is not None:
        raise Conflict(
            f"The job {using} needs this dataset.", code="resource_in_use", hint="Cancel the job, or wait for its end."
        )
    run_id = await eval_uses.of_dataset(session, row.id)
    if run_id is not None:
        hint = "Cancel the run, or wait for its end."
        raise Conflict(f"The eval run {run_id} needs this dataset.", code="resource_in_use", hint=hint)
    row.deleted_at = clock.now()
    session.add(row)
    await events.note(session, ctx.account.id, row.id, "deleted", {"name": row.name})
    return row


async def get(ctx: Context, dataset_id: str) -> Dataset:
    ctx.require("read")
    async with ctx.db.read() as session:
        return await find(session, ctx, dataset_id)


async def find(session: Session, ctx: Context, dataset_id: str, *, lock: bool = False) -> Dataset:
    """Return a dataset; with `lock`, nobody deletes it before the transaction ends."""
    row = await session.get(Dataset, dataset_id, with_for_update=True if lock else None)
    if row is None or row.account_id != ctx.account.id or row.deleted_at is not None:
        raise NotFound(f"No such dataset: {dataset_id}", param="dataset_id")
    return row


async def page(
    ctx: Context, *, search: str | None = None, created: Span = ALWAYS, limit: int = 20, after: str | None = None
) -> paging.Page[Dataset]:
    """Return the account's datasets; `search` keeps those whose name contains it, and the one with this id."""
    ctx.require("read")
    where = [or_(paging.contains(Dataset.name, search), col(Dataset.id) == search)] if search else []
    where += [col(Dataset.deleted_at).is_(None), *paging.within(Dataset.created_at, created)]
    async with ctx.db.read() as session:
        return await paging.page(session, Dataset, Dataset.account_id == ctx.account.id, where=where, limit=limit, after=after)
