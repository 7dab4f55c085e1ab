"""The end of jobs whose client has gone: those that asked for heartbeats, have had one, and then none for too long.

The clock starts with the first heartbeat: published clients ask for heartbeats by default where they send none at all, and their
jobs are to run to their end.
"""

from datetime import timedelta

import structlog
from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.core import Core
from engines import ending
from models import job
from models.job import Job

log = structlog.get_logger(__name__)
AT_ONCE = 200


async def reap(core: Core) -> list[str]:
    """Fail what is overdue, each in a transaction of its own; return the ids. Any host does this for all, queued jobs too."""
    limit_s = core.settings.heartbeat_timeout_s
    if not limit_s:
        return []
    overdue = (
        col(Job.requires_heartbeat).is_(True),
        col(Job.status).in_(job.LIVE),
        col(Job.heartbeat_at) < clock.now() - timedelta(seconds=limit_s),
    )
    async with core.db.read() as session:
        found = list((await session.exec(select(Job.id).where(*overdue).limit(AT_ONCE))).all())
    return [job_id for job_id in found if await _reap(core, job_id, limit_s)]


async def _reap(core: Core, job_id: str, limit_s: float) -> bool:
    async with core.db.transaction() as session:
        row = await session.get_one(Job, job_id, with_for_update=True)
        # Its client may have come back, or another host may have been here first.
        if row.status in job.TERMINAL or row.heartbeat_at is None:
            return False
        if clock.seconds_between(row.heartbeat_at, clock.now()) <= limit_s:
            return False
        message = (
            f"The job's client sent no heartbeat for {limit_s:g} seconds, and the job was to end without it. "
            "A job that is to run alone is created with requires_heartbeat false."
        )
        error = {"code": "timeout", "message": message, "attribution": "user", "user_code_line": None}
        line = f"Status: failed (timeout): {message}"
        metadata = {"code": "timeout", "message": message}
        await ending.end_job(session, row, job.FAILED, line=line, level="error", metadata=metadata, error=error)
    log.info("job_reaped", job=job_id)
    return True
