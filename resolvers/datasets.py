"""Datasets: checked line by line, then stored; nothing is kept of a file with a problem."""

import asyncio
from pathlib import Path

import anyio
from pydantic import Field
from sqlmodel import col, or_

from burnish.kit import clock, ids, paging
from burnish.kit.db import Session
from burnish.kit.errors import Invalid, NotFound, PayloadTooLarge
from burnish.kit.paging import ALWAYS, Span
from engines.data import jsonl
from models import events
from models.dataset import Dataset
from resolvers.context import Context
from resolvers.creating import once
from resolvers.inputs import MAX_NAME, Input


class DatasetInput(Input):
    name: str = Field(min_length=1, max_length=MAX_NAME)


async def create(ctx: Context, spec: DatasetInput, file: Path) -> Dataset:
    """Make a dataset of a JSONL file on this machine, which is left as it is.

    Invalid (`invalid_dataset`) with up to 20 problems in `details`, each with its line; PayloadTooLarge past the limit.
    """
    ctx.require("write")
    settings = ctx.core.settings
    if file.stat().st_size > settings.max_dataset_bytes:
        raise PayloadTooLarge(f"A dataset has at most {settings.max_dataset_bytes} bytes.", param="file")
    report = await asyncio.to_thread(jsonl.inspect, file, max_line_bytes=settings.max_line_bytes)
    if report.problems:
        first = report.problems[0]
        raise Invalid(f"line {first['line']}: {first['message']}", code="invalid_dataset", param="file", details=report.problems)
    dataset_id = ids.new("ds")
    key = f"{ctx.account.id}/{dataset_id}/data.jsonl"

    async def make(session: Session) -> Dataset:
        row = Dataset(
            id=dataset_id,
            account_id=ctx.account.id,
            name=spec.name,
            num_rows=report.num_rows,
            columns=list(report.columns),
            size_bytes=report.size_bytes,
            sha256=report.sha256,
            storage_key=key,
            created_at=clock.now(),
        )
        session.add(row)
        await session.flush()
        await events.note(session, ctx.account.id, row.id, "created", {"name": row.name})
        return row

    try:
        await ctx.core.storage.put(key, file)
        row = await once(ctx, "datasets.create", {"name": spec.name, "sha256": report.sha256}, Dataset, make)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await _clean_up(ctx, dataset_id, key)
        raise
    if row.id != dataset_id:
        await ctx.core.storage.delete(key)
    return row


async def _clean_up(ctx: Context, dataset_id: str, key: str) -> None:
    """Delete the file of a dataset that was not made; a caller who went away right after the commit has made it."""
    async with ctx.db.read() as session:
        if await session.get(Dataset, dataset_id) is None:
            await ctx.core.storage.delete(key)


async def get(ctx: Context, dataset_id: str) -> Dataset:
    ctx.require("read")
    async with ctx.db.read() as session:
        return await find(session, ctx, dataset_id)


async def find(session: Session, ctx: Context, dataset_id: str) -> Dataset:
    row = await session.get(Dataset, dataset_id)
    if row is None or row.account_id != ctx.account.id:
        raise NotFound(f"No such dataset: {dataset_id}", param="dataset_id")
    return row


async def page(
    ctx: Context, *, search: str | None = None, created: Span = ALWAYS, limit: int = 20, after: str | None = None
) -> paging.Page[Dataset]:
    """Return the account's datasets; `search` keeps those whose name contains it, and the one with this id."""
    ctx.require("read")
    where = [or_(paging.contains(Dataset.name, search), col(Dataset.id) == search)] if search else []
    where += paging.within(Dataset.created_at, created)
    async with ctx.db.read() as session:
        return await paging.page(session, Dataset, Dataset.account_id == ctx.account.id, where=where, limit=limit, after=after)
