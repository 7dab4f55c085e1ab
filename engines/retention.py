"""What is lost with time: each host looks now and then, and deletes the oldest rows of streams and of the audit log in pieces
that hold no lock for long, answers that nobody has fetched, files that are past their time, and the encryption keys that nothing
needs any more.

What a job has said goes once the job has been over for long enough, all of a kind together. A deployment and an account have no
such end: their rows go by their own age. A cursor into what is gone reads on from what is kept.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlmodel import col, select

from burnish.kit import clock, stream
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from burnish.kit.tables import StreamHead
from engines import erasing, files
from engines.data import tidy
from models import async_completion, audit, sealed
from models.account import Account
from models.deployment import Deployment
from models.job import Job

log = structlog.get_logger(__name__)
EVERY_S = 600.0
CHUNKS_AT_ONCE = 200
STREAMS_AT_ONCE = 200
ENTRIES_AT_ONCE = 1000
ANSWERS_AT_ONCE = 100
ROWS_AT_ONCE = 2 * stream.COMPACT_ROWS


def kept_days(settings: Settings) -> dict[str, int]:
    """Return how many days each kind of stream is kept; those that are kept for ever are left out."""
    days = {
        "logs": settings.keep_logs_days,
        "requests": settings.keep_logs_days,
        "stats": settings.keep_logs_days,
        "metrics": settings.keep_metrics_days,
        "rollouts": settings.keep_rollouts_days,
        "events": settings.keep_events_days,
        "activity": settings.keep_events_days,
    }
    return {kind: number for kind, number in days.items() if number}


async def sweep_forever(core: Core) -> None:
    """Sweep every ten minutes, after deleted resources too; what fails is logged, and tried again with the next sweep."""
    while True:
        for part in (sweep, tidy.tidy, trim_audit_log, trim_answers, sealed.sweep, files.sweep, erasing.sweep):
            try:
                await part(core)
            except Exception as error:
                log.warning("sweep_failed", part=part.__module__, error=str(error), exc_info=True)
        await asyncio.sleep(EVERY_S)


async def sweep(core: Core) -> int:
    """Delete what is due; return of how many streams something was deleted."""
    count = 0
    for kind, days in kept_days(core.settings).items():
        before = clock.now() - timedelta(days=days)
        for resource_id in await _ended_jobs(core, kind, before):
            await _trim_all(core, resource_id, kind)
            count += 1
        for resource_id in await _others(core, kind):
            count += await _trim_old(core, resource_id, kind, before)
    if count:
        log.info("streams_trimmed", count=count)
    return count


async def trim_audit_log(core: Core) -> int:
    """Delete the entries that are past their time; return how many."""
    count, days = 0, core.settings.keep_audit_days
    while days:
        async with core.db.transaction() as session:
            gone = await audit.trim(session, clock.now() - timedelta(days=days), ENTRIES_AT_ONCE)
        count += gone
        if gone < ENTRIES_AT_ONCE:
            break
    return count


async def trim_answers(core: Core) -> int:
    """Delete the completions to be fetched later that are past their time; return how many."""
    count = 0
    while True:
        async with core.db.transaction() as session:
            gone = await async_completion.trim(session, clock.now() - async_completion.KEPT, ANSWERS_AT_ONCE)
        count += gone
        if gone < ANSWERS_AT_ONCE:
            return count


def _with_rows(kind: str) -> Iterator[Any]:
    yield col(StreamHead.kind) == kind
    yield col(StreamHead.first_seq) <= col(StreamHead.last_seq)


async def _ended_jobs(core: Core, kind: str, before: datetime) -> list[str]:
    ended = (col(Job.completed_at) < before, col(Job.lease_holder).is_(None))
    statement = select(StreamHead.resource_id).join(Job, col(Job.id) == col(StreamHead.resource_id))
    async with core.db.read() as session:
        return list((await session.exec(statement.where(*_with_rows(kind), *ended).limit(STREAMS_AT_ONCE))).all())


async def _others(core: Core, kind: str) -> list[str]:
    """Return the deployments or accounts that have rows of a kind."""
    table: Any = Account if kind == "activity" else Deployment
    statement = select(StreamHead.resource_id).join(table, table.id == col(StreamHead.resource_id)).where(*_with_rows(kind))
    async with core.db.read() as session:
        return list((await session.exec(statement)).all())


async def _trim_all(core: Core, resource_id: str, kind: str) -> None:
    done = False
    while not done:
        async with core.db.transaction() as session:
            done = await stream.trim(session, resource_id, kind, most=CHUNKS_AT_ONCE)


async def _trim_old(core: Core, resource_id: str, kind: str, before: datetime) -> bool:
    """Delete the rows that are older than `before`, as far as whole chunks go; return whether there were any."""
    trimmed, limit = False, 1
    while True:
        async with core.db.read() as session:
            first = await stream.first_seq(session, resource_id, kind)
            rows = await stream.read(session, resource_id, kind, after=first - 1, limit=limit)
        old = [row.seq for row in rows if datetime.fromisoformat(row.data["at"]) < before]
        if not old:
            return trimmed
        if limit == 1:
            # Most streams begin with a row that may stay: only of the others more is read.
            limit = ROWS_AT_ONCE
            continue
        async with core.db.transaction() as session:
            await stream.trim(session, resource_id, kind, through=old[-1], most=CHUNKS_AT_ONCE)
            if await stream.first_seq(session, resource_id, kind) == first:
                return trimmed
        trimmed = True
