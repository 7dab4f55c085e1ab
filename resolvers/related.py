"""What belongs to many things at once: one statement for a page of rows, within the caller's account."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import func
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from burnish.kit import stream
from burnish.kit.tables import StreamChunk, StreamHead
from models.batch import Batch
from models.deployment import Deployment, DeploymentVersion, InferenceRequest
from models.eval import Eval, EvalRun
from models.job import Checkpoint, Job
from models.replica import Replica
from resolvers.context import Context

T = TypeVar("T")


async def by_id(ctx: Context, table: type[T], ids: Sequence[str], *where: Any, deleted: bool = False) -> dict[str, T]:
    """Return those of the rows that there are, that are the caller's and that meet `where`; with `deleted` those too that others
    still refer to.
    """
    model: Any = table
    statement = select(model).where(model.account_id == ctx.account.id, col(model.id).in_(set(ids)), *where)
    if not deleted and hasattr(model, "deleted_at"):
        statement = statement.where(col(model.deleted_at).is_(None))
    if model is InferenceRequest:
        # It goes with its deployment.
        statement = statement.join(Deployment, col(Deployment.id) == model.deployment_id)
        statement = statement.where(col(Deployment.deleted_at).is_(None))
    if model is EvalRun:
        # It goes with its eval.
        statement = statement.join(Eval, col(Eval.id) == model.eval_id).where(col(Eval.deleted_at).is_(None))
    rows = await _read(ctx, statement)
    return {row.id: row for row in rows}


async def checkpoints(ctx: Context, job_ids: Sequence[str]) -> dict[str, list[Checkpoint]]:
    """Return each job's checkpoints, oldest first."""
    mine = (Checkpoint.account_id == ctx.account.id, col(Checkpoint.deleted_at).is_(None))
    statement = select(Checkpoint).where(*mine, col(Checkpoint.job_id).in_(set(job_ids)))
    rows = await _read(ctx, statement.order_by(col(Checkpoint.step), col(Checkpoint.created_at)))
    return _grouped((row.job_id, row) for row in rows)


async def deployments(ctx: Context, job_ids: Sequence[str]) -> dict[str, list[Deployment]]:
    """Return the deployments that serve each job's model, by the job's id or its checkpoint's, newest first."""
    mine = (Deployment.account_id == ctx.account.id, col(Deployment.deleted_at).is_(None), Deployment.source == "training_job")
    statement = select(Deployment, Checkpoint.job_id).join(Checkpoint, col(Checkpoint.id) == col(Deployment.checkpoint_id))
    statement = statement.where(*mine, col(Checkpoint.job_id).in_(set(job_ids)))
    rows = await _read(ctx, statement.order_by(col(Deployment.created_at).desc(), col(Deployment.id).desc()))
    return _grouped((job_id, row) for row, job_id in rows)


async def replicas(ctx: Context, deployment_ids: Sequence[str]) -> dict[str, list[Replica]]:
    """Return each deployment's replicas, newest first."""
    statement = select(Replica).join(Deployment, col(Deployment.id) == col(Replica.deployment_id))
    statement = statement.where(Deployment.account_id == ctx.account.id, col(Replica.deployment_id).in_(set(deployment_ids)))
    rows = await _read(ctx, statement.order_by(col(Replica.created_at).desc()))
    return _grouped((row.deployment_id, row) for row in rows)


async def versions(ctx: Context, deployment_ids: Sequence[str]) -> dict[str, list[DeploymentVersion]]:
    """Return what each deployment serves and has served, newest first."""
    version = DeploymentVersion
    statement = select(version).where(version.account_id == ctx.account.id, col(version.deployment_id).in_(set(deployment_ids)))
    rows = await _read(ctx, statement.order_by(col(version.number).desc()))
    return _grouped((row.deployment_id, row) for row in rows)


async def jobs(ctx: Context, column: Any, ids: Sequence[str], count: int) -> dict[str, list[Job]]:
    """Return the newest `count` jobs of each value that a column of `Job` has, newest first."""
    newest = (col(Job.created_at).desc(), col(Job.id).desc())
    place = func.row_number().over(partition_by=col(column), order_by=newest).label("place")
    mine = (Job.account_id == ctx.account.id, col(Job.deleted_at).is_(None))
    placed = select(Job, place).where(*mine, col(column).in_(set(ids))).subquery()
    found = aliased(Job, placed)
    statement = select(found).where(placed.c.place <= count).order_by(placed.c.place)
    return _grouped((getattr(row, column.key), row) for row in await _read(ctx, statement))


async def last_lines(ctx: Context, job_ids: Sequence[str], count: int) -> dict[str, list[stream.Row]]:
    """Return the last `count` rows of each job's log."""
    head, chunk = StreamHead, StreamChunk
    statement = select(chunk).join(head, (col(head.resource_id) == chunk.resource_id) & (col(head.kind) == chunk.kind))
    statement = statement.join(Job, col(Job.id) == chunk.resource_id)
    mine = (Job.account_id == ctx.account.id, col(chunk.resource_id).in_(set(job_ids)), chunk.kind == "logs")
    statement = statement.where(*mine, col(chunk.last_seq) > col(head.last_seq) - count).order_by(col(chunk.first_seq))
    lines = _grouped((chunk.resource_id, row) for chunk in await _read(ctx, statement) for row in stream.decode(chunk))
    return {job_id: rows[-count:] for job_id, rows in lines.items()}


async def batch_progress(ctx: Context, batch_ids: Sequence[str]) -> dict[str, stream.Row]:
    """Return the last thing that each batch's host has said of its progress."""
    head, chunk = StreamHead, StreamChunk
    at_end = (col(head.resource_id) == chunk.resource_id) & (col(head.kind) == chunk.kind) & (head.last_seq == chunk.last_seq)
    statement = select(chunk).join(head, at_end).join(Batch, col(Batch.id) == chunk.resource_id)
    mine = (Batch.account_id == ctx.account.id, col(chunk.resource_id).in_(set(batch_ids)), chunk.kind == "progress")
    return {chunk.resource_id: stream.decode(chunk)[-1] for chunk in await _read(ctx, statement.where(*mine))}


async def eval_parts(ctx: Context, run_ids: Sequence[str]) -> dict[str, list[Batch]]:
    """Return the batches that each eval run consists of, in the order in which it began them."""
    mine = (Batch.account_id == ctx.account.id, col(Batch.parent_id).in_(set(run_ids)))
    rows = await _read(ctx, select(Batch).where(*mine).order_by(col(Batch.created_at), col(Batch.id)))
    return _grouped((str(row.parent_id), row) for row in rows)


async def eval_runs(ctx: Context, eval_ids: Sequence[str], count: int) -> dict[str, list[EvalRun]]:
    """Return the newest `count` runs of each eval, newest first."""
    newest = (col(EvalRun.created_at).desc(), col(EvalRun.id).desc())
    place = func.row_number().over(partition_by=col(EvalRun.eval_id), order_by=newest).label("place")
    mine = (EvalRun.account_id == ctx.account.id, col(EvalRun.eval_id).in_(set(eval_ids)))
    placed = select(EvalRun, place).where(*mine).subquery()
    found = aliased(EvalRun, placed)
    statement = select(found).where(placed.c.place <= count).order_by(placed.c.place)
    return _grouped((row.eval_id, row) for row in await _read(ctx, statement))


async def _read(ctx: Context, statement: Any) -> list[Any]:
    ctx.require("read")
    async with ctx.db.read() as session:
        return list((await session.exec(statement)).all())


def _grouped(pairs: Iterable[tuple[str, T]]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for key, row in pairs:
        groups[key].append(row)
    return groups
