"""Reading a connected source from outside the child that does it: a look, the whole into the storage, and a job's first use.

A source is read to a file of its own each time and the row takes the first that is whole, so that two jobs which read at once
both get the same rows, and a reading that dies leaves nothing that anything refers to.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from burnish.kit import clock, ids
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from engines import task
from engines.data.jsonl import Report
from engines.data.source import Source
from engines.protocol import ChildFailure
from engines.task import OnLog
from models import integration
from models.dataset import Dataset

T = TypeVar("T")
LOOK_S = 45.0


class Interrupted(Exception):
    """Something else ended the work before the source was read."""


class BadRows(Exception):
    """The source was read, and what it holds is no dataset."""

    def __init__(self, problems: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self.problems = problems

    @property
    def message(self) -> str:
        first = self.problems[0]
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        return f"row {first['line']}: {first['message']}{more}"


@asynccontextmanager
async def scratch(settings: Settings) -> AsyncIterator[Path]:
    """Give a folder that is deleted afterwards; `tidy` finds what a dead process leaves."""
    folder = settings.uploads / ids.new("draft")
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, True))


async def look(settings: Settings, source: Source) -> dict[str, Any]:
    """Return the first rows of a source; ChildFailure says why there are none."""
    async with scratch(settings) as folder:
        return await _run(_spec(settings, source, folder, preview=True), folder, LOOK_S)


async def store(core: Core, source: Source, account_id: str, dataset_id: str, on_log: OnLog | None = None) -> dict[str, Any]:
    """Read a source whole and store its rows; return the columns of `Dataset` that are known now.

    ChildFailure where it cannot be read, BadRows where it is no dataset; nothing is stored then.
    """
    settings = core.settings
    async with scratch(settings) as folder:
        spec = _spec(settings, source, folder, preview=False)
        found = await _run(spec, folder, settings.source_timeout_s, on_log)
        report = Report(**found["report"])
        if report.problems:
            raise BadRows(report.problems)
        key = f"{account_id}/{dataset_id}/{ids.new('read')}.jsonl"
        await core.storage.put(key, Path(found["rows"]))
    return {**columns_of(report, clock.now()), "storage_key": key}


async def _run(spec: Mapping[str, Any], folder: Path, deadline_s: float, on_log: OnLog | None = None) -> dict[str, Any]:
    try:
        return await task.run("data.read", spec, folder=folder, deadline_s=deadline_s, on_log=on_log)
    except ChildFailure as failure:
        if failure.code == "timeout":
            raise ChildFailure("source_unreachable", f"The source was not read in time. {failure.message}") from None
        raise


def columns_of(report: Report, now: datetime) -> dict[str, Any]:
    """Return what a report says as columns of `Dataset`."""
    return {
        "num_rows": report.num_rows,
        "columns": list(report.columns),
        "size_bytes": report.size_bytes,
        "sha256": report.sha256,
        "statistics": report.statistics,
        "read_at": now,
    }


async def materialise(core: Core, dataset: Dataset, say: OnLog, stops: Sequence[asyncio.Event] = ()) -> str:
    """Return the storage key of a dataset's rows, after reading its source where nobody has yet.

    ChildFailure (`dataset_error`) where that fails, Interrupted as soon as one of `stops` is set.
    """
    if dataset.deleted_at is not None:
        raise ChildFailure("dataset_error", "The dataset was deleted.")
    if dataset.storage_key is not None:
        return dataset.storage_key
    if dataset.connection is None:
        raise ChildFailure("dataset_error", "The dataset has no rows and no source.", "platform")
    await say(f"Reading the dataset from its source, {dataset.source_uri or dataset.huggingface_dataset}")
    source = await with_token(core, Source.model_validate(dataset.connection), dataset.account_id)
    values = await unless_stopped(_read(core, source, dataset, say), stops)
    key = await _keep(core, dataset.id, values)
    await say(f"The dataset is read: {values['num_rows']:,} rows, {values['size_bytes'] / 1e6:.1f} MB")
    return key


async def _read(core: Core, source: Source, dataset: Dataset, say: OnLog) -> dict[str, Any]:
    try:
        return await store(core, source, dataset.account_id, dataset.id, say)
    except BadRows as error:
        raise ChildFailure("dataset_error", f"The dataset's source cannot be used: {error.message}") from None
    except ChildFailure as failure:
        raise ChildFailure(
            "dataset_error", f"The dataset's source cannot be read: {failure.message}", failure.attribution
        ) from None


async def unless_stopped(reading: Coroutine[Any, Any, T], stops: Sequence[asyncio.Event]) -> T:
    """Return what a work returns; Interrupted, and the work broken off, as soon as one of `stops` is set."""
    work = asyncio.create_task(reading)
    waits = [asyncio.create_task(stop.wait()) for stop in stops]
    try:
        await asyncio.wait([work, *waits], return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise Interrupted
        return work.result()
    finally:
        for running in (work, *waits):
            running.cancel()
        await asyncio.gather(work, *waits, return_exceptions=True)


async def _keep(core: Core, dataset_id: str, values: Mapping[str, Any]) -> str:
    """Write what was read into the row, unless another reading was first; return the key that holds."""
    async with core.db.transaction() as session:
        row = await session.get_one(Dataset, dataset_id, with_for_update=True)
        known = row.storage_key
        if known is None and row.deleted_at is None:
            row.sqlmodel_update(dict(values))
            session.add(row)
            return str(values["storage_key"])
    await core.storage.delete(values["storage_key"])
    if known is None:
        raise ChildFailure("dataset_error", "The dataset was deleted.")
    return known


async def with_token(core: Core, source: Source, account_id: str) -> Source:
    """Return a source of the hub with the account's own token for it, if it has one."""
    if source.type != "hf" or source.secrets:
        return source
    async with core.db.read() as session:
        token = await integration.secret(session, core.secrets, account_id, "huggingface")
    return source if token is None else source.model_copy(update={"secrets": {"token": token}})


def _spec(settings: Settings, source: Source, folder: Path, *, preview: bool) -> dict[str, Any]:
    return {
        "source": source.model_dump(),
        "preview": preview,
        "folder": str(folder),
        "max_bytes": settings.max_dataset_bytes,
        "max_line_bytes": settings.max_line_bytes,
        "open_networks": settings.open_networks,
        "timeout_s": LOOK_S if preview else settings.source_timeout_s,
    }
