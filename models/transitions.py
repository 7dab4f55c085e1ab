"""The only place where a status moves: a compare-and-set on (id, status, lease token). Terminal is terminal."""

from typing import Any

from sqlalchemy import update
from sqlmodel import col

from burnish.kit import clock
from burnish.kit.db import Session
from models import batch, events, job
from models import deployment as dep
from models import eval as evaluation
from models.batch import Batch
from models.deployment import Deployment
from models.eval import EvalRun
from models.job import Job

JOB_MOVES = {
    job.QUEUED: {job.PROVISIONING, job.FAILED, job.CANCELLED},
    job.PROVISIONING: {job.RUNNING, job.FAILED, job.CANCELLED},
    job.RUNNING: {job.COMPLETED, job.FAILED, job.CANCELLED},
}
DEPLOYMENT_MOVES = {
    dep.QUEUED: {dep.PROVISIONING, dep.FAILED, dep.STOPPED},
    # Back to the queue: a pause.
    dep.PROVISIONING: {dep.QUEUED, dep.SERVING, dep.UNHEALTHY, dep.FAILED, dep.STOPPED},
    dep.SERVING: {dep.QUEUED, dep.UNHEALTHY, dep.FAILED, dep.STOPPED},
    dep.UNHEALTHY: {dep.QUEUED, dep.SERVING, dep.FAILED, dep.STOPPED},
}
BATCH_MOVES = {
    batch.VALIDATING: {batch.FAILED, batch.IN_PROGRESS, batch.CANCELLING},
    batch.IN_PROGRESS: {batch.FINALIZING, batch.CANCELLING, batch.FAILED},
    # What was not answered in time, or is not to be, is recorded as such before the files are written.
    batch.FINALIZING: {batch.COMPLETED, batch.EXPIRED, batch.FAILED},
    batch.CANCELLING: {batch.CANCELLED, batch.FAILED},
}
EVAL_RUN_MOVES = {
    evaluation.QUEUED: {evaluation.RUNNING, evaluation.FAILED, evaluation.CANCELLED},
    evaluation.RUNNING: {evaluation.SCORING, evaluation.FAILED, evaluation.CANCELLED},
    evaluation.SCORING: {evaluation.COMPLETED, evaluation.FAILED, evaluation.CANCELLED},
}
MOVES: dict[type[Any], dict[str, set[str]]] = {
    Job: JOB_MOVES,
    Deployment: DEPLOYMENT_MOVES,
    Batch: BATCH_MOVES,
    EvalRun: EVAL_RUN_MOVES,
}


async def move(
    session: Session,
    row: Job | Deployment | Batch | EvalRun,
    to: str,
    *,
    token: int | None = None,
    metadata: dict[str, Any] | None = None,
    line: str | None = None,
    level: str = "info",
    **values: Any,
) -> bool:
    """Move `row` to the status `to` and record it; False, with nothing changed, where its status or lease token is no longer the
    one in `row`.

    Without a `token` the caller acts for the user and no lease is asked for. ValueError for a move that the state machine does
    not have.
    """
    table: Any = type(row)
    if to not in MOVES[table].get(row.status, set()):
        raise ValueError(f"{row.id}: no move from {row.status} to {to}")
    values |= {"status": to, "updated_at": clock.now()}
    conditions = [col(table.id) == row.id, col(table.status) == row.status]
    if token is not None:
        conditions.append(col(table.lease_token) == token)
    # "fetch": what the session holds of a row that another has moved meanwhile must not look as if it had been moved here.
    statement = update(table).where(*conditions).values(**values).returning(col(table.id))
    statement = statement.execution_options(synchronize_session="fetch")
    if (await session.exec(statement)).scalar_one_or_none() is None:
        return False
    await session.refresh(row)
    await events.record(
        session, row.account_id, row.id, to, metadata, attempt=row.attempt, line=line or f"Status: {to}", level=level
    )
    return True
