"""The metrics of a job as one file: a row for each step, with the attempt that reported it, and a column for each metric.

The file is made while it is sent, a stretch of the run at a time; no transaction lasts as long as the download.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

import numpy as np

from burnish.kit.core import Core
from burnish.kit.db import Database
from burnish.kit.errors import NotFound
from burnish.kit.series import Table
from models.job import Job
from resolvers import batch_outcomes, downloads, files, jobs, metric_rows, rollout_exports
from resolvers.context import Context, Platform
from resolvers.downloads import Download

Format = Literal["parquet", "csv"]
MEDIA_TYPES: dict[Format, str] = {"parquet": "application/vnd.apache.parquet", "csv": "text/csv; charset=utf-8"}
# Written together, as a row group of Parquet.
ROWS_AT_ONCE = 2**15
VALUES_AT_ONCE = 2**21


def metrics_url(core: Core, row: Job, format: Format) -> str:
    """Return a URL of the metrics of a job as a file, which works without an API key for a limited time."""
    return downloads.signed_url(core, _filename(row, format), job=row.id, metrics=format)


async def metrics(ctx: Context, job_id: str, format: Format) -> Download:
    """Return the metrics of a job as a file; NotFound for a job of nobody or of another."""
    return _download(ctx.db, await jobs.get(ctx, job_id), format)


async def open(platform: Platform, token: str) -> Download:
    """Return what a download token stands for: metrics, rollouts, a clip, a file, a batch, or as in `downloads.open`."""
    claims = downloads.claims_of(platform.core, token)
    if "batch" in claims:
        return await batch_outcomes.open(platform, claims)
    if "file" in claims:
        return await files.open(platform, claims)
    if not {"metrics", "rollouts", "media"} & claims.keys():
        return await downloads.open(platform, token)
    async with platform.db.read() as session:
        row = await session.get(Job, claims["job"])
    if row is None or row.deleted_at is not None:
        raise NotFound("This job is gone.")
    if "media" in claims:
        return await downloads.open_media(platform, row, claims["media"])
    if "rollouts" in claims:
        return rollout_exports.download(platform.db, row, claims["rollouts"])
    return _download(platform.db, row, claims["metrics"])


def _download(db: Database, row: Job, format: Format) -> Download:
    return Download(_filename(row, format), MEDIA_TYPES[format], None, _encoded(db, row.id, format))


def _filename(row: Job, format: Format) -> str:
    return f"{row.output_name}-metrics.{format}"


async def _encoded(db: Database, job_id: str, format: Format) -> AsyncIterator[bytes]:
    # Only a process that exports loads the library of the formats.
    from resolvers import export_formats

    async with db.read() as session:
        source = await metric_rows.load(session, job_id)
    writer = await asyncio.to_thread(export_formats.WRITERS[format], source.keys)
    async for group in _groups(db, source):
        yield await asyncio.to_thread(writer.write, group)
    yield await asyncio.to_thread(writer.close)


async def _groups(db: Database, source: metric_rows.Source) -> AsyncIterator[list[tuple[int, Table]]]:
    """Yield (attempt, rows) in the order of the steps, some thousands of rows at a time."""
    sections = source.sections()
    group: list[tuple[int, Table]] = []
    for start in range(0, len(sections), metric_rows.BLOCKS_AT_ONCE):
        async with db.read() as session:
            source.session = session
            some = sections[start : start + metric_rows.BLOCKS_AT_ONCE]
            group += [(section.attempt, _reported(rows)) async for section, rows in source.each(some)]
        count = sum(len(rows) for _, rows in group)
        if count >= ROWS_AT_ONCE or count * len(source.keys) >= VALUES_AT_ONCE:
            yield group
            group = []
    if group:
        yield group


def _reported(rows: Table) -> Table:
    """Return the rows that have a value."""
    if not rows.columns:
        return rows.take(slice(0, 0))
    return rows.take(~np.logical_and.reduce([np.isnan(values) for values in rows.columns.values()]))
