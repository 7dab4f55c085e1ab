"""All rollouts of a job as one file: a row for each completion, with its step, its prompt and what it was worth. A clip
is named by its file there: an address of it would not hold for as long as what is written down.

The file is made while it is sent, a few steps at a time; no transaction lasts as long as the download.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

import orjson

from burnish.kit.core import Core
from burnish.kit.db import Database
from models.job import Job
from resolvers import downloads, rollouts
from resolvers.downloads import Download
from resolvers.rollouts import Group

Format = Literal["parquet", "jsonl"]
MEDIA_TYPES: dict[Format, str] = {"parquet": "application/vnd.apache.parquet", "jsonl": "application/jsonl"}
# Written together, as a row group of Parquet.
ROWS_AT_ONCE = 4096


def url(core: Core, row: Job, format: Format) -> str:
    """Return a URL of the rollouts of a job as a file, which works without an API key for a limited time."""
    return downloads.signed_url(core, _filename(row, format), job=row.id, rollouts=format)


def download(db: Database, row: Job, format: Format) -> Download:
    """Return the rollouts of a job as a file."""
    return Download(_filename(row, format), MEDIA_TYPES[format], None, (_lines if format == "jsonl" else _parquet)(db, row.id))


def _filename(row: Job, format: Format) -> str:
    return f"{row.output_name}-rollouts.{format}"


async def _lines(db: Database, job_id: str) -> AsyncIterator[bytes]:
    async for groups in rollouts.each(db, job_id):
        yield await asyncio.to_thread(_encoded, groups)


def _encoded(groups: Sequence[Group]) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in _rows(groups))


async def _parquet(db: Database, job_id: str) -> AsyncIterator[bytes]:
    # Only a process that exports loads the library of the formats.
    from resolvers import export_formats

    writer = await asyncio.to_thread(export_formats.RolloutWriter)
    waiting: list[dict[str, Any]] = []
    async for groups in rollouts.each(db, job_id):
        waiting += _rows(groups)
        if len(waiting) >= ROWS_AT_ONCE:
            yield await asyncio.to_thread(writer.write, waiting)
            waiting = []
    if waiting:
        yield await asyncio.to_thread(writer.write, waiting)
    yield await asyncio.to_thread(writer.close)


def _rows(groups: Sequence[Group]) -> Iterator[dict[str, Any]]:
    for group in groups:
        for index, item in enumerate(group.data["completions"]):
            yield {
                "step": group.step,
                "attempt": group.attempt,
                "group": f"{group.place.seq}-{group.place.index}",
                "completion": index,
                "dataset_row": group.data["dataset_row"],
                "prompt": group.data["prompt"],
                "text": item["text"],
                "reward": item["reward"],
                "components": item["components"],
                "advantage": item["advantage"],
                "tokens": item["tokens"],
                "truncated": item["truncated"],
                "score_error": item["score_error"],
                "messages": item.get("messages"),
                "media": None if (key := item.get("media")) is None else PurePosixPath(key).name,
            }
