"""Checkpoints: what jobs have saved, and from which of it another job can go on."""

import re

from sqlmodel import col, select

from burnish.kit import paging
from burnish.kit.db import Session
from burnish.kit.errors import Invalid, NotFound
from models.job import Checkpoint, Job
from resolvers.context import Context

AT_STEP = re.compile(r"(job_[a-z0-9]+)@(\d{1,10})")


async def page(
    ctx: Context, *, job_id: str | None = None, final: bool | None = None, limit: int = 20, after: str | None = None
) -> paging.Page[Checkpoint]:
    """Return the checkpoints of all of the account's jobs, newest first."""
    ctx.require("read")
    where = [] if job_id is None else [col(Checkpoint.job_id) == job_id]
    where += [] if final is None else [col(Checkpoint.final).is_(final)]
    scope = (Checkpoint.account_id == ctx.account.id, col(Checkpoint.deleted_at).is_(None))
    async with ctx.db.read() as session:
        return await paging.page(session, Checkpoint, *scope, where=where, limit=limit, after=after)


async def of_job(session: Session, job_id: str) -> list[Checkpoint]:
    """Return a job's checkpoints, oldest first."""
    statement = select(Checkpoint).where(Checkpoint.job_id == job_id, col(Checkpoint.deleted_at).is_(None))
    return list((await session.exec(statement.order_by(col(Checkpoint.step), col(Checkpoint.created_at)))).all())


def is_best(row: Job, checkpoint: Checkpoint) -> bool:
    """Say whether a checkpoint has the best score of its job on held-out rows. With `keep_best` the trained model has it."""
    if row.best_step is None:
        return False
    return checkpoint.step == row.best_step or (checkpoint.final and bool(row.hyperparameters.get("keep_best")))


async def find_final(session: Session, job_id: str) -> Checkpoint:
    """Return a job's trained model; NotFound where it has none."""
    found = [row for row in await of_job(session, job_id) if row.final]
    if not found:
        raise NotFound(f"The model of {job_id} is not stored here.")
    return max(found, key=lambda row: row.attempt)


async def resumable(session: Session, ctx: Context, reference: str) -> Checkpoint:
    """Return the checkpoint that `ckpt_…` or `job@step` names.

    NotFound for one of nobody or of another, Invalid for a trained model: it has no trainer's state to go on with.
    """
    at_step = AT_STEP.fullmatch(reference)
    if at_step is None:
        found = await session.get(Checkpoint, reference)
        if found is None or found.account_id != ctx.account.id or found.deleted_at is not None:
            raise unknown(reference)
        return found if not found.final else await _refuse_final(session, found)
    row = await session.get(Job, at_step[1])
    if row is None or row.account_id != ctx.account.id or row.deleted_at is not None:
        raise unknown(reference)
    at = [checkpoint for checkpoint in await of_job(session, row.id) if checkpoint.step == int(at_step[2])]
    on_the_way = [checkpoint for checkpoint in at if not checkpoint.final]
    if on_the_way:
        return on_the_way[-1]
    if at:
        return await _refuse_final(session, at[-1])
    raise unknown(reference)


def unknown(reference: str) -> NotFound:
    return NotFound(f"No such checkpoint: {reference}", param="resume_from")


async def _refuse_final(session: Session, found: Checkpoint) -> Checkpoint:
    steps = sorted({row.step for row in await of_job(session, found.job_id) if not row.final})
    hint = f"It can go on from {found.job_id}@{steps[-1]}." if steps else "Its job saved no other: set checkpoint_every."
    message = f"{found.id} is a trained model, which has no optimizer state to go on with."
    raise Invalid(message, code="not_resumable", param="resume_from", hint=hint)
