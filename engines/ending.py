"""The end of a job by somebody else than the host that runs it: its status and its bill are final in one transaction.

The child drains afterwards, for as long as its host has the lease; a job that nobody holds ends its streams here.
"""

from typing import Any

from burnish.kit import clock, outbox, stream
from burnish.kit.db import Session
from models import job, ledger, transitions
from models.job import Job

TRAIN_MESSAGE = "training.run"


async def end_job(
    session: Session,
    row: Job,
    to: str,
    *,
    line: str,
    level: str = "info",
    metadata: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
) -> None:
    """Move a job that has not ended to its end. The caller holds the row's lock."""
    await ledger.accrue(session, row.id, row.at_work_until, description=f"Training job {row.id}", close=True)
    await ledger.release(session, row.id)
    cost = await ledger.charged(session, row.id)
    values: dict[str, Any] = {"completed_at": clock.now(), "cost_micros": cost, "phase": None}
    values |= {} if error is None else {"error": error}
    await transitions.move(session, row, to, line=line, level=level, metadata=metadata, **values)
    if not row.is_leased:
        await stream.end(session, row.id, job.STREAMS, to)
    outbox.put(session, TRAIN_MESSAGE, row.id)
