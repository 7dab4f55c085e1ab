"""What a deleted job or deployment leaves: its files and its streams go, the rows that the ledger refers to stay.

Whoever deletes erases at once; a host does it for what somebody was still working on, or died over.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from sqlalchemy import or_, update
from sqlmodel import col, exists, select

from burnish.kit import clock, stream
from burnish.kit.core import Core
from burnish.kit.tables import StreamHead
from models.deployment import Deployment
from models.job import Checkpoint, Job

log = structlog.get_logger(__name__)
AT_ONCE = 100
CHUNKS_AT_ONCE = 200


async def erase_job(core: Core, job_id: str) -> None:
    """Delete the files of a deleted job's checkpoints and all its streams; may be done again."""
    async with core.db.read() as session:
        left = (Checkpoint.job_id == job_id, Checkpoint.file_count > 0)
        found = list((await session.exec(select(Checkpoint).where(*left))).all())
    for checkpoint in found:
        await core.storage.delete(checkpoint.storage_prefix)
        async with core.db.transaction() as session:
            gone = update(Checkpoint).where(col(Checkpoint.id) == checkpoint.id)
            await session.exec(gone.values(file_count=0, deleted_at=clock.now()))
    await erase_streams(core, job_id)


async def erase_streams(core: Core, resource_id: str) -> None:
    """Delete all streams of a resource, in pieces that hold no lock for long."""
    async with core.db.read() as session:
        kinds = (await session.exec(select(StreamHead.kind).where(StreamHead.resource_id == resource_id))).all()
    for kind in kinds:
        done = False
        while not done:
            async with core.db.transaction() as session:
                done = await stream.trim(session, resource_id, kind, most=CHUNKS_AT_ONCE)
    async with core.db.transaction() as session:
        await stream.remove(session, resource_id)


async def sweep(core: Core) -> int:
    """Erase what deleted resources still have; return of how many."""
    count = 0
    for table, erase in ((Job, erase_job), (Deployment, erase_streams)):
        for resource_id in await _left(core, table):
            count += await attempt(core, erase, resource_id)
    return count


async def attempt(core: Core, erase: Callable[[Core, str], Awaitable[None]], resource_id: str) -> bool:
    """Erase what a deleted resource has; False where that cannot be now: it is gone for everybody, and a host tries again."""
    try:
        await erase(core, resource_id)
    except Exception as error:
        log.warning("erase_failed", resource=resource_id, exc_info=error)
        return False
    return True


async def _left(core: Core, table: Any) -> list[str]:
    said = exists().where(col(StreamHead.resource_id) == table.id)
    stored = exists().where(col(Checkpoint.job_id) == table.id, col(Checkpoint.file_count) > 0)
    deleted = (col(table.deleted_at).is_not(None), col(table.lease_holder).is_(None))
    statement = select(table.id).where(*deleted, or_(said, stored)).limit(AT_ONCE)
    async with core.db.read() as session:
        return list((await session.exec(statement)).all())
