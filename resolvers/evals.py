"""Evals: a dataset and how answers to it are scored, made, listed and deleted by their account."""

from typing import Any

from sqlalchemy import delete as sa_delete
from sqlalchemy import update
from sqlmodel import col, or_, select

from burnish.kit import clock, ids, paging
from burnish.kit.db import Session
from burnish.kit.errors import Conflict, NotFound
from burnish.kit.paging import ALWAYS, Span
from engines import erasing
from models import eval as evaluation
from models import events
from models.batch import Batch, BatchOutcome
from models.eval import Eval, EvalItem, EvalRun
from models.file import File
from resolvers import datasets, eval_scorers
from resolvers.context import Context
from resolvers.creating import once
from resolvers.eval_inputs import EvalInput


async def create(ctx: Context, spec: EvalInput) -> Eval:
    """Make an eval. Nothing is asked before it has a run.

    NotFound for a dataset, a reward function or a judge of nobody or of another, Invalid for a scorer that cannot be used.
    """
    ctx.require("write")
    scorers = eval_scorers.read(spec.scorers)
    generation = None if spec.generation_params is None else spec.generation_params.given

    async def make(session: Session) -> Eval:
        # Nobody deletes it before the eval is there.
        await datasets.find(session, ctx, spec.dataset_id, lock=True)
        await eval_scorers.check_references(session, ctx, scorers)
        row = Eval(
            id=ids.new(evaluation.PREFIX),
            account_id=ctx.account.id,
            name=spec.name,
            dataset_id=spec.dataset_id,
            scorers=spec.scorers,
            generation=generation or None,
            created_at=clock.now(),
        )
        session.add(row)
        await session.flush()
        await events.note(session, ctx.account.id, row.id, "created", {"name": row.name})
        return row

    return await once(ctx, "evals.create", spec.model_dump(exclude_unset=True), Eval, make)


async def get(ctx: Context, eval_id: str) -> Eval:
    ctx.require("read")
    async with ctx.db.read() as session:
        return await find(session, ctx, eval_id)


async def find(session: Session, ctx: Context, eval_id: str, *, lock: bool = False) -> Eval:
    """Return an eval of the caller's; with `lock`, nobody deletes it before the transaction ends."""
    row = await session.get(Eval, eval_id, with_for_update=lock or None)
    if row is None or row.account_id != ctx.account.id or row.deleted_at is not None:
        raise NotFound(f"No such eval: {eval_id}", param="eval_id")
    return row


async def page(
    ctx: Context,
    *,
    dataset_id: str | None = None,
    search: str | None = None,
    created: Span = ALWAYS,
    limit: int = 20,
    after: str | None = None,
) -> paging.Page[Eval]:
    """Return the account's evals; `search` keeps those whose name contains it, whatever its case, and the one with this id."""
    ctx.require("read")
    where: list[Any] = [col(Eval.deleted_at).is_(None), *paging.within(Eval.created_at, created)]
    where += [or_(paging.contains(Eval.name, search), col(Eval.id) == search)] if search else []
    where += [Eval.dataset_id == dataset_id] if dataset_id is not None else []
    async with ctx.db.read() as session:
        return await paging.page(session, Eval, Eval.account_id == ctx.account.id, where=where, limit=limit, after=after)


async def delete(ctx: Context, eval_id: str) -> Eval:
    """Delete an eval with its runs and all that they found; Conflict while one of them goes on."""
    ctx.require("write")
    row = await once(ctx, "evals.delete", {"eval_id": eval_id}, Eval, lambda session: _delete(session, ctx, eval_id))
    async with ctx.db.read() as session:
        run_ids = (await session.exec(select(EvalRun.id).where(EvalRun.eval_id == eval_id))).all()
    for run_id in run_ids:
        await erasing.attempt(ctx.core, erasing.erase_streams, run_id)
    return row


async def _delete(session: Session, ctx: Context, eval_id: str) -> Eval:
    row = await find(session, ctx, eval_id, lock=True)
    runs = select(EvalRun.id).where(EvalRun.eval_id == row.id)
    live = (await session.exec(runs.where(col(EvalRun.status).not_in(evaluation.TERMINAL)).limit(1))).first()
    if live is not None:
        raise Conflict(f"The run {live} of this eval goes on.", code="resource_in_use", hint="Cancel it, or wait for its end.")
    row.deleted_at = clock.now()
    session.add(row)
    await session.exec(sa_delete(EvalItem).where(col(EvalItem.run_id).in_(runs)))
    # What was asked and answered goes with the next sweep, and what batches keep of each line at once.
    parts = select(Batch.id).where(col(Batch.parent_id).in_(runs))
    for column in (Batch.input_file_id, Batch.output_file_id, Batch.error_file_id):
        its = select(column).where(col(Batch.parent_id).in_(runs), col(column).is_not(None))
        await session.exec(update(File).where(col(File.id).in_(its)).values(expires_at=clock.now()))
    await session.exec(sa_delete(BatchOutcome).where(col(BatchOutcome.batch_id).in_(parts)))
    await events.note(session, ctx.account.id, row.id, "deleted", {"name": row.name})
    return row


def allowed(ctx: Context, row: Eval) -> list[str]:
    """Return what the caller's key may do to an eval: `delete`, `run`."""
    return ["delete", "run"] if "write" in ctx.scopes else []
